//! `runtime classify`: the most probable labels of whole recordings.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use audio::AudioError;
use models::meta::DecisionDefaults;
use models::stream::Event;
use runtime::decision::Overrides;
use runtime::engine::{Engine as _, Stream};
use runtime::pipeline::{Pipeline, PipelineError};
use runtime::sink::Sink;
use runtime::source::{FileSource, Input, Source};
use serde::Serialize;

use super::{decide, print_json, print_line};
use crate::cli::{Classify, Format};

/// Sums the posteriors of all windows.
struct Sum {
    windows: u64,
    posteriors: Vec<f64>,
}

impl Sink for Sum {
    fn window(&mut self, _end: u64, posteriors: &[f32]) -> io::Result<()> {
        self.windows += 1;
        for (sum, posterior) in self.posteriors.iter_mut().zip(posteriors) {
            *sum += f64::from(*posterior);
        }
        Ok(())
    }

    fn event(&mut self, _event: &Event) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    label: &'a str,
    confidence: f64,
    top: Vec<Guess<'a>>,
}

#[derive(Clone, Copy, Serialize)]
struct Guess<'a> {
    label: &'a str,
    confidence: f64,
}

/// Classifies every file; one that cannot be read does not keep the others from it.
pub(super) fn run(args: &Classify) -> Result<ExitCode> {
    let engine = args.model.load()?;
    let overrides = Overrides { hop_ms: args.hop, ..Overrides::default() };
    // All windows are averaged, quiet ones too.
    let decision = DecisionDefaults { gate: 0, ..decide(&overrides, engine.meta())? };
    let mut stream = engine.into_stream(decision.hop)?;
    let labels = stream.meta().labels.clone();
    let mut failed = false;
    for path in &args.files {
        match average(path, stream.as_mut(), &decision) {
            Ok(averages) => print(args, path, &labels, &averages)?,
            Err(error) => {
                failed = true;
                let _ = writeln!(io::stderr(), "error: {}", crate::one_line(&error));
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The mean posteriors over the windows of a recording. A recording shorter than a window is
/// followed by silence.
fn average(path: &Path, stream: &mut dyn Stream, decision: &DecisionDefaults) -> Result<Vec<f64>> {
    let mut source = FileSource::open(&Input::from(path.to_path_buf()), None)?;
    let mut sum = Sum { windows: 0, posteriors: vec![0.0; stream.meta().labels.len()] };
    let rate_hz = source.rate_hz();
    let mut pipeline = Pipeline::new(stream, rate_hz, decision).map_err(|error| match error {
        PipelineError::Rate(error) => anyhow!("{}: {error}", path.display()),
        other => other.into(),
    })?;
    while let Some(block) = source.next_block()? {
        pipeline.push(block, &mut sum)?;
    }
    pipeline.finish(&mut sum)?;
    if pipeline.position() == 0 {
        return Err(AudioError::Empty { path: path.to_path_buf() }.into());
    }
    pipeline.fill_first_window(&mut sum)?;
    Ok(sum.posteriors.iter().map(|total| total / sum.windows as f64).collect())
}

fn print(args: &Classify, path: &Path, labels: &[String], averages: &[f64]) -> Result<()> {
    let mut guesses: Vec<Guess<'_>> = labels
        .iter()
        .zip(averages)
        .map(|(label, &confidence)| Guess { label, confidence })
        .collect();
    guesses.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    guesses.truncate(args.top.max(1));
    let Some(&Guess { label, confidence }) = guesses.first() else { return Ok(()) };
    let file = path.to_string_lossy();
    match args.format {
        Format::Json => print_json(&Line { file: &file, label, confidence, top: guesses }),
        Format::Text => {
            let text = |guess: &Guess<'_>| format!("{} {:.2}", guess.label, guess.confidence);
            let list: Vec<String> = guesses.iter().map(text).collect();
            print_line(&format!("{file}: {}", list.join("  ")))
        }
    }
}
