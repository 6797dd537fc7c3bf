//! Settings from a TOML file, under those of the command line.
//!
//! The keys of the file are the long flags of `listen` and `stream`, with `_` for `-`, and its values are what the flags take:
//! the file becomes flags before those of the command line, and the command line is read once more. So there is one list
//! of settings, one check of their values and one set of defaults: [`crate::cli`]. Paths are relative to the file's folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::builder::ValueHint;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, Parser};
use runtime::decision::nearest;
use toml::{Table, Value};

use crate::cli::Cli;

/// All that is wrong in a file.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub(crate) struct Mistakes(pub(crate) Vec<String>);

/// The commands that take a configuration file.
const COMMANDS: [&str; 2] = ["listen", "stream"];

/// The command line of this process with the settings of the file that it names, if any.
///
/// A command line that is wrong by itself ends the process, as does `--help`.
pub(crate) fn command_line() -> Result<Cli> {
    let args: Vec<OsString> = std::env::args_os().collect();
    let alone = Cli::parse_from(&args);
    match alone.config() {
        Some(_) => resolve(&args),
        None => Ok(alone),
    }
}

/// The command line of this process once more, with its file as it is now.
pub(crate) fn again() -> Result<Cli> {
    resolve(&std::env::args_os().collect::<Vec<_>>())
}

/// A command line with the settings of the file that it names.
///
/// # Errors
/// What is wrong in the file, one line for each unknown key and each value that its flag does not take.
pub(crate) fn resolve(args: &[OsString]) -> Result<Cli> {
    Ok(Cli::from_arg_matches(&matches(args)?)?)
}

/// As [`resolve`], with where each value is from.
pub(crate) fn matches(args: &[OsString]) -> Result<ArgMatches> {
    let alone = parse(args)?;
    let Some((name, flags)) = alone.subcommand() else { return Ok(alone) };
    let path = flags.try_get_one::<PathBuf>("config").ok().flatten();
    let Some(path) = path else { return Ok(alone) };
    let from_file = flags_of_file(path, name, flags)?;
    // The program and the command come first: there are no flags before the command.
    let (before, behind) = args.split_at(args.len().min(2));
    parse(&[before, &from_file, behind].concat())
}

fn parse(args: &[OsString]) -> Result<ArgMatches> {
    Cli::command().try_get_matches_from(args).map_err(|error| anyhow!("{}", reason(&error)))
}

/// The settings of one of [`COMMANDS`]: its flags but those that make no sense in a file.
pub(crate) fn settings(command: &str) -> Vec<Arg> {
    let cli = Cli::command();
    let Some(command) = cli.find_subcommand(command) else { return Vec::new() };
    let is_setting = |arg: &&Arg| arg.get_long().is_some() && arg.get_id() != "config";
    command.get_arguments().filter(is_setting).cloned().collect()
}

/// What the file says as flags of a command, without those that the command line gives itself.
fn flags_of_file(path: &Path, command: &str, given: &ArgMatches) -> Result<Vec<OsString>> {
    let own = settings(command);
    let all: Vec<Arg> = COMMANDS.iter().flat_map(|command| settings(command)).collect();
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut flags, mut mistakes) = (Vec::new(), Vec::new());
    for (key, value) in read(path)? {
        let Some(setting) = all.iter().find(|arg| arg.get_id() == key.as_str()) else {
            let keys = all.iter().map(|arg| arg.get_id().as_str());
            let hint = nearest(&key.replace('-', "_"), keys);
            let hint = hint.map_or_else(String::new, |key| format!("; did you mean `{key}`?"));
            mistakes.push(format!("{}: unknown key `{key}`{hint}", path.display()));
            continue;
        };
        match flags_of(setting, &value, folder) {
            Err(problem) => mistakes.push(format!("{}: `{key}`: {problem}", path.display())),
            Ok(these) => {
                let by_hand = given.value_source(&key) == Some(ValueSource::CommandLine);
                if own.iter().any(|arg| arg.get_id() == key.as_str()) && !by_hand {
                    flags.extend(these);
                }
            }
        }
    }
    match mistakes.is_empty() {
        true => Ok(flags),
        false => Err(Mistakes(mistakes).into()),
    }
}

fn read(path: &Path) -> Result<Table> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{}: the configuration cannot be read", path.display()))?;
    text.parse().map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.get(..start).unwrap_or(&text).matches('\n').count();
        anyhow!("{}: not valid TOML: line {line}: {}", path.display(), error.message())
    })
}

