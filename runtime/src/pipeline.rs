//! All steps in a row: samples, resampling, rolling windows, engine, detector.

mod overload;
mod stats;

use std::io;
use std::time::{Duration, Instant};

use audio::{AudioError, Resampler};
use models::meta::{DecisionDefaults, ModelMeta};
use models::stream::{Detector, Q15, SettingsError, from_f32};

use crate::engine::{EngineError, Stream};
use crate::sink::Sink;

use overload::{Overload, Relief};
pub use stats::{Stats, quantile};

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
    stream: S,
    position: u64,
    posteriors: Vec<f32>,
    rounded: Vec<Q15>,
    detector: Detector<Vec<Q15>>,
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
        mut stream: S,
        source_rate_hz: u32,
        decision: &DecisionDefaults,
    ) -> Result<Self, PipelineError> {
        stream.reset();
        let arch = &stream.meta().arch;
        let classes = usize::from(arch.classes);
        let (rate_hz, window) = (arch.sample_rate_hz, arch.window);
        let resampler = Resampler::new(source_rate_hz, arch.sample_rate_hz)?;
        let settings = decision.settings(arch.window);
        let memory_len = Detector::<Vec<Q15>>::memory_len(classes, settings.smoothing);
        let detector = Detector::new(settings, &decision.thresholds_q15(), vec![0; memory_len])?;
        Ok(Self {
            resampler,
            resampled: Vec::new(),
            windows: Windows {
                stream,
                position: 0,
                posteriors: vec![0.0; classes],
                rounded: vec![0; classes],
                detector,
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

    /// What the stream's model is.
    pub fn meta(&self) -> &ModelMeta {
        self.windows.stream.meta()
    }

    /// Samples at the model's rate so far.
    pub const fn position(&self) -> u64 {
        self.windows.position
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

    /// Takes the end of the stream: the samples that the resampler holds back.
    ///
    /// # Errors
    /// As [`Pipeline::push`].
    pub fn finish(&mut self, sink: &mut dyn Sink) -> Result<(), PipelineError> {
        self.resampled.clear();
        self.resampler.finish(&mut self.resampled);
        self.windows.push(&self.resampled, sink)
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
            let (taken, ended) = match (self.leave_samples, self.leave_windows) {
                (0, 0) => self.stream.push(samples, &mut self.posteriors)?,
                (0, _) => self.stream.pass(samples)?,
                (left, _) => ((left as usize).min(samples.len()), false),
            };
            self.spent += start.elapsed();
            sink.samples(&samples[..taken]);
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
                self.stats.add_window(std::mem::take(&mut self.spent));
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
        match self.overload.relief(end) {
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
        match self.detector.push(&self.rounded, end) {
            Some(event) => {
                self.stats.events += 1;
                sink.event(&event).map_err(PipelineError::Output)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, Rolling};
    use crate::sink::Collected;
    use crate::tiny_model::{tiny_meta, tone};
    use proptest::prelude::*;

    /// Posteriors that depend on every sample of the window and on its order.
    struct Toy(ModelMeta);

    impl Engine for Toy {
        fn meta(&self) -> &ModelMeta {
            &self.0
        }

        fn posteriors(&mut self, window: &[f32], out: &mut [f32]) -> Result<(), EngineError> {
            assert_eq!(window.len(), self.0.arch.window as usize);
            let weighed = window.iter().enumerate().map(|(i, x)| f64::from(*x) * (i % 7) as f64);
            let sum = weighed.sum::<f64>().abs();
            out[0] = (sum - sum.floor()) as f32;
            out[1] = 1.0 - out[0];
            out[2] = window[0].abs();
            Ok(())
        }
    }

    fn toy(window: u32) -> Toy {
        let mut meta = tiny_meta();
        meta.arch.window = window;
        Toy(meta)
    }

    fn decision(hop: u32) -> DecisionDefaults {
        let mut decision = tiny_meta().decision;
        (decision.hop, decision.suppression) = (hop, 50);
        decision
    }

    fn run(window: u32, hop: u32, rate_hz: u32, blocks: &[&[f32]]) -> Collected {
        let mut pipeline =
            Pipeline::new(Rolling::new(toy(window), hop), rate_hz, &decision(hop)).unwrap();
        let mut results = Collected::default();
        for block in blocks {
            pipeline.push(block, &mut results).unwrap();
        }
        pipeline.finish(&mut results).unwrap();
        results
    }

    #[test]
    fn windows_are_those_of_the_whole_recording() {
        let samples = tone(333.0, 1000);
        let results = run(256, 100, 16_000, &[&samples]);
        let ends: Vec<u64> = results.windows.iter().map(|(end, _)| *end).collect();
        assert_eq!(ends, [256, 356, 456, 556, 656, 756, 856, 956]);
        let mut posteriors = [0.0; 3];
        for (end, found) in &results.windows {
            let end = *end as usize;
            toy(256).posteriors(&samples[end - 256..end], &mut posteriors).unwrap();
            assert_eq!(found, &posteriors);
        }
        assert!(!results.events.is_empty());
    }

    #[test]
    fn a_recording_at_another_rate_is_as_long_in_time() {
        let results = run(256, 100, 48_000, &[&tone(333.0, 3000)]);
        assert_eq!(results.windows.len(), 8);
        assert!(Pipeline::new(Rolling::new(toy(256), 10), 100, &decision(10)).is_err());
    }

    #[test]
    fn short_recordings_are_padded_on_request() {
        let mut pipeline =
            Pipeline::new(Rolling::new(toy(256), 100), 16_000, &decision(100)).unwrap();
        let mut results = Collected::default();
        pipeline.push(&[0.5; 10], &mut results).unwrap();
        pipeline.finish(&mut results).unwrap();
        assert!(results.windows.is_empty());
        pipeline.fill_first_window(&mut results).unwrap();
        pipeline.fill_first_window(&mut results).unwrap();
        assert_eq!(results.windows.len(), 1);
        assert_eq!(results.windows[0].0, 256);
    }

    #[test]
    fn a_full_disk_ends_the_stream() {
        struct Full;
        impl Sink for Full {
            fn event(&mut self, _: &models::stream::Event) -> io::Result<()> {
                Ok(())
            }
            fn window(&mut self, _: u64, _: &[f32]) -> io::Result<()> {
                Err(io::ErrorKind::StorageFull.into())
            }
        }
        let mut pipeline = Pipeline::new(Rolling::new(toy(4), 4), 16_000, &decision(4)).unwrap();
        let error = pipeline.push(&[0.0; 4], &mut Full).unwrap_err();
        assert!(matches!(error, PipelineError::Output(_)));
    }

    #[test]
    fn too_slow_a_network_skips_windows_and_the_rest_is_as_ever() {
        let samples = tone(333.0, 200_000);
        let whole = run(256, 100, 16_000, &[&samples]);
        for late_s in [2, 6] {
            let mut pipeline =
                Pipeline::new(Rolling::new(toy(256), 100), 16_000, &decision(100)).unwrap();
            let mut found = Collected::default();
            for block in samples.chunks(1600) {
                pipeline.behind(late_s * 16_000);
                pipeline.push(block, &mut found).unwrap();
            }
            let stats = pipeline.stats();
            assert_eq!(stats.windows, found.windows.len() as u64);
            let last = found.windows.last().unwrap().0;
            let until_last = whole.windows.iter().filter(|(end, _)| *end <= last).count() as u64;
            assert_eq!(stats.windows + stats.skipped, until_last);
            assert!(stats.skipped > stats.windows);
            assert!(found.windows.iter().all(|window| whole.windows.contains(window)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn chunking_changes_nothing(
            cuts in prop::collection::vec(0..900_usize, 0..12),
            samples in prop::collection::vec(-1.0..1.0_f32, 1..2500),
            window in 1..300_u32, hop in 1..400_u32,
            rate_hz in prop::sample::select(vec![8_000, 16_000, 44_100, 48_000]),
        ) {
            let whole = run(window, hop, rate_hz, &[&samples]);
            let mut blocks = Vec::new();
            let mut rest = samples.as_slice();
            for cut in cuts {
                let (block, tail) = rest.split_at(cut.min(rest.len()));
                blocks.push(block);
                rest = tail;
            }
            blocks.push(rest);
            prop_assert_eq!(run(window, hop, rate_hz, &blocks), whole);
        }
    }
}
