//! The binary `trainer`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use runtime::reason::{is_closed_pipe, one_line};
use trainer::fit::progress;

fn main() -> ExitCode {
    let started = trainer::net::default_to_cpu().map_err(anyhow::Error::from);
    match started.and_then(|()| trainer::cli::Cli::parse().run()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the results has enough of them.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            progress::line(&format!("error: {}", one_line(&error)));
            ExitCode::FAILURE
        }
    }
}
