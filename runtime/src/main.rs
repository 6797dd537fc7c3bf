//! The `runtime` program: command line in, exit status out.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod cli;
mod commands;
mod config;
mod signals;

use std::process::ExitCode;

use runtime::reason::{is_closed_pipe, one_line};

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

/// The error on one line, or several mistakes each on its own.
fn lines(error: &anyhow::Error) -> Vec<String> {
    match error.downcast_ref() {
        Some(config::Mistakes(mistakes)) => mistakes.clone(),
        None => vec![one_line(error)],
    }
}
