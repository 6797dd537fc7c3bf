//! Clips of the silence class, made from the background.

use std::sync::Arc;

use models::meta::SILENCE;
use rand::{Rng as _, RngExt as _};

use super::{Clip, Dataset, Part};
use crate::draw;

/// One in so many clips of silence is digital silence: all zeros.
const DIGITAL_EVERY: u64 = 10;
/// Quietest and loudest gain of the others.
const GAIN_DB: (f32, f32) = (-30.0, 0.0);
/// Clips of other classes for one of silence.
const OTHERS_PER_SILENCE: usize = 10;

impl Dataset {
    /// How many clips of silence belong to a part: one to ten listed clips, rounded, but at
    /// least one; none where the class has no background to be cut from.
    #[must_use]
    pub fn silence_count(&self, part: Part) -> usize {
        if self.cut_silence().is_none() {
            return 0;
        }
        ((self.clips(part).len() + OTHERS_PER_SILENCE / 2) / OTHERS_PER_SILENCE).max(1)
    }

    /// Class of silence, if there is background that its clips can be cut from.
    fn cut_silence(&self) -> Option<usize> {
        self.silence_class().filter(|_| !self.background.is_empty())
    }

    /// `count` clips of silence, one window long, drawn from the part's own stretch of the
    /// background, in training from its noise too, at random gains; some are digital silence.
    ///
    /// The same seed gives the same clips, and more of them begin with the same. Empty where
    /// there is no silence class or no background.
    #[must_use]
    pub fn silence_clips(&self, part: Part, count: usize, seed: u64) -> Vec<Clip> {
        let Some(class) = self.cut_silence() else { return Vec::new() };
        let one = |index: usize| {
            let mut rng = draw::rng(seed, "silence", &[part as u64, index as u64]);
            let gain_db: f32 = rng.random_range(GAIN_DB.0..=GAIN_DB.1);
            let is_digital = rng.next_u64().is_multiple_of(DIGITAL_EVERY);
            let gain = if is_digital { 0.0 } else { 10_f32.powf(gain_db / 20.0) };
            let crop = self.background.crop(part, rng.next_u64(), self.window)?;
            // Rounding keeps the magnitude: a gain is at most 1.
            let samples = crop.iter().map(|&s| (f32::from(s) * gain).round() as i16).collect();
            let name = format!("{SILENCE}/{}-{index:05}", part.name());
            Some(Clip { name, class, tags: Arc::default(), speaker: None, samples })
        };
        (0..count).map_while(one).collect()
    }
}
