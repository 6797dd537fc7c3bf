//! What a run found and took.

use serde::Serialize;

use crate::board::Memory;
use crate::cost::Meter;

/// The last line of a run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Summary {
    kind: &'static str,
    recordings: usize,
    windows: u64,
    events: u64,
    memory_bytes: usize,
    engine_bytes: usize,
    detector_bytes: usize,
    ring_bytes: usize,
    flash_bytes: usize,
    macs_per_window: u64,
    requantisations_per_window: u64,
    cycles_per_window: u64,
    macs_first_window: u64,
    cycles_first_window: u64,
    missing_samples: u64,
    discarded_samples: u64,
}

/// What is counted on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) recordings: usize,
    pub(crate) windows: u64,
    pub(crate) events: u64,
    pub(crate) missing: u64,
    pub(crate) discarded: u64,
}

impl Summary {
    /// The summary of a run with a model of so many bytes.
    pub(crate) fn new(counts: &Counts, memory: &Memory, meter: &Meter, flash_bytes: usize) -> Self {
        let (work, first) = (meter.window_mean(), meter.first_window());
        Self {
            kind: "summary",
            recordings: counts.recordings,
            windows: counts.windows,
            events: counts.events,
            memory_bytes: memory.bytes(),
            engine_bytes: memory.engine,
            detector_bytes: memory.detector,
            ring_bytes: memory.ring,
            flash_bytes,
            macs_per_window: work.macs,
            requantisations_per_window: work.requantisations,
            cycles_per_window: work.cycles(),
            macs_first_window: first.macs,
            cycles_first_window: first.cycles(),
            missing_samples: counts.missing,
            discarded_samples: counts.discarded,
        }
    }

    /// The summary for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Self {
            windows, events, memory_bytes, engine_bytes, detector_bytes, ring_bytes, ..
        } = self;
        let mut lines = vec![
            format!("windows    {windows}, with {events} detections"),
            format!(
                "memory     {memory_bytes} bytes: engine {engine_bytes}, detector {detector_bytes}, ring {ring_bytes}"
            ),
            format!("flash      {} bytes of model", self.flash_bytes),
        ];
        if *windows > 0 {
            lines.push(format!(
                "work       {} multiply-accumulates and {} requantisations a window, {} multiply-accumulates for the first",
                self.macs_per_window, self.requantisations_per_window, self.macs_first_window
            ));
            lines.push(format!(
                "Cortex-M4  about {} cycles a window, {} for the first (estimated)",
                self.cycles_per_window, self.cycles_first_window
            ));
        }
        if self.missing_samples + self.discarded_samples > 0 {
            lines.push(format!(
                "gaps       {} samples missing, {} discarded",
                self.missing_samples, self.discarded_samples
            ));
        }
        lines
    }
}
