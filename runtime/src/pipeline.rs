//! All steps in a row: samples, resampling, rolling windows, engine, detector.

mod overload;
mod stats;
#[cfg(test)]
mod tests;
mod told;

use std::io;
use std::time::{Duration, Instant};

use audio::{AudioError, Resampler};
use models::arch::Task;
use models::meta::{DecisionDefaults, ModelMeta};
use models::stream::{Change, Decider, Q15, SettingsError, from_f32};

use crate::engine::{EngineError, Gated, Stream};
use crate::sink::Sink;

use overload::{Overload, Relief};
pub use stats::{Stats, quantile};
use told::Told;

/// Why a stream ends before its source does.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The source's rate cannot be brought to the model's.
    #[error(transparent)]
    Rate(#[from] AudioError),
    /// Decision settings that no detector can work with.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The network failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The results could not be written.
    #[error("the results cannot be written: {0}")]
    Output(#[source] io::Error),
}

/// Classifies a stream of samples.
///
/// Results depend on the samples alone, never on how they are cut into pushes.
#[derive(Debug)]
pub struct Pipeline<S> {
    resampler: Resampler,
    resampled: Vec<f32>,
    windows: Windows<S>,
}

/// What happens at the model's rate.
#[derive(Debug)]
struct Windows<S> {
    stream: Gated<S>,
    /// Sample that the windows' grid begins at.
    origin: u64,
    position: u64,
    posteriors: Vec<f32>,
    rounded: Vec<Q15>,
    decider: Decider<Vec<Q15>>,
    told: Told,
    stats: Stats,
    overload: Overload,
    hop: u64,
    /// Windows still to be left out, or else samples.
    leave_windows: u64,
    leave_samples: u64,
    /// Where the last window that was computed ended.
    last_end: Option<u64>,
    /// Time spent on the next window so far.
    spent: Duration,
}

impl<S: Stream> Pipeline<S> {
    /// A pipeline from samples at `source_rate_hz`, which decides as `decision` says. The stream
    /// starts anew.
    ///
    /// # Errors
    /// [`PipelineError::Rate`] and [`PipelineError::Settings`].
    pub fn new(
        stream: S,
        source_rate_hz: u32,
        decision: &DecisionDefaults,
    ) -> Result<Self, PipelineError> {
        let mut stream = Gated::new(stream, decision.gate);
        stream.reset();
        let arch = &stream.meta().arch;
        let classes = usize::from(arch.classes);
        let (rate_hz, window) = (arch.sample_rate_hz, arch.window);
        let resampler = Resampler::new(source_rate_hz, arch.sample_rate_hz)?;
        let settings = decision.settings(arch.window);
        let memory = vec![0; Decider::<Vec<Q15>>::memory_len(classes, settings.smoothing)];
        let decider = Decider::new(arch.task, settings, decision.classes(), memory)?;
        Ok(Self {
            resampler,
            resampled: Vec::new(),
            windows: Windows {
                stream,
                origin: 0,
                position: 0,
                posteriors: vec![0.0; classes],
                rounded: vec![0; classes],
                decider,
                told: Told::new(decision),
                stats: Stats::default(),
                overload: Overload::new(rate_hz, window, decision.hop),
                hop: u64::from(decision.hop.max(1)),
                leave_windows: 0,
                leave_samples: 0,
                last_end: None,
                spent: Duration::ZERO,
            },
        })
    }

    /// Counts samples from `position` on, not from 0: this pipeline goes on where another one has ended.
    ///
    /// # Panics
    /// After the first sample.
    pub fn start_at(&mut self, position: u64) {
        assert_eq!(self.windows.position, 0, "nothing has been heard");
        (self.windows.origin, self.windows.position) = (position, position);
    }

    /// Takes note of what the pipeline before this one has told, so that the same sound is not told twice. Tags end with
    /// the pipeline that has begun them: nothing of them is told twice anyway.
    pub fn know<T: Stream>(&mut self, before: &Pipeline<T>) {
        let (here, there) = (self.windows.stream.meta(), before.meta());
        if here.arch.task == Task::MultiLabel {
            return;
        }
        let class = |class: usize| {
            let label = there.labels.get(class)?;
            here.labels.iter().position(|known| known == label)
        };
        let scale = f64::from(here.arch.sample_rate_hz) / f64::from(there.arch.sample_rate_hz);
        self.windows.told.inherit(&before.windows.told, class, scale);
    }

    /// Rate of the samples pushed, in Hz.
    pub fn source_rate_hz(&self) -> u32 {
        self.resampler.from_hz()
    }

    /// What the stream's model is.
    pub fn meta(&self) -> &ModelMeta {
        self.windows.stream.meta()
    }

    /// Samples at the model's rate so far.
    pub const fn position(&self) -> u64 {
        self.windows.position
    }

    /// Whether a gate keeps quiet windows from being computed.
    pub const fn has_gate(&self) -> bool {
        self.windows.stream.is_on()
    }

    /// Tells how many samples at the source's rate wait to be pushed. Where that is more than a second of sound,
    /// the network is too slow: windows are skipped, evenly, until it keeps up. Without this none is, and results depend on the
    /// samples alone.
    pub fn behind(&mut self, samples: u64) {
        let seconds = samples as f64 / f64::from(self.resampler.from_hz());
        let rate_hz = f64::from(self.meta().arch.sample_rate_hz);
        self.windows.overload.tell((seconds * rate_hz) as u64);
    }

    /// What has been done so far.
    pub const fn stats(&self) -> &Stats {
        &self.windows.stats
    }

    /// Takes samples at the source's rate and hands the results of the windows that they
    /// complete to `sink`.
    ///
    /// # Errors
    /// [`PipelineError::Engine`] and [`PipelineError::Output`].
    pub fn push(&mut self, samples: &[f32], sink: &mut dyn Sink) -> Result<(), PipelineError> {
        self.resampled.clear();
        self.resampler.push(samples, &mut self.resampled);
        self.windows.push(&self.resampled, sink)
    }

    /// Takes the end of the stream: the samples that the resampler holds back. Tags that are heard end here.
    ///
    /// # Errors
    /// As [`Pipeline::push`].
    pub fn finish(&mut self, sink: &mut dyn Sink) -> Result<(), PipelineError> {
        self.resampled.clear();
        self.resampler.finish(&mut self.resampled);
        self.windows.push(&self.resampled, sink)?;
        self.windows.finish(sink)
    }

    /// Appends silence up to the end of the first window, for recordings shorter than one.
    ///
    /// # Errors
    /// As [`Pipeline::push`].
    pub fn fill_first_window(&mut self, sink: &mut dyn Sink) -> Result<(), PipelineError> {
        let window = u64::from(self.meta().arch.window);
        let missing = window.saturating_sub(self.position());
        self.windows.push(&vec![0.0; missing as usize], sink)
    }
}

impl<S: Stream> Windows<S> {
    fn push(&mut self, mut samples: &[f32], sink: &mut dyn Sink) -> Result<(), PipelineError> {
        while !samples.is_empty() {
            let start = Instant::now();
            let quiet = self.stream.counts().quiet;
            let (taken, ended) = match (self.leave_samples, self.leave_windows) {
                (0, 0) => self.stream.push(samples, &mut self.posteriors)?,
                (0, _) => self.stream.pass(samples)?,
                (left, _) => ((left as usize).min(samples.len()), false),
            };
            self.spent += start.elapsed();
            sink.samples(self.position, &samples[..taken]);
            samples = &samples[taken..];
            self.position += taken as u64;
            if self.leave_samples > 0 {
                self.leave_samples -= taken as u64;
                if self.leave_samples == 0 {
                    self.stream.reset();
                }
            } else if ended && self.leave_windows > 0 {
                self.leave_windows -= 1;
            } else if ended {
                let time = std::mem::take(&mut self.spent);
                if self.stream.counts().quiet > quiet {
                    self.stats.quiet += 1;
                } else {
                    self.stats.add_window(time);
                }
                self.window_ended(sink)?;
                self.relieve();
            }
        }
        Ok(())
    }

    /// Leaves out what there is no time for.
    fn relieve(&mut self) {
        let end = self.position;
        if let Some(last) = self.last_end.replace(end) {
            self.stats.skipped += ((end - last) / self.hop).saturating_sub(1);
        }
        match self.overload.relief(end - self.origin) {
            Relief::None => {}
            Relief::Windows(count) => self.leave_windows = count,
            Relief::Samples(count) => self.leave_samples = count,
        }
    }

    fn window_ended(&mut self, sink: &mut dyn Sink) -> Result<(), PipelineError> {
        let end = self.position;
        sink.window(end, &self.posteriors).map_err(PipelineError::Output)?;
        for (rounded, posterior) in self.rounded.iter_mut().zip(&self.posteriors) {
            *rounded = from_f32(*posterior);
        }
        self.told.hear(&self.posteriors);
        let Self { decider, rounded, told, stats, .. } = self;
        let mut written = Ok(());
        decider.push(rounded, end, |change| tell(change, told, stats, sink, &mut written));
        written.map_err(PipelineError::Output)
    }

    fn finish(&mut self, sink: &mut dyn Sink) -> Result<(), PipelineError> {
        let Self { decider, told, stats, .. } = self;
        let mut written = Ok(());
        decider.finish(|change| tell(change, told, stats, sink, &mut written));
        written.map_err(PipelineError::Output)
    }
}

/// Hands on what the decision core says, unless that has failed before.
fn tell(
    change: Change,
    told: &mut Told,
    stats: &mut Stats,
    sink: &mut dyn Sink,
    written: &mut io::Result<()>,
) {
    if written.is_err() {
        return;
    }
    *written = match change {
        Change::Begun(event) => sink.begun(&event),
        Change::Detected(event) if !told.is_news(&event) => Ok(()),
        Change::Detected(event) => {
            stats.events += 1;
            sink.event(&event)
        }
    };
}
