//! The `firmware-sim` program: command line in, exit status out.
//!
//! A recording goes the way that samples go on a board: interrupts of a few samples ([`recording`]), which
//! may go wrong ([`fault`]), a driver that checks their counters ([`sequence`]) and puts them into a
//! [`ring`], the engine and the decision core behind it ([`board`]).
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod board;
mod check;
mod cli;
mod cost;
mod fault;
mod file;
mod golden;
mod print;
mod record;
mod recording;
mod ring;
mod run;
mod sequence;
mod summary;
mod trace;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Check(args) => check::run(&args),
    };
    match done {
        Ok(status) => status,
        // Whoever read the results has enough of them.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            print::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Tells people something beside the results.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "note: {text}");
}
