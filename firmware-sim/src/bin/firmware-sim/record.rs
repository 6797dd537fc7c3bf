//! `firmware-sim record`: a run for others to be compared with.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::cli::Record;
use crate::file;
use crate::golden::{Golden, play};
use crate::recording::Recording;

/// The longest recording, in seconds: recorded runs are small files that lie beside the code.
const MOST_SECONDS: f64 = 2.5;

pub(crate) fn run(args: &Record) -> Result<ExitCode> {
    let bytes = file::read(&args.model, file::MODEL)?;
    let model = file::parse(&args.model, &bytes)?;
    let name = args.model.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{}: its name is no text", args.model.display()))?;
    let (window, rate_hz) = (model.arch().window as usize, model.arch().sample_rate_hz);
    let samples = samples(&args.file, rate_hz, args.stream.dma.max(1))?;
    if samples.len() < window {
        let seconds = |samples: usize| samples as f64 / f64::from(rate_hz);
        let (heard, window) = (seconds(samples.len()), seconds(window));
        let path = args.file.display();
        bail!("{path}: {heard:.2} s of sound is shorter than the model's window of {window:.2} s");
    }
    let outputs = play(&model, &args.stream, &samples)?;
    let hop = args.stream.hop.unwrap_or(model.decision().hop);
    let model = (Sha256::digest(&bytes).into(), name.to_owned());
    let golden = Golden::new(model, (rate_hz, hop), &samples, outputs);
    file::write(&args.out, &golden.encode()?)?;
    Ok(ExitCode::SUCCESS)
}

/// All samples of a recording that is short enough.
fn samples(path: &Path, rate_hz: u32, dma: usize) -> Result<Vec<i16>> {
    let most = (MOST_SECONDS * f64::from(rate_hz)) as usize;
    let mut recording = Recording::open(path, rate_hz, dma)?;
    let mut samples = Vec::new();
    while let Some(interrupt) = recording.next()? {
        samples.extend(interrupt.samples);
        if samples.len() > most {
            let path = path.display();
            bail!("{path}: is longer than {MOST_SECONDS} s; cut out the part that matters");
        }
    }
    Ok(samples)
}
