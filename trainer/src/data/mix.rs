//! Soundscapes: recordings of several events at once, mixed of clips of one event each.
//!
//! Where and when each event sounds is drawn from a seed, so weak and strong labels are known. Source of the manner of
//! drawing: Salamon, `MacConnell`, Cartwright, Li and Bello, "Scaper: a library for soundscape synthesis and
//! augmentation" (2017).

use rand::{Rng as _, RngExt as _};

use super::decode::to_f32;
use super::labels_tsv::Label;
use super::stream::{RANGE_DB, background};
use super::{Clip, DataError, Dataset, Part, level};
use crate::draw;

/// Level of the background, in dB below full scale; leaves room for loud events.
const BACKGROUND_DB: f32 = -46.0;
/// Fade at the edges of an event, in seconds.
const FADE_SECONDS: f32 = 0.02;
/// Loudest sample of a recording.
const CEILING: f32 = 0.99;

/// What soundscapes are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct MixOptions {
    /// Seconds of each.
    pub seconds: f64,
    /// Most events in one; there is at least one.
    pub events: usize,
    /// Lowest and highest level of an event above the background.
    pub snr_db: (f32, f32),
    /// Seed of every draw.
    pub seed: u64,
}

/// A recording of several events.
#[derive(Clone, Debug, PartialEq)]
pub struct Soundscape {
    /// Samples in [-1, 1].
    pub samples: Vec<f32>,
    /// The events (strong labels), in the order of their starts.
    pub events: Vec<Label>,
}

/// Mixes the soundscapes of one part of a data set: their events are clips of that part, over that part's background (generated pink
/// noise where there is none).
#[derive(Debug)]
pub struct Mixer<'a> {
    data: &'a Dataset,
    part: Part,
    options: &'a MixOptions,
    /// Classes with clips in the part, and those clips.
    classes: Vec<(usize, Vec<&'a Clip>)>,
}

impl<'a> Mixer<'a> {
    /// A mixer for a part.
    ///
    /// # Errors
    /// Options out of range, or a part without clips of any class but `_unknown_` and `_silence_`.
    pub fn new(data: &'a Dataset, part: Part, options: &'a MixOptions) -> Result<Self, DataError> {
        let wrong = |what: &str| Err(DataError::BadOption(what.to_owned()));
        let (low, high) = options.snr_db;
        if !(0.5..=600.0).contains(&options.seconds) {
            return wrong("a soundscape lasts 0.5 to 600 seconds");
        }
        if !(1..=64).contains(&options.events) {
            return wrong("a soundscape has at most 1 to 64 events");
        }
        if !(-30.0..=60.0).contains(&low) || !(low..=60.0).contains(&high) {
            return wrong("levels above the background are -30 to 60 dB, the lower one first");
        }
        if data.clips(part).iter().any(|clip| !clip.tags.is_empty()) {
            return wrong(
                "soundscapes are mixed of clips that have one class each; this data set has tags",
            );
        }
        let none = data.none_classes();
        let of_class = |class: usize| {
            let clips = data.clips(part).iter().filter(|clip| clip.class == class);
            (class, clips.collect::<Vec<&Clip>>())
        };
        let classes: Vec<(usize, Vec<&Clip>)> = (0..data.labels.len())
            .filter(|class| !none.contains(class))
            .map(of_class)
            .filter(|(_, clips)| !clips.is_empty())
            .collect();
        if classes.is_empty() {
            let what = format!("no events in the {} part", part.name());
            return Err(DataError::NoStream { path: data.dir.clone(), what });
        }
        Ok(Self { data, part, options, classes })
    }

    /// Soundscape `index`: a function of the part, the options and the index alone.
    #[must_use]
    pub fn soundscape(&self, index: usize) -> Soundscape {
        let rate_hz = f64::from(self.data.rate_hz);
        let length = (self.options.seconds * rate_hz).round() as usize;
        let place = [self.part as u64, index as u64];
        let mut rng = draw::rng(self.options.seed, "soundscape", &place);
        let mut samples = background(self.data, self.part, length, rng.next_u64());
        samples.truncate(length);
        level::scale(&mut samples, level::factor(BACKGROUND_DB));
        let mut events = Vec::new();
        for _ in 0..rng.random_range(1..=self.options.events) {
            let (class, clips) = &self.classes[rng.random_range(0..self.classes.len())];
            let clip = clips[rng.random_range(0..clips.len())];
            let (low, high) = self.options.snr_db;
            let snr_db = low + rng.random::<f32>() * (high - low);
            let event = self.event(clip, length, BACKGROUND_DB + snr_db, rng.random());
            let start = rng.random_range(0..=length - event.len());
            samples[start..].iter_mut().zip(&event).for_each(|(sample, own)| *sample += own);
            events.push(Label {
                start_seconds: start as f64 / rate_hz,
                end_seconds: (start + event.len()) as f64 / rate_hz,
                label: self.data.labels[*class].clone(),
            });
        }
        events.sort_by(|a, b| a.start_seconds.total_cmp(&b.start_seconds));
        let peak = level::peak(&samples);
        if peak > CEILING {
            level::scale(&mut samples, CEILING / peak);
        }
        Soundscape { samples, events }
    }

