//! Background recordings: noise to mix in, and the source of the silence class.

use super::{Broken, Part, Recording};

/// Where a recording is cut in time, in fifths: training up to the third, validation up to the
/// fourth, the rest is for the test.
const CUTS: [(usize, usize); 3] = [(0, 3), (3, 4), (4, 5)];

/// Long recordings of background noise, each cut in time into 60 % for training, 20 % for
/// validation and 20 % for the test, so that no part hears another's noise; and further recordings
/// of noise, of any length from a window, which belong to training as a whole.
#[derive(Clone, Debug, Default)]
pub struct Background {
    recordings: Vec<Recording>,
    /// For training alone.
    noise: Vec<Recording>,
}

impl Background {
    /// Recordings of which every part holds at least `window` samples, and those that are too
    /// short for that.
    pub(crate) fn new(
        recordings: Vec<Recording>,
        window: usize,
        rate_hz: u32,
    ) -> (Self, Vec<Broken>) {
        let (recordings, short) = of_length(recordings, 5 * window, rate_hz, "background");
        (Self { recordings, noise: Vec::new() }, short)
    }

    /// The same with the recordings of `noise` that last a window for training, and those that are
    /// too short for that.
    pub(crate) fn with_noise(
        self,
        noise: Vec<Recording>,
        window: usize,
        rate_hz: u32,
    ) -> (Self, Vec<Broken>) {
        let (noise, short) = of_length(noise, window, rate_hz, "noise");
        (Self { noise, ..self }, short)
    }

    /// Whether there is no background; noise for training alone is none, for no other part has any
    /// of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recordings.is_empty()
    }

    /// Names of the recordings, as `_background_noise_/file`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.recordings.iter().map(|(name, _)| name.as_str())
    }

    /// Recordings of noise for training alone, as 16-bit samples.
    pub fn noise(&self) -> impl Iterator<Item = &[i16]> {
        self.noise.iter().map(|(_, samples)| &samples[..])
    }

    /// The stretches of a part, one a recording, as 16-bit samples; of training the noise follows.
    pub fn stretches(&self, part: Part) -> impl Iterator<Item = &[i16]> {
        let (start, end) = CUTS[part as usize];
        let cut = self.recordings.iter().map(move |(_, samples)| {
            let at = |fifths: usize| samples.len() * fifths / 5;
            &samples[at(start)..at(end)]
        });
        cut.chain(self.noise().filter(move |_| part == Part::Training))
    }

    /// Samples of a part in all recordings together.
    #[must_use]
    pub fn samples(&self, part: Part) -> usize {
        self.stretches(part).map(<[i16]>::len).sum()
    }

    /// Bytes that the samples take.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let recordings = self.recordings.iter().chain(&self.noise);
        recordings.map(|(_, samples)| size_of_val::<[i16]>(samples)).sum()
    }

    /// `len` successive samples of a part, chosen by the random bits `draw` evenly among all
    /// places where so many fit; `None` where no recording is that long.
    #[must_use]
    pub fn crop(&self, part: Part, draw: u64, len: usize) -> Option<&[i16]> {
        let places = |stretch: &[i16]| (stretch.len() + 1).saturating_sub(len) as u64;
        let total: u64 = self.stretches(part).map(places).sum();
        let mut place = draw.checked_rem(total)?;
        for stretch in self.stretches(part) {
            if place < places(stretch) {
                let start = place as usize;
                return Some(&stretch[start..start + len]);
            }
            place -= places(stretch);
        }
        None
    }
}

