//! A stream from its source to its results, as `listen` and `stream` run it.

mod outputs;
mod report;
mod watch;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;

use anyhow::Result;
use models::stream::Event;
use runtime::engine::{Engine as _, Stream};
use runtime::pipeline::{Pipeline, Stats};
use runtime::reason::one_line;
use runtime::sink::{End, Sink};
use runtime::source::Source;
use tracing::{debug, info, warn};

use super::decide;
use crate::cli::{Detection, Model, Service};
use crate::signals::Signals;
use report::Reporter;
use watch::Watch;

/// What the user asked for, whether by flags or in a file.
#[derive(Clone, Copy)]
pub(super) struct Options<'a> {
    pub(super) model: &'a Model,
    pub(super) detection: &'a Detection,
    pub(super) service: &'a Service,
}

/// How a stream is steered from outside.
pub(super) struct Control<'a> {
    pub(super) signals: &'a Signals,
    /// Whether a microphone is heard, of whose level is warned.
    pub(super) live: bool,
    /// Ends the stream after so many seconds of sound.
    pub(super) seconds: Option<f64>,
    /// Makes a session of the settings as they are now, of samples at a rate.
    pub(super) reload: &'a dyn Fn(u32) -> Result<Session>,
}

/// A model and where its results go: what a new configuration replaces while the stream goes on.
pub(super) struct Session {
    pipeline: Pipeline<Box<dyn Stream>>,
    sink: Box<dyn Sink>,
    reporter: Reporter,
    /// Of the sessions before this one.
    past: Stats,
}

impl Session {
    /// Loads what `options` name, for samples at `rate_hz`.
    pub(super) fn new(options: Options<'_>, rate_hz: u32) -> Result<Self> {
        let model = options.model.load()?;
        Self::with_model(model, options, rate_hz)
    }

    /// The same with a model that has been loaded.
    pub(super) fn with_model(
        model: runtime::engine::Model,
        options: Options<'_>,
        rate_hz: u32,
    ) -> Result<Self> {
        let decision = decide(&options.detection.overrides(), model.meta())?;
        let sink = outputs::sink(model.meta(), options.detection, options.service, &decision)?;
        let reporter = Reporter::new(options, model.meta(), &decision);
        let stream = model.into_stream(decision.hop)?;
        debug!("windows every {} samples: {:?}", decision.hop, stream.work());
        let pipeline = Pipeline::new(stream, rate_hz, &decision)?;
        Ok(Self { pipeline, sink, reporter, past: Stats::default() })
    }

    /// Detects sounds in `source` and hands them to the sinks, until it ends or somebody says so.
    pub(super) fn run(mut self, source: &mut impl Source, control: &Control<'_>) -> Result<()> {
        let fed = self.feed(source, control);
        // The samples before a fault count, so they are classified before it is told.
        self.pipeline.finish(self.sink.as_mut())?;
        let stopped = control.signals.stop.load(Ordering::Relaxed);
        self.sink.finish(if stopped { End::Stop } else { End::Stream });
        fed?;
        if self.pipeline.has_gate() {
            let Stats { windows, quiet, .. } = self.pipeline.stats().clone().after(&self.past);
            let all = windows + quiet;
            let share = 100.0 * quiet as f64 / all.max(1) as f64;
            info!("{quiet} of {all} windows ({share:.0} %) were too quiet to be computed");
        }
        let arch = &self.pipeline.meta().arch;
        if self.pipeline.position() < u64::from(arch.window) {
            let seconds = |samples: u64| samples as f64 / f64::from(arch.sample_rate_hz);
            let (heard, window) =
                (seconds(self.pipeline.position()), seconds(u64::from(arch.window)));
            info!("{heard:.2} s of sound is shorter than the model's window of {window:.2} s");
        }
        Ok(())
    }

