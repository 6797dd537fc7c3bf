//! Metadata as text properties, and why they cannot be read.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::Deserialize;

use super::{ModelMeta, Provenance};

/// Version of the property set; a reader refuses any other.
pub const META_VERSION: u32 = 1;

/// Why a file's properties are not those of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaError {
    /// No property of ours at all.
    NotOurs,
    /// A property is missing.
    Missing(&'static str),
    /// Another version of the property set.
    Version(String),
    /// A property cannot be understood.
    Malformed {
        /// Name of the property.
        property: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Two properties contradict each other.
    Contradiction(String),
}

impl core::error::Error for MetaError {}

impl fmt::Display for MetaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => write!(
                f,
                "the model carries no Auricle metadata (labels, rate, window); export it with `trainer export`"
            ),
            Self::Missing(property) => write!(f, "the model's metadata lacks `{property}`"),
            Self::Version(version) => write!(
                f,
                "the model's metadata has version {version}, this program reads version {META_VERSION}"
            ),
            Self::Malformed { property, reason } => {
                write!(f, "the model's metadata `{property}` is malformed: {reason}")
            }
            Self::Contradiction(what) => {
                write!(f, "the model's metadata contradicts itself: {what}")
            }
        }
    }
}

const VERSION: &str = "auricle.version";
const PRESET: &str = "auricle.preset";
const ARCH: &str = "auricle.arch";
const LABELS: &str = "auricle.labels";
const RATE: &str = "auricle.sample_rate_hz";
const WINDOW: &str = "auricle.window";
const DECISION: &str = "auricle.decision";
const CONFIG: &str = "auricle.config";
const SEED: &str = "auricle.seed";
const DATA: &str = "auricle.data_sha256";
const SPLIT: &str = "auricle.split_sha256";
const TRAINER: &str = "auricle.trainer_version";

impl ModelMeta {
    /// The metadata as text properties, always in the same order.
    #[must_use]
    pub fn to_properties(&self) -> Vec<(String, String)> {
        let json = |value: Result<String, serde_json::Error>| {
            value.expect("plain structs of numbers and strings are valid JSON")
        };
        let Provenance { config, seed, data_sha256, split_sha256, trainer_version } =
            &self.provenance;
        [
            (VERSION, META_VERSION.to_string()),
            (PRESET, self.preset.clone()),
            (ARCH, json(serde_json::to_string(&self.arch))),
            (LABELS, json(serde_json::to_string(&self.labels))),
            (RATE, self.arch.sample_rate_hz.to_string()),
            (WINDOW, self.arch.window.to_string()),
            (DECISION, json(serde_json::to_string(&self.decision))),
            (CONFIG, config.clone()),
            (SEED, seed.to_string()),
            (DATA, data_sha256.clone()),
            (SPLIT, split_sha256.clone()),
            (TRAINER, trainer_version.clone()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// Reads what [`ModelMeta::to_properties`] wrote; other properties are ignored.
    ///
    /// # Errors
    /// Missing, malformed or contradictory properties.
    pub fn from_properties<'a>(
        properties: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<Self, MetaError> {
        if !properties.clone().any(|(name, _)| name.starts_with("auricle.")) {
            return Err(MetaError::NotOurs);
        }
        let get = |name: &'static str| {
            let mut found = properties.clone().filter(|(key, _)| *key == name);
            found.next().map(|(_, value)| value).ok_or(MetaError::Missing(name))
        };
        let version = get(VERSION)?;
        if version != META_VERSION.to_string() {
            return Err(MetaError::Version(version.chars().take(20).collect()));
        }
        let meta = Self {
            preset: get(PRESET)?.to_owned(),
            arch: parse_json(ARCH, get(ARCH)?)?,
            labels: parse_json(LABELS, get(LABELS)?)?,
            decision: parse_json(DECISION, get(DECISION)?)?,
            provenance: Provenance {
                config: get(CONFIG)?.to_owned(),
                seed: parse_json(SEED, get(SEED)?)?,
                data_sha256: get(DATA)?.to_owned(),
                split_sha256: get(SPLIT)?.to_owned(),
                trainer_version: get(TRAINER)?.to_owned(),
            },
        };
        meta.validate()?;
        let same = |property, expected: u32| match parse_json::<u32>(property, get(property)?)? {
            value if value == expected => Ok(()),
            value => Err(MetaError::Contradiction(format!(
                "`{property}` is {value} but the architecture says {expected}"
            ))),
        };
        same(RATE, meta.arch.sample_rate_hz)?;
        same(WINDOW, meta.arch.window)?;
        Ok(meta)
    }
}

fn parse_json<'a, T: Deserialize<'a>>(
    property: &'static str,
    text: &'a str,
) -> Result<T, MetaError> {
    serde_json::from_str(text)
        .map_err(|error| MetaError::Malformed { property, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::super::{DecisionDefaults, SILENCE};
    use super::*;
    use crate::arch::preset;
    use crate::stream::FULL_SCALE;
    use proptest::prelude::*;
    use std::vec;

    fn meta() -> ModelMeta {
        let labels: Vec<String> = ["go", "stop", SILENCE].map(str::to_owned).into();
        ModelMeta {
            preset: "nano".to_owned(),
            arch: preset("nano", 3).unwrap(),
            decision: DecisionDefaults::for_labels(&labels, 16_000),
            labels,
            provenance: Provenance { seed: u64::MAX, ..Provenance::default() },
        }
    }

    fn read(properties: &[(String, String)]) -> Result<ModelMeta, MetaError> {
        ModelMeta::from_properties(properties.iter().map(|(k, v)| (k.as_str(), v.as_str())))
    }

    #[test]
    fn properties_survive_the_round_trip() {
        let mut properties = meta().to_properties();
        properties.push(("producer".to_owned(), "somebody".to_owned()));
        assert_eq!(read(&properties).unwrap(), meta());
    }

    #[test]
    fn models_of_others_are_told_apart_from_broken_ones() {
        assert_eq!(read(&[]), Err(MetaError::NotOurs));
        for index in 0..meta().to_properties().len() {
            let mut properties = meta().to_properties();
            let (name, _) = properties.remove(index);
            assert!(matches!(read(&properties), Err(MetaError::Missing(n)) if n == name));
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let mut wrong = vec![meta(); 9];
        wrong[0].labels.pop();
        wrong[1].decision.thresholds.push(None);
        wrong[2].decision.thresholds[0] = Some(1.5);
        wrong[3].arch.window = 1;
        wrong[4].decision.min_count = 0;
        wrong[5].decision.release = 0.0;
        wrong[6].decision.release = 1.1;
        wrong[7].decision.cooldowns = vec![1, 2];
        wrong[8].decision.gate = FULL_SCALE + 1;
        for meta in wrong {
            let read = read(&meta.to_properties());
            assert!(matches!(read, Err(MetaError::Contradiction(_))), "{read:?}");
        }
    }

    proptest! {
        #[test]
        fn hostile_properties_are_errors_not_panics(index in 0..12usize, text in ".{0,60}") {
            let mut properties = meta().to_properties();
            properties[index].1 = text;
            let _ = read(&properties);
        }
    }
}