/// A setting of the file as flags, or what is wrong with it.
fn flags_of(setting: &Arg, value: &Value, folder: &Path) -> Result<Vec<OsString>, String> {
    let long = setting.get_long().unwrap_or_default();
    if matches!(setting.get_action(), ArgAction::SetTrue) {
        let on = value.as_bool().ok_or("must be true or false")?;
        return Ok(if on { vec![format!("--{long}").into()] } else { Vec::new() });
    }
    let values = match (value, setting.get_action()) {
        (Value::Array(values), ArgAction::Append) => {
            values.iter().map(text_of).collect::<Option<Vec<_>>>()
        }
        (Value::Table(values), ArgAction::Append) => {
            let pairs =
                values.iter().map(|(key, value)| Some(format!("{key}={}", text_of(value)?)));
            pairs.collect()
        }
        (value, _) => text_of(value).map(|text| vec![text]),
    };
    let values = values.ok_or("must be one value, a string, a number or true or false")?;
    let mut flags = Vec::new();
    for text in values {
        let mut flag = OsString::from(format!("--{long}="));
        match setting.get_value_hint() {
            ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath if !text.is_empty() => {
                flag.push(folder.join(&text));
            }
            _ => flag.push(&text),
        }
        check(setting, &flag).map_err(|problem| format!("{problem} (it is \"{text}\")"))?;
        flags.push(flag);
    }
    Ok(flags)
}

/// A single value as a flag would be given it.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(value) => Some(value.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

/// Whether the flag alone is accepted, so that a mistake can be told by its key.
fn check(setting: &Arg, flag: &OsString) -> Result<(), String> {
    let command = Command::new("check").no_binary_name(true).arg(setting.clone().required(false));
    command.try_get_matches_from([flag]).map(|_| ()).map_err(|error| reason(&error))
}

/// The reason of a refusal, without the lines on usage.
fn reason(error: &clap::Error) -> String {
    if let Some(source) = std::error::Error::source(error) {
        return source.to_string();
    }
    if let Some(ContextValue::Strings(choices)) = error.get(ContextKind::ValidValue) {
        return format!("must be one of {}", choices.join(", "));
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    /// The command line `runtime listen FLAGS` over a file of `text`.
    fn listen(text: &str, flags: &[&str]) -> Result<cli::Listen, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runtime.toml");
        std::fs::write(&path, text).unwrap();
        let mut args: Vec<OsString> = ["runtime", "listen"].map(OsString::from).into();
        args.extend(flags.iter().map(OsString::from));
        args.extend(["--config".into(), path.into_os_string()]);
        let place = format!("{}/", folder.path().display());
        match resolve(&args) {
            Ok(Cli { command: cli::Command::Listen(listen) }) => Ok(listen),
            Ok(_) => unreachable!("the command is listen"),
            Err(error) => Err(error.to_string().replace(&place, "")),
        }
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let text = "hop = 100\nsmoothing = 2\nposteriors = true\nthreshold = [0.5, 'left=0.75']";
        let options = listen(text, &["--hop", "50"]).unwrap().detection;
        let overrides = options.overrides();
        assert_eq!((overrides.hop_ms, overrides.smoothing), (Some(50.0), Some(2)));
        assert!(options.posteriors && options.format == cli::Format::Text);
        assert_eq!(overrides.thresholds.len(), 2);
        let options = listen(text, &["--threshold", "0.9"]).unwrap().detection;
        assert_eq!(options.overrides().thresholds, ["0.9".parse().unwrap()]);
        let options = listen("[threshold]\nleft = 0.75", &[]).unwrap().detection;
        assert_eq!(options.overrides().thresholds, ["left=0.75".parse().unwrap()]);
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let path = listen("model = 'a/model.onnx'", &[]).unwrap().model.model.unwrap();
        assert!(path.is_absolute() && path.ends_with("a/model.onnx"), "{}", path.display());
        let path = listen("model = '/a/model.onnx'", &[]).unwrap().model.model;
        assert_eq!(path, Some(PathBuf::from("/a/model.onnx")));
        let path = listen("model = 'a'", &["-m", "b"]).unwrap().model.model;
        assert_eq!(path, Some(PathBuf::from("b")));
    }

    #[test]
    fn settings_of_the_other_command_are_no_mistake() {
        assert!(listen("realtime = true", &[]).is_ok());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, message) in [
            ("hopp = 3", "runtime.toml: unknown key `hopp`; did you mean `hop`?"),
            (
                "save-triggers = 'x'",
                "runtime.toml: unknown key `save-triggers`; did you mean `save_triggers`?",
            ),
            ("config = 'x'", "runtime.toml: unknown key `config`"),
            ("qqq = 1", "runtime.toml: unknown key `qqq`"),
            ("a = \n", "runtime.toml: not valid TOML: line 1: "),
            ("\n\nhop = 'x'", "runtime.toml: `hop`: invalid float literal (it is \"x\")"),
            ("format = 'xml'", "runtime.toml: `format`: must be one of text, json (it is \"xml\")"),
            ("posteriors = 1", "runtime.toml: `posteriors`: must be true or false"),
            ("hop = [1, 2]", "runtime.toml: `hop`: must be one value"),
            (
                "threshold = 7",
                "runtime.toml: `threshold`: threshold '7' is not a number from 0 to 1",
            ),
        ] {
            let error = listen(text, &[]).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn every_mistake_is_told() {
        let error = listen("hopp = 1\nsmothing = 2\nhop = 100", &[]).unwrap_err();
        assert_eq!(error.matches("unknown key").count(), 2, "{error}");
    }
}
