//! `runtime classify`: the most probable labels of whole recordings, or all of their tags.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use audio::{AudioError, Resampler};
use models::arch::Task;
use models::meta::{DecisionDefaults, ModelMeta};
use models::stream::{Event, segment_starts};
use runtime::decision::Overrides;
use runtime::engine::{Engine as _, Model, Stream};
use runtime::pipeline::{Pipeline, PipelineError};
use runtime::reason::one_line;
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

#[derive(Serialize)]
struct TagsLine<'a> {
    file: &'a str,
    tags: Vec<Guess<'a>>,
}

#[derive(Clone, Copy, Serialize)]
struct Guess<'a> {
    label: &'a str,
    confidence: f64,
}

/// Mean posteriors of a recording.
enum Listener {
    /// Over all windows of a stream.
    Hops(Box<dyn Stream>, DecisionDefaults),
    /// Over evenly spaced windows, as many as fit.
    Segments(Box<Model>),
}

impl Listener {
    fn average(&mut self, path: &Path) -> Result<Vec<f64>> {
        match self {
            Self::Hops(stream, decision) => average(path, stream.as_mut(), decision),
            Self::Segments(model) => average_of_segments(path, model),
        }
    }
}

/// Classifies every file; one that cannot be read does not keep the others from it.
pub(super) fn run(args: &Classify) -> Result<ExitCode> {
    let engine = args.model.load()?;
    let meta = engine.meta().clone();
    let finds_tags = meta.arch.task == Task::MultiLabel;
    let mut listener = match args.hop {
        None => Listener::Segments(Box::new(engine)),
        hop_ms => {
            let overrides = Overrides { hop_ms, ..Overrides::default() };
            // All windows are averaged, quiet ones too.
            let decision = DecisionDefaults { gate: 0, ..decide(&overrides, &meta)? };
            Listener::Hops(engine.into_stream(decision.hop)?, decision)
        }
    };
    let mut failed = false;
    for path in &args.files {
        match listener.average(path) {
            Ok(averages) if finds_tags => print_tags(args, path, &meta, &averages)?,
            Ok(averages) => print(args, path, &meta.labels, &averages)?,
            Err(error) => {
                failed = true;
                let _ = writeln!(io::stderr(), "error: {}", one_line(&error));
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

/// The mean posteriors of evenly spaced windows, by the rule of `trainer evaluate`; a recording shorter than one lies in the
/// middle of silence.
fn average_of_segments(path: &Path, model: &mut Model) -> Result<Vec<f64>> {
    let arch = &model.meta().arch;
    let (rate_hz, length) = (arch.sample_rate_hz, arch.window as usize);
    let mut posteriors = vec![0.0; usize::from(arch.classes)];
    let samples = read(path, rate_hz)?;
    let starts = segment_starts(samples.len(), length);
    let (count, mut sums) = (starts.len() as f64, vec![0.0; posteriors.len()]);
    let mut window = vec![0.0; length];
    for start in starts {
        let segment = &samples[start..samples.len().min(start + length)];
        let offset = (length - segment.len()).div_ceil(2);
        window[offset..offset + segment.len()].copy_from_slice(segment);
        model.posteriors(&window, &mut posteriors)?;
        sums.iter_mut().zip(&posteriors).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    Ok(sums.iter().map(|sum| sum / count).collect())
}

/// All samples of a recording, at least one, at `rate_hz`.
fn read(path: &Path, rate_hz: u32) -> Result<Vec<f32>> {
    let mut source = FileSource::open(&Input::from(path.to_path_buf()), None)?;
    let mut resampler = Resampler::new(source.rate_hz(), rate_hz)
        .map_err(|error| anyhow!("{}: {error}", path.display()))?;
    let mut samples = Vec::new();
    while let Some(block) = source.next_block()? {
        resampler.push(block, &mut samples);
    }
    resampler.finish(&mut samples);
    match samples.is_empty() {
        true => Err(AudioError::Empty { path: path.to_path_buf() }.into()),
        false => Ok(samples),
    }
}

/// Prints the tags that reach their thresholds, or as many as are asked for.
fn print_tags(args: &Classify, path: &Path, meta: &ModelMeta, averages: &[f64]) -> Result<()> {
    let mut tags = guesses(&meta.labels, averages);
    match args.top {
        Some(top) => tags.truncate(top.max(1)),
        None => tags.retain(|tag| {
            let thresholds = meta.labels.iter().zip(&meta.decision.thresholds);
            let mut own = thresholds.filter(|(label, _)| *label == tag.label);
            own.any(|(_, t)| t.is_some_and(|threshold| tag.confidence >= f64::from(threshold)))
        }),
    }
    let file = path.to_string_lossy();
    match args.format {
        Format::Json => print_json(&TagsLine { file: &file, tags }),
        Format::Text if tags.is_empty() => print_line(&format!("{file}: -")),
        Format::Text => print_line(&format!("{file}: {}", list(&tags))),
    }
}

/// Labels with their posteriors, the most probable first.
fn guesses<'a>(labels: &'a [String], averages: &[f64]) -> Vec<Guess<'a>> {
    let guess = |(label, &confidence): (&'a String, &f64)| Guess { label, confidence };
    let mut guesses: Vec<Guess<'a>> = labels.iter().zip(averages).map(guess).collect();
    guesses.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    guesses
}

fn list(guesses: &[Guess<'_>]) -> String {
    let text = |guess: &Guess<'_>| format!("{} {:.2}", guess.label, guess.confidence);
    guesses.iter().map(text).collect::<Vec<_>>().join("  ")
}

fn print(args: &Classify, path: &Path, labels: &[String], averages: &[f64]) -> Result<()> {
    let mut guesses = guesses(labels, averages);
    guesses.truncate(args.top.unwrap_or(1).max(1));
    let Some(&Guess { label, confidence }) = guesses.first() else { return Ok(()) };
    let file = path.to_string_lossy();
    match args.format {
        Format::Json => print_json(&Line { file: &file, label, confidence, top: guesses }),
        Format::Text => print_line(&format!("{file}: {}", list(&guesses))),
    }
}
