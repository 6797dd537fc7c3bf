//! What the commands do, one file each, and what they share.

mod bench;
mod check_config;
mod classify;
mod devices;
mod doctor;
mod listen;
mod manual;
mod session;
mod status;
mod stream;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use models::meta::{DecisionDefaults, ModelMeta};
use runtime::decision::Overrides;
use runtime::pipeline::PipelineError;
use serde::Serialize;
use tracing::info;

use crate::cli::{Cli, Command};

/// Runs a command and tells the exit status.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Classify(args) => return classify::run(&args),
        Command::Stream(args) => stream::run(&args)?,
        Command::Listen(args) => listen::run(&args)?,
        Command::Devices => devices::run()?,
        Command::Doctor(args) => doctor::run(&args)?,
        Command::Status(args) => return status::run(&args),
        Command::CheckConfig(args) => check_config::run(&args)?,
        Command::Bench(args) => bench::run(&args)?,
        Command::Manual(args) => manual::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The model's decision defaults with the user's overrides, and a word on the hop asked for where one is needed.
fn decide(overrides: &Overrides, meta: &ModelMeta) -> Result<DecisionDefaults> {
    let decision = overrides.apply(meta)?;
    if let Some(note) = overrides.hop_note(decision.hop, &meta.arch) {
        info!("{note}");
    }
    Ok(decision)
}

/// Prints one flushed line of JSON.
fn print_json(value: &impl Serialize) -> Result<()> {
    print_line(&serde_json::to_string(value)?)
}

/// Prints one flushed line.
fn print_line(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    Ok(written.map_err(PipelineError::Output)?)
}