    /// The sounding part of a clip at a level; of one that is too long a stretch at the share `at` of the places where it
    /// could lie.
    fn event(&self, clip: &Clip, longest: usize, level_db: f32, at: f64) -> Vec<f32> {
        let sound = to_f32(&clip.samples);
        let sounding = level::sounding(&sound, self.data.rate_hz, RANGE_DB);
        let mut event = sound[sounding].to_vec();
        let spare = event.len().saturating_sub(longest);
        event.drain(..(at * spare as f64) as usize);
        event.truncate(longest);
        level::set_rms(&mut event, level::factor(level_db));
        level::fade(&mut event, (FADE_SECONDS * self.data.rate_hz as f32) as usize);
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{RATE_HZ, loaded, options, words};

    fn mix() -> MixOptions {
        MixOptions { seconds: 2.0, events: 3, snr_db: (10.0, 20.0), seed: 1 }
    }

    fn dataset() -> Dataset {
        let dir = tempfile::tempdir().unwrap();
        words(dir.path(), &["bark", "bell", "rain"], 12);
        loaded(&options(dir.path()))
    }

    #[test]
    fn events_sound_where_the_labels_say() {
        let (data, mix) = (dataset(), MixOptions { events: 1, ..mix() });
        let mixer = Mixer::new(&data, Part::Training, &mix).unwrap();
        let at = |seconds: f64| (seconds * f64::from(RATE_HZ)).round() as usize;
        for index in 0..20 {
            let Soundscape { samples, events } = mixer.soundscape(index);
            assert_eq!((samples.len(), events.len()), (2 * RATE_HZ as usize, 1));
            let (start, end) = (at(events[0].start_seconds), at(events[0].end_seconds));
            let rest = [&samples[..start], &samples[end..]].concat();
            let snr_db = 20.0 * (level::rms(&samples[start..end]) / level::rms(&rest)).log10();
            assert!((8.0..22.0).contains(&snr_db), "{snr_db} dB");
        }
    }

    #[test]
    fn the_seed_decides_and_parts_differ() {
        let (data, one) = (dataset(), mix());
        let two = MixOptions { seed: 2, ..mix() };
        let of = |options, part, index| Mixer::new(&data, part, options).unwrap().soundscape(index);
        assert_eq!(of(&one, Part::Test, 3), of(&one, Part::Test, 3));
        assert_ne!(of(&one, Part::Test, 3), of(&one, Part::Test, 4));
        assert_ne!(of(&one, Part::Test, 3), of(&two, Part::Test, 3));
        assert_ne!(of(&one, Part::Test, 3), of(&one, Part::Validation, 3));
        let counts: Vec<usize> =
            (0..40).map(|index| of(&one, Part::Training, index).events.len()).collect();
        assert!((1..=3).all(|count| counts.contains(&count)) && counts.iter().max() == Some(&3));
    }

    #[test]
    fn long_clips_are_cut_and_nonsense_is_refused() {
        let data = dataset();
        let short = MixOptions { seconds: 0.5, events: 1, ..mix() };
        let mixer = Mixer::new(&data, Part::Test, &short).unwrap();
        let long = Clip { samples: vec![9000; 99_000].into(), ..data.test[0].clone() };
        for at in [0.0, 0.5, 0.999] {
            assert_eq!(mixer.event(&long, 4000, -30.0, at).len(), 4000);
        }
        for wrong in [
            MixOptions { seconds: f64::NAN, ..mix() },
            MixOptions { events: 0, ..mix() },
            MixOptions { snr_db: (9.0, 3.0), ..mix() },
            MixOptions { snr_db: (f32::NAN, 3.0), ..mix() },
        ] {
            assert!(matches!(Mixer::new(&data, Part::Test, &wrong), Err(DataError::BadOption(_))));
        }
        let mut empty = data.clone();
        empty.test.clear();
        let error = Mixer::new(&empty, Part::Test, &short).unwrap_err();
        assert!(error.to_string().contains("no events in the test part"), "{error}");
    }
}
