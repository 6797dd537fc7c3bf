//! The `runtime` program: command line in, exit status out.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod cli;
mod commands;
mod config;
mod signals;

use std::io::{self, Write};
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
            let _ = writeln!(io::stderr(), "error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// The error on one line, or several mistakes each on its own; messages contain their causes.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    if let Some(config::Mistakes(mistakes)) = error.downcast_ref() {
        return mistakes.join("\nerror: ");
    }
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
