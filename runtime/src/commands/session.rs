//! A stream from its source to its results, as `listen` and `stream` run it.

mod watch;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use models::meta::DecisionDefaults;
use runtime::engine::{Engine as _, Model, Stream};
use runtime::notes::note;
use runtime::pipeline::Pipeline;
use runtime::sink::{Both, JsonSink, Sink, Style, TextSink, Triggers};
use runtime::source::Source;

use super::decide;
use crate::cli::{Detection, Format};
use watch::Watch;

/// When a stream ends before its source does.
pub(super) struct Stop<'a> {
    /// Set from outside, by a signal.
    pub(super) asked: &'a AtomicBool,
    /// Seconds of sound.
    pub(super) seconds: Option<f64>,
}

/// Detects sounds in `source` and prints them, until it ends or `stop` says so.
pub(super) fn detect(
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

fn feed(
    source: &mut impl Source,
    pipeline: &mut Pipeline<Box<dyn Stream>>,
    sink: &mut dyn Sink,
    stop: &Stop<'_>,
) -> Result<()> {
    let rate_hz = source.rate_hz();
    let most = |seconds: f64| (seconds * f64::from(rate_hz)).round() as usize;
    let mut left = stop.seconds.map_or(usize::MAX, most);
    let mut watch = Watch::new(rate_hz);
    while left > 0 && !stop.asked.load(Ordering::Relaxed) {
        let Some(block) = source.next_block()? else { break };
        let block = &block[..block.len().min(left)];
        left -= block.len();
        watch.listen(block);
        pipeline.push(block, sink)?;
        let health = source.health();
        pipeline.behind(health.backlog);
        watch.look(&health, pipeline.stats());
    }
    watch.finish(&source.health(), pipeline.stats());
    Ok(())
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
