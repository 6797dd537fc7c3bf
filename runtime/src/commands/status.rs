//! `runtime status`: how a running `listen` or `stream` fares.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use runtime::service::Status;
use tracing::warn;

use super::{print_json, print_line};
use crate::cli::{Format, StatusOf};

/// Seconds after which a status is too old to be that of a running program.
const STALE_S: f64 = 10.0;

pub(super) fn run(args: &StatusOf) -> Result<ExitCode> {
    let path = args.file.display();
    let status = Status::read(&args.file).map_err(|error| {
        anyhow!("{path}: no status: {error}; name the file that --status of `listen` names")
    })?;
    match args.format {
        Format::Text => print_line(&status.line())?,
        Format::Json => print_json(&status)?,
    }
    let age_s = Status::now() - status.updated;
    if age_s <= STALE_S {
        return Ok(ExitCode::SUCCESS);
    }
    warn!(
        "{path}: written {age_s:.0} s ago; process {} does not run any more, or hangs",
        status.pid
    );
    Ok(ExitCode::FAILURE)
}
