//! The binary `trainer`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use trainer::fit::progress;

fn main() -> ExitCode {
    let started = trainer::net::default_to_cpu().map_err(anyhow::Error::from);
    match started.and_then(|()| trainer::cli::Cli::parse().run()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the results has enough of them.
        Err(error) if trainer::cli::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            progress::line(&format!("error: {}", trainer::cli::one_line(&error)));
            ExitCode::FAILURE
        }
    }
}
