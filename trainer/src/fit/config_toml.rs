//! Configurations as TOML: the layers that one is put together from.

use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::{Table, Value};

use super::config::{FitConfig, Recipe};

/// Share of a recipe's learning rate where trained weights are trained on.
const FINE_TUNING: f64 = 0.2;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{path}: not valid TOML: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, in one line.
        reason: String,
    },
    /// A key that means nothing.
    #[error("{path}: unknown key `{key}`{hint}")]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The nearest key there is.
        hint: String,
    },
    /// A value of the wrong kind or out of range.
    #[error("{0}")]
    Value(String),
}

impl FitConfig {
    /// Puts a configuration together: recipe, then file, then flags.
    ///
    /// # Errors
    /// An unreadable file, an unknown key, a value out of range.
    pub fn resolve(file: Option<&Path>, flags: Table) -> Result<Self, ConfigError> {
        let file_table = match file {
            Some(path) => read_table(path)?,
            None => Table::new(),
        };
        let table = numbers(|key| flags.get(key).or_else(|| file_table.get(key)))?;
        Self::resolve_over(table, file, flags)
    }

    /// The same over numbers of another origin than a recipe: a complete configuration.
    ///
    /// # Errors
    /// As [`FitConfig::resolve`].
    pub fn resolve_over(
        mut table: Table,
        file: Option<&Path>,
        flags: Table,
    ) -> Result<Self, ConfigError> {
        if let Some(path) = file {
            overlay(&mut table, read_table(path)?, "", path)?;
        }
        overlay(&mut table, flags, "", Path::new("flags"))?;
        Self::of_table(table)
    }

    /// Reads a configuration written by [`FitConfig::to_toml`].
    ///
    /// # Errors
    /// As [`FitConfig::resolve`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::resolve(Some(path), Table::new())
    }

    /// Reads a configuration that the file at `path` carries along as text.
    ///
    /// # Errors
    /// As [`FitConfig::resolve`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let given = parse_table(text, path)?;
        let mut table = numbers(|key| given.get(key))?;
        overlay(&mut table, given, "", path)?;
        Self::of_table(table)
    }

    fn of_table(table: Table) -> Result<Self, ConfigError> {
        let config: Self = Value::Table(table).try_into().map_err(one_line(""))?;
        config.validate()?;
        Ok(config)
    }

    /// The configuration as TOML.
    ///
    /// # Panics
    /// Never: every field has a TOML form.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every field has a TOML form")
    }
}

/// The numbers of the recipe that is given, with a lower learning rate where trained weights are trained on.
fn numbers<'a>(given: impl Fn(&str) -> Option<&'a Value>) -> Result<Table, ConfigError> {
    let recipe = match given("recipe") {
        Some(value) => value.clone().try_into().map_err(one_line("recipe: "))?,
        None => Recipe::default(),
    };
    let mut base = FitConfig::of_recipe(recipe);
    let transfers = given("from").and_then(Value::as_str).is_some_and(|from| !from.is_empty());
    let frozen = given("freeze").and_then(Value::as_bool).unwrap_or(base.freeze);
    if transfers && !frozen {
        base.learning_rate *= FINE_TUNING;
    }
    Table::try_from(base).map_err(one_line(""))
}

fn read_table(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    parse_table(&text, path)
}

fn parse_table(text: &str, path: &Path) -> Result<Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        let reason = format!("line {line}: {}", error.message());
        ConfigError::Malformed { path: path.to_owned(), reason }
    })
}

/// Sets the keys of `over` in `base`, which holds every key there is.
fn overlay(base: &mut Table, over: Table, prefix: &str, path: &Path) -> Result<(), ConfigError> {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => {
                overlay(base, over, &format!("{prefix}{key}."), path)?;
            }
            (Some(slot), value) => *slot = value,
            (None, _) => {
                let nearest = base.keys().max_by(|a, b| {
                    let near = |name: &str| strsim::jaro_winkler(name, &key);
                    near(a).total_cmp(&near(b))
                });
                let hint = nearest
                    .filter(|name| strsim::jaro_winkler(name, &key) > 0.7)
                    .map_or(String::new(), |name| format!("; did you mean `{prefix}{name}`?"));
                let key = format!("{prefix}{key}");
                return Err(ConfigError::UnknownKey { path: path.to_owned(), key, hint });
            }
        }
    }
    Ok(())
}

fn one_line<E: std::fmt::Display>(before: &str) -> impl Fn(E) -> ConfigError {
    move |error| {
        let text = error.to_string();
        let line = text.lines().filter(|l| !l.trim().is_empty()).collect::<Vec<_>>().join(" ");
        ConfigError::Value(format!("{before}{line}"))
    }
}
