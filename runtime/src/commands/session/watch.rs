//! Tells what goes wrong while a stream runs, without filling the log.

use std::time::{Duration, Instant};

use runtime::level::{Level, LevelChange};
use runtime::pipeline::Stats;
use runtime::source::Health;
use tracing::{info, warn};

/// Pause between two reports of the same kind.
const PAUSE: Duration = Duration::from_secs(1);
/// The same for windows skipped, of which there may be some all the time.
const SKIPPED_PAUSE: Duration = Duration::from_secs(60);

/// Looks at the sound, the source and the pipeline.
pub(super) struct Watch {
    rate_hz: u32,
    level: Level,
    /// Whether the sound is a microphone's: a recording may be silent or loud as it likes.
    live: bool,
    lost: Count,
    skipped: Count,
    absent: bool,
}

/// A count that grows, and how much of it has been told.
struct Count {
    told: u64,
    last: Option<Instant>,
    pause: Duration,
}

impl Count {
    const fn new(pause: Duration) -> Self {
        Self { told: 0, last: None, pause }
    }

    /// What has been added since the last time that this told something; nothing before a pause is over.
    fn added(&mut self, now: u64, at_once: bool) -> Option<u64> {
        let early = !at_once && self.last.is_some_and(|last| last.elapsed() < self.pause);
        if now <= self.told || early {
            return None;
        }
        self.last = Some(Instant::now());
        Some(now - std::mem::replace(&mut self.told, now))
    }
}

impl Watch {
    /// Of samples at `rate_hz`.
    pub(super) fn new(rate_hz: u32, live: bool) -> Self {
        Self {
            rate_hz,
            level: Level::new(rate_hz),
            live,
            lost: Count::new(PAUSE),
            skipped: Count::new(SKIPPED_PAUSE),
            absent: false,
        }
    }

    /// How loud the sound is.
    pub(super) const fn level(&self) -> &Level {
        &self.level
    }

    /// Takes the samples; silence that stands in for a source that is away is none of its own.
    pub(super) fn listen(&mut self, samples: &[f32]) {
        if self.absent {
            return;
        }
        let live = self.live;
        self.level.push(samples, |change| match change {
            _ if !live => {}
            LevelChange::Silent => warn!("the microphone has delivered nothing but silence for 10 s: is it muted, or is another one meant (--device)?"),
            LevelChange::Heard => info!("the microphone is heard again"),
            LevelChange::Clipping(share) => warn!("the sound is too loud: {:.1} % of the samples are at full scale; turn the capture volume down",
                100.0 * share),
        });
    }

    /// Tells what has happened since the last look.
    pub(super) fn look(&mut self, health: &Health, stats: &Stats) {
        // What was lost while the source was away has been told by then.
        if self.absent || health.absent {
            self.lost.told = health.lost_samples;
        }
        self.absent = health.absent;
        self.tell(health, stats, false);
    }

    /// Tells the rest.
    pub(super) fn finish(&mut self, health: &Health, stats: &Stats) {
        self.tell(health, stats, true);
    }

    fn tell(&mut self, health: &Health, stats: &Stats, at_once: bool) {
        if let Some(lost) = self.lost.added(health.lost_samples, at_once) {
            let ms = lost as f64 * 1000.0 / f64::from(self.rate_hz);
            warn!("overrun: {ms:.0} ms of sound were lost; silence stands in for them");
        }
        if let Some(skipped) = self.skipped.added(stats.skipped, at_once) {
            let (windows, ms) = (stats.windows, stats.window_ms(0.5));
            warn!(
                "this computer is too slow for the model: {skipped} windows skipped, {windows} computed so far at {ms:.1} ms each; a longer --hop or a smaller model helps"
            );
        }
    }
}
