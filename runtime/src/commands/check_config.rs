//! `runtime check-config`: what a configuration file amounts to.

use std::ffi::OsString;

use anyhow::Result;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};
use models::meta::{DecisionDefaults, ModelMeta};
use runtime::engine::Engine as _;
use toml::Value;

use super::{decide, print_line};
use crate::cli::{self, CheckConfig, Cli};
use crate::config;

/// Prints the settings as TOML, with where each is from, then what the model makes of them.
pub(super) fn run(args: &CheckConfig) -> Result<()> {
    let mut line: Vec<OsString> = ["runtime", "listen", "--config"].map(OsString::from).into();
    line.push(args.file.clone().into_os_string());
    let matches = config::matches(&line)?;
    if let Some((name, matches)) = matches.subcommand() {
        for setting in config::settings(name) {
            print_line(&setting_line(&setting, matches))?;
        }
    }
    let Cli { command: cli::Command::Listen(listen) } = config::resolve(&line)? else {
        return Ok(());
    };
    let model = listen.model.load()?;
    let decision = decide(&listen.detection.overrides(), model.meta())?;
    print_line("")?;
    for line in decision_lines(model.meta(), &decision) {
        print_line(&format!("# {line}"))?;
    }
    Ok(())
}

/// A setting as a line of TOML; a comment where there is no value.
fn setting_line(setting: &Arg, matches: &ArgMatches) -> String {
    let key = setting.get_id().as_str();
    let values = matches.get_raw(key).into_iter().flatten();
    let values: Vec<Value> = values.map(|raw| value_of(&raw.to_string_lossy())).collect();
    let origin = match matches.value_source(key) {
        Some(ValueSource::DefaultValue) => "default",
        _ => "file",
    };
    match (values.as_slice(), setting.get_action()) {
        ([], ArgAction::SetTrue) => format!("{key} = false  # default"),
        ([], _) => format!("# {key} is not set"),
        (_, ArgAction::Append) => format!("{key} = {}  # {origin}", Value::Array(values)),
        ([value, ..], _) => format!("{key} = {value}  # {origin}"),
    }
}

/// Text as the TOML value that it looks like.
fn value_of(text: &str) -> Value {
    if let Ok(value) = text.parse() {
        Value::Boolean(value)
    } else if let Ok(number) = text.parse() {
        Value::Integer(number)
    } else {
        match text.parse() {
            Ok(number) => Value::Float(number),
            Err(_) => Value::String(text.to_owned()),
        }
    }
}

/// What the model makes of the settings.
fn decision_lines(meta: &ModelMeta, decision: &DecisionDefaults) -> Vec<String> {
    let rate_hz = meta.arch.sample_rate_hz;
    let ms = |samples: u32| 1000.0 * f64::from(samples) / f64::from(rate_hz);
    let mut lines = vec![
        format!("model: {rate_hz} Hz, windows of {:.0} ms", ms(meta.arch.window)),
        format!(
            "decision: a window every {:.1} ms, mean of {}, {:.0} ms of suppression, {} windows of warm-up",
            ms(decision.hop),
            decision.smoothing,
            ms(decision.suppression),
            decision.warm_up
        ),
    ];
    for (label, threshold) in meta.labels.iter().zip(&decision.thresholds) {
        lines.push(match threshold {
            Some(threshold) => format!("{label}: from {threshold} on"),
            None => format!("{label}: never"),
        });
    }
    lines
}