    fn feed(&mut self, source: &mut impl Source, control: &Control<'_>) -> Result<()> {
        let rate_hz = source.rate_hz();
        let most = |seconds: f64| (seconds * f64::from(rate_hz)).round() as u64;
        let mut left = control.seconds.map_or(u64::MAX, most);
        let mut watch = Watch::new(rate_hz, control.live);
        let mut recent = VecDeque::new();
        self.reporter.start()?;
        while left > 0 && !control.signals.stop.load(Ordering::Relaxed) {
            if control.signals.reload.swap(false, Ordering::Relaxed) {
                self.reload(recent.make_contiguous(), rate_hz, control);
            }
            match self.hear(source, left, &mut watch, &mut recent)? {
                Some(samples) => left -= samples,
                None => break,
            }
        }
        // What has come before somebody wanted an end is heard too, without waiting for more.
        left = left.min(source.arrived());
        while left > 0
            && let Some(samples @ 1..) = self.hear(source, left, &mut watch, &mut recent)?
        {
            left -= samples;
        }
        let stats = self.pipeline.stats().clone().after(&self.past);
        watch.finish(&source.health(), &stats);
        self.reporter.finish(&source.health(), &stats, watch.level(), self.pipeline.position());
        Ok(())
    }

    /// Classifies the next block, of which at most `most` samples count; tells how many, and `None` at the end.
    fn hear(
        &mut self,
        source: &mut impl Source,
        most: u64,
        watch: &mut Watch,
        recent: &mut VecDeque<f32>,
    ) -> Result<Option<u64>> {
        let Some(block) = source.next_block()? else { return Ok(None) };
        let block = &block[..most.min(block.len() as u64) as usize];
        let samples = block.len() as u64;
        watch.listen(block);
        self.remember(block, recent);
        self.pipeline.push(block, self.sink.as_mut())?;
        let health = source.health();
        self.pipeline.behind(health.backlog);
        let stats = self.pipeline.stats().clone().after(&self.past);
        watch.look(&health, &stats);
        self.reporter.report(&health, &stats, watch.level(), self.pipeline.position());
        Ok(Some(samples))
    }

    /// Keeps a window's length of samples, for a model to come.
    fn remember(&self, block: &[f32], recent: &mut VecDeque<f32>) {
        let arch = &self.pipeline.meta().arch;
        let window_s = f64::from(arch.window) / f64::from(arch.sample_rate_hz);
        let most = (window_s * f64::from(self.pipeline.source_rate_hz())).ceil() as usize;
        recent.extend(block);
        recent.drain(..recent.len().saturating_sub(most));
    }

    /// Takes the settings as they are now; where something is wrong with them, the old ones stay.
    ///
    /// The new model first hears what the old one has just heard, so that a word said at this moment is not lost. It
    /// knows what has been told, so that none is told twice.
    fn reload(&mut self, recent: &[f32], rate_hz: u32, control: &Control<'_>) {
        self.reporter.pulse("RELOADING=1");
        let changed = (control.reload)(rate_hz).and_then(|mut new| {
            self.pipeline.finish(self.sink.as_mut())?;
            let old_hz = f64::from(self.pipeline.meta().arch.sample_rate_hz);
            let new_hz = f64::from(new.pipeline.meta().arch.sample_rate_hz);
            let now_s = self.pipeline.position() as f64 / old_hz;
            let recent_s = recent.len() as f64 / f64::from(rate_hz);
            new.pipeline.start_at(((now_s - recent_s).max(0.0) * new_hz).round() as u64);
            new.pipeline.know(&self.pipeline);
            new.pipeline.push(recent, &mut Again(new.sink.as_mut()))?;
            new.past = self.pipeline.stats().clone().after(&self.past);
            Ok(new)
        });
        match changed {
            Ok(new) => {
                let mut old = std::mem::replace(self, new);
                old.sink.finish(End::Replaced);
                self.reporter.go_on(&old.reporter);
                info!("the configuration and the model have been read again");
            }
            Err(error) => warn!("{}; the old configuration stays", one_line(&error)),
        }
        self.reporter.pulse("READY=1");
    }
}

/// Takes the results of sound that is heard once more: its windows have been told.
struct Again<'a>(&'a mut dyn Sink);

impl Sink for Again<'_> {
    fn samples(&mut self, start: u64, samples: &[f32]) {
        self.0.samples(start, samples);
    }

    fn begun(&mut self, event: &Event) -> io::Result<()> {
        self.0.begun(event)
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.0.event(event)
    }
}
