//! The `runtime` program: command line in, exit status out.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod cli;
mod commands;
mod config;
mod signals;

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let run = || {
        runtime::log::start()?;
        config::command_line().and_then(commands::run)
    };
    match run() {
        Ok(status) => status,
        // Whoever read the results has enough of them.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            runtime::log::fatal(&lines(&error));
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// The error on one line, or several mistakes each on its own.
fn lines(error: &anyhow::Error) -> Vec<String> {
    match error.downcast_ref() {
        Some(config::Mistakes(mistakes)) => mistakes.clone(),
        None => vec![one_line(error)],
    }
}

/// The error on one line; messages contain their causes.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
