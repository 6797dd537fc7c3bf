//! What the commands do, one file each, and what they share.

mod bench;
mod check_config;
mod classify;
mod devices;
mod listen;
mod stream;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use models::meta::{DecisionDefaults, ModelMeta};
use runtime::decision::Overrides;
use runtime::engine::{Engine as _, Model, Stream};
use runtime::pipeline::Pipeline;
use runtime::sink::{Both, JsonSink, Sink, Style, TextSink, Triggers};
use runtime::source::Source;
use serde::Serialize;

use crate::cli::{Cli, Command, Detection, Format};

/// Runs a command and tells the exit status.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Classify(args) => return classify::run(&args),
        Command::Stream(args) => stream::run(&args)?,
        Command::Listen(args) => listen::run(&args)?,
        Command::Devices => devices::run()?,
        Command::CheckConfig(args) => check_config::run(&args)?,
        Command::Bench(args) => bench::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// When a stream ends before its source does.
struct Stop<'a> {
    /// Set from outside, by Ctrl-C.
    asked: &'a AtomicBool,
    /// Seconds of sound.
    seconds: Option<f64>,
}

/// Detects sounds in `source` and prints them, until it ends or `stop` says so.
fn detect(
    mut source: impl Source,
    engine: Model,
    options: &Detection,
    stop: &Stop<'_>,
) -> Result<()> {
    let decision = decide(&options.overrides(), engine.meta())?;
    let mut sink = sink(&engine, options, &decision)?;
    let stream = engine.into_stream(decision.hop)?;
    let mut pipeline = Pipeline::new(stream, source.rate_hz(), &decision)?;
    let fed = feed(&mut source, &mut pipeline, sink.as_mut(), stop);
    // The samples before a fault count, so they are classified before it is told.
    pipeline.finish(sink.as_mut())?;
    sink.finish();
    fed?;
    let arch = &pipeline.meta().arch;
    if pipeline.position() < u64::from(arch.window) {
        let seconds = |samples: u64| samples as f64 / f64::from(arch.sample_rate_hz);
        let (heard, window) = (seconds(pipeline.position()), seconds(u64::from(arch.window)));
        note(&format!("{heard:.2} s of sound is shorter than the model's window of {window:.2} s"));
    }
    Ok(())
}

/// The model's decision defaults with the user's overrides, and a word on a hop that was rounded.
fn decide(overrides: &Overrides, meta: &ModelMeta) -> Result<DecisionDefaults> {
    let decision = overrides.apply(meta)?;
    let ms = 1000.0 * f64::from(decision.hop) / f64::from(meta.arch.sample_rate_hz);
    if let Some(wanted) = overrides.hop_ms.filter(|wanted| (wanted - ms).abs() > 0.1) {
        let hop = decision.hop;
        note(&format!(
            "a hop of {wanted} ms becomes {ms:.1} ms ({hop} samples), at which windows share more of their work"
        ));
    }
    Ok(decision)
}

fn feed(
    source: &mut impl Source,
    pipeline: &mut Pipeline<Box<dyn Stream>>,
    sink: &mut dyn Sink,
    stop: &Stop<'_>,
) -> Result<()> {
    let rate_hz = source.rate_hz();
    let most = |seconds: f64| (seconds * f64::from(rate_hz)).round() as usize;
    let mut left = stop.seconds.map_or(usize::MAX, most);
    let mut overruns = Overruns { rate_hz, told: 0, last: None };
    while left > 0 && !stop.asked.load(Ordering::Relaxed) {
        let Some(block) = source.next_block()? else { break };
        let block = &block[..block.len().min(left)];
        left -= block.len();
        pipeline.push(block, sink)?;
        overruns.tell(source.lost_samples());
    }
    overruns.last = None;
    overruns.tell(source.lost_samples());
    Ok(())
}

/// Tells of lost samples, once a second at most.
struct Overruns {
    rate_hz: u32,
    told: u64,
    last: Option<Instant>,
}

impl Overruns {
    fn tell(&mut self, lost: u64) {
        let pause = Duration::from_secs(1);
        if lost == self.told || self.last.is_some_and(|last| last.elapsed() < pause) {
            return;
        }
        let ms = (lost - self.told) as f64 * 1000.0 / f64::from(self.rate_hz);
        note(&format!("overrun: {ms:.0} ms of sound were lost; silence stands in for them"));
        (self.told, self.last) = (lost, Some(Instant::now()));
    }
}

/// The sink that prints to standard output, and keeps clips, as the flags say.
fn sink(engine: &Model, options: &Detection, decision: &DecisionDefaults) -> Result<Box<dyn Sink>> {
    let meta = engine.meta();
    let (rate_hz, labels) = (meta.arch.sample_rate_hz, meta.labels.clone());
    let style = Style { rate_hz, labels, posteriors: options.posteriors };
    let out = io::BufWriter::new(io::stdout());
    let labels = style.labels.clone();
    let printed: Box<dyn Sink> = match options.format {
        Format::Text => Box::new(TextSink::new(out, style)),
        Format::Json => Box::new(JsonSink::new(out, style)),
    };
    let Some(folder) = &options.save_triggers else { return Ok(printed) };
    let most = options.save_triggers_mib << 20;
    let triggers = Triggers::new(folder, most, labels, decision, rate_hz, meta.arch.window)
        .with_context(|| format!("{}: clips cannot be kept there", folder.display()))?;
    Ok(Box::new(Both(printed, triggers)))
}

/// Tells people something beside the results.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "note: {text}");
}

/// Prints one flushed line of JSON.
fn print_json(value: &impl Serialize) -> Result<()> {
    print_line(&serde_json::to_string(value)?)
}

/// Prints one flushed line.
fn print_line(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