/// Recordings of at least `shortest` samples, and why each of the others is too short for `what`.
fn of_length(
    recordings: Vec<Recording>,
    shortest: usize,
    rate_hz: u32,
    what: &str,
) -> (Vec<Recording>, Vec<Broken>) {
    let (recordings, short): (Vec<_>, Vec<_>) =
        recordings.into_iter().partition(|(_, samples)| samples.len() >= shortest);
    let seconds = |samples: usize| samples as f64 / f64::from(rate_hz);
    let broken = |(name, samples): Recording| {
        let (lasts, least) = (seconds(samples.len()), seconds(shortest));
        Broken { name, reason: format!("lasts {lasts:.2} s, {what} needs at least {least:.2} s") }
    };
    (recordings, short.into_iter().map(broken).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// A recording whose samples tell where they were.
    fn counting(from: i16, length: i16) -> (String, Arc<[i16]>) {
        (format!("b/{from}"), (from..from + length).collect())
    }

    #[test]
    fn short_recordings_are_left_out() {
        let (background, short) =
            Background::new(vec![counting(0, 99), counting(100, 100)], 20, 10);
        assert_eq!(background.names().collect::<Vec<_>>(), ["b/100"]);
        assert_eq!(short[0].reason, "lasts 9.90 s, background needs at least 10.00 s");
        assert_eq!(Part::ALL.map(|part| background.samples(part)), [60, 20, 20]);
        assert_eq!(background.memory_bytes(), 200);
    }

    #[test]
    fn crops_reach_every_place_of_their_part_and_no_other() {
        let (background, _) = Background::new(vec![counting(0, 100), counting(200, 55)], 5, 1);
        for (part, places) in [
            (Part::Training, (0..=50).chain(200..=223).collect::<Vec<i16>>()),
            (Part::Validation, (60..=70).chain(233..=234).collect()),
            (Part::Test, (80..=90).chain(244..=245).collect()),
        ] {
            let starts: Vec<i16> = (0..places.len() as u64)
                .map(|draw| background.crop(part, draw, 10).unwrap()[0])
                .collect();
            assert_eq!(starts, places);
        }
        assert_eq!(background.crop(Part::Test, 0, 21), None);
        assert_eq!(Background::default().crop(Part::Test, 0, 1), None);
    }

    #[test]
    fn noise_belongs_to_training_as_a_whole() {
        let (own, _) = Background::new(vec![counting(0, 100)], 20, 10);
        let noise = vec![counting(200, 40), counting(300, 19), counting(400, 20)];
        let (both, short) = own.clone().with_noise(noise, 20, 10);
        assert_eq!((short.len(), short[0].name.as_str()), (1, "b/300"));
        assert_eq!(short[0].reason, "lasts 1.90 s, noise needs at least 2.00 s");
        assert_eq!(both.noise().map(<[i16]>::len).collect::<Vec<_>>(), [40, 20]);
        assert_eq!(both.memory_bytes(), 2 * (100 + 40 + 20));
        assert_eq!(both.names().collect::<Vec<_>>(), ["b/0"]);
        let starts = |background: &Background, part, places: u64| -> Vec<i16> {
            (0..places).map(|draw| background.crop(part, draw, 20).unwrap()[0]).collect()
        };
        let places: Vec<i16> = (0..=40).chain(200..=220).chain([400]).collect();
        assert_eq!(starts(&both, Part::Training, places.len() as u64), places);
        for part in [Part::Validation, Part::Test] {
            assert_eq!(both.samples(part), own.samples(part));
            assert_eq!(starts(&both, part, 9), starts(&own, part, 9));
        }
    }

    #[test]
    fn noise_alone_is_no_background() {
        let (noise, short) = Background::default().with_noise(vec![counting(0, 50)], 20, 10);
        assert!(noise.is_empty() && short.is_empty());
        assert!(noise.crop(Part::Training, 30, 20).is_some());
        assert_eq!(noise.crop(Part::Validation, 30, 20), None);
    }

    proptest! {
        #[test]
        fn crops_have_the_wanted_length(draw: u64, len in 0..400usize) {
            let (background, _) = Background::new(vec![counting(0, 500)], 5, 1);
            for part in Part::ALL {
                match background.crop(part, draw, len) {
                    Some(crop) => prop_assert_eq!(crop.len(), len),
                    None => prop_assert!(len > background.samples(part)),
                }
            }
        }
    }
}
