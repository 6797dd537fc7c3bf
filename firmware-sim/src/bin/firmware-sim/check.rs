//! `firmware-sim check`: runs against recorded ones.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use sha2::{Digest, Sha256};

use crate::cli::{Check, Stream};
use crate::golden::{Golden, difference, play};
use crate::{file, print};

/// How samples come: recorded runs do not depend on it.
const DMA: usize = 256;
/// What is advised where there is no recorded run.
const GOLDEN: &str = "name a run that `firmware-sim record` has written";
/// What is advised where the model of a recorded run is not beside it.
const MODEL: &str = "put the model of the recorded run there, or name one with --model";

pub(crate) fn run(args: &Check) -> Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    for path in &args.golden {
        match check(path, args.model.as_deref()) {
            Ok(same) => print::line(&same).map_err(print::no_output)?,
            Err(error) => {
                print::error(&error);
                status = ExitCode::FAILURE;
            }
        }
    }
    Ok(status)
}

/// Repeats a run; says that it is the same, or, as an error, where it differs.
fn check(path: &Path, model: Option<&Path>) -> Result<String> {
    let name = path.display();
    let golden = file::read(path, GOLDEN)?;
    let golden = Golden::decode(&golden).map_err(|error| anyhow!("{name}: {error}"))?;
    let (model_path, advice) = match model {
        Some(model) => (model.to_path_buf(), file::MODEL),
        None => (beside(path, &golden.model_name)?, MODEL),
    };
    let bytes = file::read(&model_path, advice)?;
    let model = file::parse(&model_path, &bytes)?;
    let rate_hz = model.arch().sample_rate_hz;
    if rate_hz != golden.rate_hz {
        let recorded_hz = golden.rate_hz;
        bail!("{name}: was recorded at {recorded_hz} Hz, but the model hears {rate_hz} Hz");
    }
    let stream = Stream { dma: DMA, ring: DMA, hop: Some(golden.hop) };
    let found = play(&model, &stream, &golden.samples()).map_err(|e| anyhow!("{name}: {e}"))?;
    let same_model = golden.model_sha256 == <[u8; 32]>::from(Sha256::digest(&bytes));
    let nodes = model.arch().nodes().map_err(|error| anyhow!("{name}: {error}"))?;
    if let Some(difference) = difference(&nodes, &golden.outputs, &found) {
        let cause = if same_model { "the model is the same" } else { "the model has changed" };
        bail!("{name}: {difference}; {cause}");
    }
    let (windows, events) = (found.windows.len(), found.events.len());
    let other = if same_model { "" } else { ", though the model has changed" };
    Ok(format!("{name}: the same{other} (windows: {windows}, events: {events})"))
}

/// The model of that name in the folder of a recorded run.
fn beside(path: &Path, name: &str) -> Result<PathBuf> {
    match Path::new(name).file_name() {
        Some(file_name) if file_name == name => Ok(path.with_file_name(name)),
        _ => bail!("{}: its model's name is none; give one with --model", path.display()),
    }
}
