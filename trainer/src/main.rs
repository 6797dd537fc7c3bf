//! The binary `trainer`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let started = trainer::net::default_to_cpu().map_err(anyhow::Error::from);
    match started.and_then(|()| trainer::cli::Cli::parse().run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", trainer::cli::one_line(&error));
            ExitCode::FAILURE
        }
    }
}
