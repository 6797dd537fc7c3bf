//! How loud a stream is, and whether something is wrong with that.

/// Seconds without a change of the signal after which a microphone counts as silent.
const SILENCE_S: u64 = 10;
/// Two steps of a 16-bit sample either way: what a muted converter may still deliver.
const SILENCE_RANGE: f32 = 4.0 / 32_768.0;
/// From here on a sample counts as being at full scale.
pub const FULL_SCALE: f32 = 0.999;
/// Share of samples at full scale within [`CLIPPING_S`] that is too loud.
const CLIPPING_SHARE: f64 = 0.001;
/// Seconds over which clipping is judged, and that must be clean before it is told again.
const CLIPPING_S: u64 = 10;

/// A change worth telling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LevelChange {
    /// Nothing but silence has come for ten seconds.
    Silent,
    /// Sound has come after that.
    Heard,
    /// The microphone is too loud: so large a share of samples is at full scale.
    Clipping(f64),
}

/// Watches the samples of a stream.
#[derive(Clone, Debug)]
pub struct Level {
    rate_hz: u64,
    /// Lowest and highest sample since the signal last changed, and the samples since.
    range: (f32, f32),
    quiet: u64,
    silent: bool,
    /// Samples and those at full scale of the span under way.
    judged: u64,
    full: u64,
    clipping: bool,
    /// Of the second under way: samples, sum of squares, peak.
    second: (u64, f64, f32),
    rms: f64,
    peak: f32,
}

impl Level {
    /// For samples at `rate_hz`.
    #[must_use]
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz: rate_hz.max(1).into(),
            range: (f32::MAX, f32::MIN),
            quiet: 0,
            silent: false,
            judged: 0,
            full: 0,
            clipping: false,
            second: (0, 0.0, 0.0),
            rms: 0.0,
            peak: 0.0,
        }
    }

    /// Sample rate, in Hz.
    #[must_use]
    pub const fn rate_hz(&self) -> u64 {
        self.rate_hz
    }

    /// Root mean square of the last whole second, in decibels of full scale (a full-scale sine has −3).
    #[must_use]
    pub fn rms_dbfs(&self) -> f64 {
        decibels(self.rms)
    }

    /// Largest magnitude in the last whole second, in decibels of full scale.
    #[must_use]
    pub fn peak_dbfs(&self) -> f64 {
        decibels(self.peak.into())
    }

    /// Takes samples and hands over each change of the level that is worth telling.
    pub fn push(&mut self, samples: &[f32], mut tell: impl FnMut(LevelChange)) {
        for &sample in samples {
            self.measure(sample);
            if let Some(change) = self.watch_silence(sample) {
                tell(change);
            }
            if let Some(change) = self.watch_clipping(sample) {
                tell(change);
            }
        }
    }

    fn measure(&mut self, sample: f32) {
        let (count, squares, peak) = &mut self.second;
        *count += 1;
        *squares += f64::from(sample) * f64::from(sample);
        *peak = peak.max(sample.abs());
        if *count == self.rate_hz {
            (self.rms, self.peak) = ((*squares / *count as f64).sqrt(), *peak);
            self.second = (0, 0.0, 0.0);
        }
    }

    fn watch_silence(&mut self, sample: f32) -> Option<LevelChange> {
        let (low, high) = (self.range.0.min(sample), self.range.1.max(sample));
        if high - low <= SILENCE_RANGE {
            (self.range, self.quiet) = ((low, high), self.quiet + 1);
            let now = self.quiet == SILENCE_S * self.rate_hz;
            self.silent |= now;
            return now.then_some(LevelChange::Silent);
        }
        (self.range, self.quiet) = ((sample, sample), 0);
        std::mem::take(&mut self.silent).then_some(LevelChange::Heard)
    }

    fn watch_clipping(&mut self, sample: f32) -> Option<LevelChange> {
        self.judged += 1;
        self.full += u64::from(sample.abs() >= FULL_SCALE);
        if self.judged < CLIPPING_S * self.rate_hz {
            return None;
        }
        let share = self.full as f64 / self.judged as f64;
        (self.judged, self.full) = (0, 0);
        let before = std::mem::replace(&mut self.clipping, share > CLIPPING_SHARE);
        (self.clipping && !before).then_some(LevelChange::Clipping(share))
    }
}

/// An amplitude in decibels of full scale; digital silence is −120.
fn decibels(amplitude: f64) -> f64 {
    (20.0 * amplitude.log10()).max(-120.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(level: &mut Level, samples: impl Iterator<Item = f32>) -> Vec<LevelChange> {
        let mut changes = Vec::new();
        for sample in samples {
            level.push(&[sample], |change| changes.push(change));
        }
        changes
    }

    #[test]
    fn a_dead_microphone_is_told_once_and_so_is_its_recovery() {
        let mut level = Level::new(100);
        let offset = |n| (0..n).map(|index| 0.25 + (index % 2) as f32 / 32_768.0);
        assert_eq!(changes(&mut level, offset(999)), []);
        assert_eq!(changes(&mut level, offset(5000)), [LevelChange::Silent]);
        let noise = (0..3000).map(|index| if index % 2 == 0 { 0.01 } else { -0.01 });
        assert_eq!(changes(&mut level, noise), [LevelChange::Heard]);
        assert_eq!(changes(&mut level, offset(2000)), [LevelChange::Silent]);
    }

    #[test]
    fn clipping_is_told_once_until_it_ends() {
        let mut level = Level::new(100);
        let sound = |loud: bool| {
            (0..1000).map(
                move |index| if loud && index % 100 == 0 { -1.0 } else { index as f32 / 2000.0 },
            )
        };
        assert_eq!(changes(&mut level, sound(false)), []);
        assert_eq!(changes(&mut level, sound(true)), [LevelChange::Clipping(0.01)]);
        assert_eq!(changes(&mut level, sound(true)), []);
        assert_eq!(changes(&mut level, sound(false)), []);
        assert_eq!(changes(&mut level, sound(true)), [LevelChange::Clipping(0.01)]);
    }

    #[test]
    fn levels_are_in_decibels_of_full_scale() {
        let mut level = Level::new(1000);
        assert_eq!(level.rms_dbfs(), -120.0);
        let step = std::f32::consts::TAU / 100.0;
        let sine: Vec<f32> = (0..1000).map(|index| (step * index as f32).sin()).collect();
        level.push(&sine, |_| {});
        assert!((level.rms_dbfs() + 3.01).abs() < 0.01 && level.peak_dbfs().abs() < 0.01);
    }
}
