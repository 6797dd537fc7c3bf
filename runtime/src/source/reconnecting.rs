//! A source that comes back.

use std::time::{Duration, Instant};

use audio::Resampler;

use super::{Health, Source, SourceError};
use tracing::{info, warn};

/// Pause between two attempts to open the source again.
const RETRY: Duration = Duration::from_secs(1);
/// A source that has said nothing for so long is opened anew: some drivers stop without a word.
const STALL: Duration = Duration::from_secs(5);
/// A pause that is bridged: shorter ones are how drivers deliver.
const HICCUP: Duration = Duration::from_millis(500);
/// Pause between two looks at the clock while there is no source.
const PAUSE: Duration = Duration::from_millis(100);

/// Time as a [`Reconnecting`] source sees it; tests have their own.
pub trait Clock {
    /// Time since some fixed moment. Never goes back, whatever happens to the time of day.
    fn now(&self) -> Duration;

    /// Waits.
    fn sleep(&self, time: Duration);
}

/// The system's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Opens a source again whenever it fails or falls silent for good, as a microphone does that is unplugged.
///
/// Silence stands in for the time in between, so that the time line stays true. A source that comes back at
/// another rate is resampled to the first one's. A source that ends, ends.
pub struct Reconnecting<S, C> {
    open: Box<dyn FnMut() -> Result<S, SourceError>>,
    clock: C,
    source: Option<S>,
    /// Brings a source of another rate to the first one's.
    resampler: Option<Resampler>,
    rate_hz: u32,
    block: Vec<f32>,
    /// When a sample came last, or the source was opened.
    heard: Duration,
    /// Since when the source has had nothing to tell. Not since `heard`: its user may have been busy.
    dry: Option<Duration>,
    /// When the source went away, and the samples that have stood in for it since.
    gone: Option<(Duration, u64)>,
    next_attempt: Duration,
    /// Of the sources that have gone.
    past: Health,
}

impl<S, C> std::fmt::Debug for Reconnecting<S, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reconnecting").field("gone", &self.gone).finish_non_exhaustive()
    }
}

impl<S: Source, C: Clock> Reconnecting<S, C> {
    /// Listens to `source`, and opens it with `open` where it goes away.
    pub fn new(
        source: S,
        clock: C,
        open: impl FnMut() -> Result<S, SourceError> + 'static,
    ) -> Self {
        Self {
            open: Box::new(open),
            rate_hz: source.rate_hz(),
            source: Some(source),
            resampler: None,
            block: Vec::new(),
            heard: clock.now(),
            dry: None,
            gone: None,
            next_attempt: Duration::ZERO,
            past: Health::default(),
            clock,
        }
    }

    /// The samples that the source has, or why it is gone; `None` at its end.
    fn listen(&mut self) -> Result<Option<()>, String> {
        let Some(source) = &mut self.source else { return Ok(Some(())) };
        let (before, rate_hz) = (self.clock.now(), f64::from(source.rate_hz()));
        match source.next_block() {
            Ok(None) => return Ok(None),
            Err(error) => return Err(error.to_string()),
            Ok(Some([])) => {
                let dry = *self.dry.get_or_insert(before);
                let silent = self.clock.now().saturating_sub(dry);
                if silent >= STALL {
                    return Err(format!("no sound came for {} s", silent.as_secs()));
                }
            }
            Ok(Some(block)) => {
                self.heard = self.clock.now();
                let seconds = block.len() as f64 / rate_hz;
                let dry = self.dry.take().map_or(0.0, |dry| (self.heard - dry).as_secs_f64());
                if dry - seconds >= HICCUP.as_secs_f64() {
                    let missed = ((dry - seconds) * f64::from(self.rate_hz)).round() as u64;
                    self.block.resize(missed as usize, 0.0);
                    self.past.lost_samples += missed;
                    self.past.overruns += 1;
                }
                match &mut self.resampler {
                    Some(resampler) => resampler.push(block, &mut self.block),
                    None => self.block.extend_from_slice(block),
                }
            }
        }
        Ok(Some(()))
    }

    fn lose(&mut self, reason: &str) {
        warn!("{reason}; waiting for it to come back");
        if let Some(source) = self.source.take() {
            let health = source.health();
            self.past.lost_samples += health.lost_samples;
            self.past.overruns += health.overruns;
        }
        if let Some(mut resampler) = self.resampler.take() {
            resampler.finish(&mut self.block);
        }
        self.gone = Some((self.dry.take().unwrap_or(self.heard), 0));
        self.next_attempt = self.clock.now() + RETRY;
    }

    /// Silence up to now in place of the source, and an attempt to have it back.
    fn wait(&mut self) {
        let Some((since, bridged)) = self.gone else { return };
        if self.clock.now() >= self.next_attempt {
            self.next_attempt = self.clock.now() + RETRY;
            if let Ok(source) = (self.open)() {
                self.come_back(source);
            }
        } else {
            self.clock.sleep(PAUSE);
        }
        let away = self.clock.now().saturating_sub(since);
        let due = (away.as_secs_f64() * f64::from(self.rate_hz)).round() as u64;
        let zeros = due.saturating_sub(bridged);
        self.block.resize(self.block.len() + zeros as usize, 0.0);
        self.past.lost_samples += zeros;
        if self.source.is_some() {
            self.gone = None;
            self.past.reconnects += 1;
            info!("the sound is back after {:.1} s", away.as_secs_f64());
        } else {
            self.gone = Some((since, bridged + zeros));
        }
    }

    fn come_back(&mut self, source: S) {
        let rate_hz = source.rate_hz();
        if rate_hz != self.rate_hz {
            match Resampler::new(rate_hz, self.rate_hz) {
                Ok(resampler) => self.resampler = Some(resampler),
                Err(_) => return,
            }
        }
        self.heard = self.clock.now();
        self.source = Some(source);
    }
}

impl<S: Source, C: Clock> Source for Reconnecting<S, C> {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn next_block(&mut self) -> Result<Option<&[f32]>, SourceError> {
        self.block.clear();
        if self.gone.is_some() {
            self.wait();
            return Ok(Some(&self.block));
        }
        match self.listen() {
            Ok(None) => return Ok(None),
            Ok(Some(())) => {}
            Err(reason) => self.lose(&reason),
        }
        Ok(Some(&self.block))
    }

    fn health(&self) -> Health {
        let now = self.source.as_ref().map(Source::health).unwrap_or_default();
        Health {
            lost_samples: self.past.lost_samples + now.lost_samples,
            overruns: self.past.overruns + now.overruns,
            reconnects: self.past.reconnects,
            absent: self.source.is_none(),
            backlog: now.backlog,
        }
    }

    fn arrived(&self) -> u64 {
        let Some(source) = &self.source else { return 0 };
        source.arrived() * u64::from(self.rate_hz) / u64::from(source.rate_hz().max(1))
    }
}
