//! Hard negatives: recordings of anything but the classes, such as what a model mistook for them.

use std::path::Path;
use std::sync::Arc;

use rand::{Rng as _, RngExt as _};
use runtime::sink::is_detection;

use super::{Clip, DataError, Dataset, Recording};
use crate::draw;

/// Stretches are cut longer than a window by this, so that a change of speed or place finds sound at the ends.
const MARGIN: f64 = 0.5;
/// What is quieter (about −60 dB of full scale) is drawn again: gaps say nothing.
const QUIET_RMS: f64 = 33.0;
/// How often it is drawn again.
const TRIES: usize = 10;
/// How often, at most, every second of the recordings is drawn in an epoch on average.
const REPEATS: usize = 4;

/// Recordings of any length, of which every epoch of a training hears other stretches.
#[derive(Clone, Debug, Default)]
pub struct Negatives {
    recordings: Vec<Recording>,
    class: usize,
    /// Of a data set with tags: none of them.
    tags: Arc<[bool]>,
}

impl Negatives {
    /// Recordings of `class`, which is `_unknown_` or `_silence_`, whichever is there; training leaves it to the
    /// network which of the two each stretch is. Where the data set has tags, they are `tags`: none of them.
    pub(crate) fn new(
        recordings: Vec<Recording>,
        dir: &Path,
        class: Option<usize>,
        tags: Arc<[bool]>,
    ) -> Result<Self, DataError> {
        let Some(class) = class.or((!tags.is_empty()).then_some(0)) else {
            return Err(DataError::BadOption(format!(
                "{}: hard negatives need the class _unknown_ or _silence_, and this data set has neither; \
                 choose `--words`, or add background recordings",
                dir.display()
            )));
        };
        Ok(Self { recordings, class, tags })
    }

    /// Recordings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.recordings.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recordings.is_empty()
    }

    /// Samples in all.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.recordings.iter().map(|(_, samples)| samples.len()).sum()
    }

    /// Recordings that are named as the detections that `runtime --save-triggers` keeps: nobody but a listener
    /// knows whether they were wrong.
    #[must_use]
    pub fn detections(&self) -> usize {
        let file = |name: &str| name.rsplit('/').next().is_some_and(is_detection);
        self.recordings.iter().filter(|(name, _)| file(name)).count()
    }

    /// `count` stretches, evenly from all that there is to hear.
    fn draw(&self, count: usize, window: usize, seed: u64) -> Vec<Clip> {
        let total = self.samples() as u64;
        let one = |index: usize| {
            let mut rng = draw::rng(seed, "negative", &[index as u64]);
            let mut clip = self.stretch(rng.random_range(0..total), window);
            for _ in 1..TRIES {
                if rms(&clip.samples) >= QUIET_RMS {
                    break;
                }
                clip = self.stretch(rng.next_u64() % total, window);
            }
            clip
        };
        (0..if total == 0 { 0 } else { count }).map(one).collect()
    }

    /// The stretch around sample `place` of all recordings in a row.
    fn stretch(&self, mut place: u64, window: usize) -> Clip {
        let length = window + (MARGIN * window as f64) as usize;
        for (name, samples) in &self.recordings {
            if place < samples.len() as u64 {
                let length = length.min(samples.len());
                let start = (place as usize).saturating_sub(length / 2).min(samples.len() - length);
                let samples = samples[start..start + length].into();
                return self.clip(name.clone(), samples);
            }
            place -= samples.len() as u64;
        }
        self.clip(String::new(), Arc::new([]))
    }

    fn clip(&self, name: String, samples: Arc<[i16]>) -> Clip {
        Clip { name, class: self.class, tags: Arc::clone(&self.tags), speaker: None, samples }
    }
}

fn rms(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    (sum / samples.len().max(1) as f64).sqrt()
}

impl Dataset {
    /// Hard negatives for an epoch, a function of the seed: `share` of all its clips if `others` are of other
    /// kinds, but no second of the recordings more than a few times. Each is up to one and a half windows
    /// long.
    #[must_use]
    pub fn negative_clips(&self, others: usize, share: f64, seed: u64) -> Vec<Clip> {
        let wanted = (others as f64 * share / (1.0 - share)).round() as usize;
        let most = REPEATS * self.negatives.samples().div_ceil(self.window);
        self.negatives.draw(wanted.min(most), self.window, seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negatives() -> Negatives {
        let loud: Arc<[i16]> = (0..1000).map(|n| 1000 + n).collect();
        let quiet: Arc<[i16]> = [1; 1000].into();
        let short: Arc<[i16]> = [5000; 30].into();
        let recordings = [("loud", loud), ("quiet", quiet), ("short", short)];
        let recordings = recordings.map(|(name, samples)| (name.to_owned(), samples)).into();
        Negatives::new(recordings, Path::new("n"), Some(3), Arc::default()).unwrap()
    }

    #[test]
    fn stretches_lie_within_their_recording() {
        let negatives = negatives();
        for place in 0..2030 {
            let clip = negatives.stretch(place, 100);
            assert_eq!(clip.samples.len(), if clip.name == "short" { 30 } else { 150 });
            assert_eq!(clip.class, 3);
        }
        assert_eq!(negatives.stretch(0, 100).samples[0], 1000);
        assert_eq!(negatives.stretch(999, 100).samples[149], 1999);
        assert_eq!(negatives.stretch(500, 100).samples[0], 1425);
    }

    #[test]
    fn gaps_are_rarely_drawn_and_a_seed_repeats() {
        let negatives = negatives();
        let clips = negatives.draw(300, 100, 7);
        let quiet = clips.iter().filter(|clip| clip.name == "quiet").count();
        assert!(quiet < 10, "{quiet}");
        assert!(clips.iter().any(|clip| clip.name == "short"));
        assert_eq!(clips[..100], negatives.draw(100, 100, 7));
        assert_ne!(clips[..100], negatives.draw(100, 100, 8));
        assert!(Negatives::default().draw(5, 100, 0).is_empty());
    }

    #[test]
    fn detections_are_told_by_their_names() {
        let names = [
            "kept/0001763799000123-left-detected.wav",
            "kept/0001763799004711-stop-near.wav",
            "kept/left-detected.wav",
        ];
        let sound: Arc<[i16]> = [1000; 100].into();
        let recordings = names.map(|name| (name.to_owned(), Arc::clone(&sound))).into();
        let negatives =
            Negatives::new(recordings, Path::new("kept"), Some(0), Arc::default()).unwrap();
        assert_eq!(negatives.detections(), 1);
    }

    #[test]
    fn a_class_is_needed() {
        let new = |tags| Negatives::new(Vec::new(), Path::new("n"), None, tags);
        let error = new(Arc::default()).unwrap_err();
        assert!(error.to_string().starts_with("n: hard negatives need"), "{error}");
        assert!(!new([false; 2].into()).unwrap().clip(String::new(), Arc::default()).has(0));
    }
}
