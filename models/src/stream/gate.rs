//! Silence: windows that need not be looked at.

/// The level of a gate at which only full scale is loud.
pub const FULL_SCALE: u32 = 1 << 30;

/// Follows the level of a stream and tells which windows are quiet.
///
/// The stream is cut into stretches of a hop that end where windows end; the first one, which begins at the reset, has
/// what a window has beyond whole hops. A stretch is quiet if the mean square of its 16-bit samples
/// is below the level. A window is quiet if all stretches that reach into it are: as a whole, and in every hop
/// of it, its level is below that of the gate. So a window with even a short sound in it is looked at, until
/// the sound has left it.
///
/// It takes the samples as integers, so that every engine finds the same windows quiet.
#[derive(Clone, Debug)]
pub struct Gate {
    level: u32,
    /// Samples of the first stretch, and of all others.
    first: u32,
    hop: u32,
    /// Stretches that reach into a window.
    stretches: u32,
    /// Of the stretch that is heard: all of its samples, and those to come.
    length: u32,
    missing: u32,
    /// Sum of the squares of its samples.
    sum: u64,
    /// Quiet stretches in succession, up to the last one that has ended.
    quiet: u32,
}

impl Gate {
    /// A gate at the start of a stream of windows of `window` samples, one every `hop`. The level is a mean square of samples,
    /// where [`FULL_SCALE`] is that of the largest sample; 0 finds nothing quiet.
    ///
    /// # Panics
    /// If `window` or `hop` is 0.
    #[must_use]
    pub const fn new(level: u32, window: u32, hop: u32) -> Self {
        assert!(window > 0 && hop > 0, "window and hop are at least 1 sample");
        let beyond = window % hop;
        let first = if beyond == 0 { hop } else { beyond };
        let (stretches, sum, quiet) = (window.div_ceil(hop), 0, 0);
        Self { level, first, hop, stretches, length: first, missing: first, sum, quiet }
    }

    /// Whether it can find a window quiet at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.level > 0
    }

    /// The state after [`Gate::new`].
    pub const fn reset(&mut self) {
        (self.length, self.missing, self.sum, self.quiet) = (self.first, self.first, 0, 0);
    }

    /// Takes samples.
    pub fn push(&mut self, mut samples: &[i16]) {
        if !self.is_on() {
            return;
        }
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(self.missing as usize));
            samples = later;
            // At most 2^32 squares of at most 2^30.
            self.sum +=
                now.iter().map(|&s| u64::from(i32::from(s).pow(2).unsigned_abs())).sum::<u64>();
            self.missing -= now.len() as u32;
            if self.missing == 0 {
                let is_quiet = self.sum < u64::from(self.level) * u64::from(self.length);
                self.quiet = if is_quiet { self.quiet.saturating_add(1) } else { 0 };
                (self.length, self.missing, self.sum) = (self.hop, self.hop, 0);
            }
        }
    }

    /// Whether the window is quiet that ends with the last sample taken.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.quiet >= self.stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    /// The ends of quiet windows.
    fn quiet(gate: &mut Gate, samples: &[i16], window: usize, hop: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut start = 0;
        for end in (window..=samples.len()).step_by(hop) {
            gate.push(&samples[start..end]);
            start = end;
            found.extend(gate.is_quiet().then_some(end));
        }
        found
    }

    #[test]
    fn a_window_with_a_sound_in_it_is_not_quiet() {
        let mut samples = vec![10i16; 100];
        samples[47] = 1000;
        let mut gate = Gate::new(101, 25, 10);
        // Stretches end at 5, 15, 25 and so on.
        assert_eq!(quiet(&mut gate, &samples, 25, 10), [25, 35, 45, 85, 95]);
        gate.reset();
        assert_eq!(quiet(&mut gate, &[10; 45], 25, 10), [25, 35, 45]);
        assert!(quiet(&mut Gate::new(100, 25, 10), &[10; 45], 25, 10).is_empty());
        assert!(quiet(&mut Gate::new(0, 25, 10), &[0; 45], 25, 10).is_empty());
        assert_eq!(quiet(&mut Gate::new(1, 25, 10), &[0; 25], 25, 10), [25]);
    }

    #[test]
    fn full_scale_is_the_largest_level() {
        assert!(quiet(&mut Gate::new(FULL_SCALE, 5, 5), &[i16::MIN; 5], 5, 5).is_empty());
        assert_eq!(quiet(&mut Gate::new(FULL_SCALE, 5, 5), &[i16::MAX; 5], 5, 5), [5]);
    }

    proptest! {
        #[test]
        fn chunking_changes_nothing_and_quiet_windows_are_quiet(
            samples in prop::collection::vec(-40i16..40, 0..300), window in 1..60usize,
            hop in 1..80usize, level in 0..900u32, chunk in 1..50usize,
        ) {
            let new = || Gate::new(level, window as u32, hop as u32);
            let found = quiet(&mut new(), &samples, window, hop);
            let (mut gate, mut position, mut again) = (new(), 0, Vec::new());
            for chunk in samples.chunks(chunk) {
                for sample in chunk {
                    gate.push(&[*sample]);
                    position += 1;
                    let ends = position >= window && (position - window).is_multiple_of(hop);
                    again.extend((ends && gate.is_quiet()).then_some(position));
                }
            }
            prop_assert_eq!(&again, &found);
            let below = |samples: &[i16]| {
                let sum: u64 = samples.iter().map(|s| u64::from(s.unsigned_abs()).pow(2)).sum();
                sum < u64::from(level) * samples.len() as u64
            };
            for end in found {
                prop_assert!(below(&samples[end.saturating_sub(hop)..end]));
                let stretches = window.div_ceil(hop);
                prop_assert!(below(&samples[end.saturating_sub(stretches * hop)..end]));
            }
        }
    }
}
