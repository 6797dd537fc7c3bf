//! What the streams are made of: commands to be heard, and everything else.
//!
//! Every draw follows from the seed. No sound is used twice in a source, so that an hour is an hour of
//! different sound.

use std::path::PathBuf;

use rand::seq::SliceRandom as _;
use rand::{Rng as _, RngExt as _};
use rayon::prelude::*;

use super::music;
use super::track::{Heard, Kind, Track, set_level};
use super::words;
use crate::data::synth::{Sentences, noise};
use crate::data::{Broken, Clip, DataError, Dataset, I16_SCALE, Part, folder, level};
use crate::draw::{self, ChaCha8Rng};

/// Quietest and loudest pieces, in dB below full scale (root mean square).
const LEVEL_DB: (f32, f32) = (-40.0, -18.0);
/// Level of synthetic speech above a noise of its own.
const SPEECH_SNR_DB: (f32, f32) = (10.0, 40.0);
/// Pauses between pieces, in seconds; every other one is digital silence, the rest quiet noise.
const PAUSE_SECONDS: (f32, f32) = (0.3, 2.0);
const PAUSE_DB: (f32, f32) = (-80.0, -55.0);
/// Fade at both ends of a piece, in seconds.
const FADE_SECONDS: f32 = 0.02;
/// Pieces made at the same time.
const BATCH: u64 = 8;

/// Where sounds that are no command come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Words of the data set that are none of the commands.
    OtherWords,
    /// The part's share of each of the data set's background recordings: a fifth for validation and for the test, three fifths
    /// for training.
    Background,
    /// All recordings below a folder.
    Folder(PathBuf),
    /// Sentences of everyday words by text-to-speech, by voices of the part.
    SyntheticSpeech,
    /// Chords, tunes and drums.
    MusicLike,
}

/// Makes streams of one part of a data set.
#[derive(Clone, Copy, Debug)]
pub struct Composer<'a> {
    /// The recordings.
    pub data: &'a Dataset,
    /// Which of them.
    pub part: Part,
    /// Seed of every draw.
    pub seed: u64,
    /// The model's classes.
    pub labels: &'a [String],
    /// Whether a class is reported, one a class.
    pub reported: &'a [bool],
    /// Hours of each of the synthetic sources.
    pub synthetic_hours: f64,
}

impl Composer<'_> {
    /// Every command once, in noise, at random places and levels.
    ///
    /// # Errors
    /// The part has no clip of any command.
    pub fn positives(&self) -> Result<Track, DataError> {
        let clips = self.clips(true);
        if clips.is_empty() {
            let what = format!("no clip of a command in the {} part", self.part.name());
            return Err(DataError::NoStream { path: self.data.dir.clone(), what });
        }
        Ok(words::track(self, "commands", &clips))
    }

    /// All sources but a folder.
    #[must_use]
    pub fn own_sources(&self) -> Vec<Source> {
        let all =
            [Source::OtherWords, Source::Background, Source::SyntheticSpeech, Source::MusicLike];
        let holds_something = |source: &Source| match source {
            Source::OtherWords => !self.clips(false).is_empty(),
            Source::Background => !self.data.background.is_empty(),
            _ => self.synthetic_hours > 0.0,
        };
        all.into_iter().filter(holds_something).collect()
    }

    /// The track of a source, and recordings that are broken.
    fn negatives(&self, source: &Source) -> Result<(Track, Vec<Broken>), DataError> {
        let track = match source {
            Source::OtherWords => words::track(self, "other words", &self.clips(false)),
            Source::Background => self.background(),
            Source::Folder(dir) => {
                let (named, broken) = folder::recordings(dir, self.data.rate_hz)?;
                let name = dir.file_name().map_or("folder".into(), |name| name.to_string_lossy());
                let pieces = named.iter().map(|(name, samples)| (name.as_str(), &**samples));
                return Ok((self.pieces(&name, Kind::Real, pieces), broken));
            }
            Source::SyntheticSpeech => self.speech()?,
            Source::MusicLike => self.music(),
        };
        Ok((track, Vec::new()))
    }

    /// The track of a source, if it can be made. `notes` is told why not, and what was left out of it.
    ///
    /// # Errors
    /// Recordings that cannot be read.
    pub fn track(
        &self,
        source: &Source,
        notes: &mut Vec<String>,
    ) -> Result<Option<Track>, DataError> {
        let (track, broken) = match self.negatives(source) {
            Err(DataError::Synth(reason)) => {
                notes.push(format!("no synthetic speech: {reason}"));
                return Ok(None);
            }
            made => made?,
        };
        notes.extend(broken.iter().map(|b| format!("left out `{}`: {}", b.name, b.reason)));
        if track.repeats > 0 {
            notes.push(format!("{}: left out {} repeated sounds", track.name, track.repeats));
        }
        Ok(Some(track))
    }

    /// The class of a clip that must be detected.
    pub(super) fn command(&self, clip: &Clip) -> Option<usize> {
        let label = &self.data.labels[clip.class];
        let class = self.labels.iter().position(|known| known == label)?;
        self.reported.get(class).copied().unwrap_or(false).then_some(class)
    }

    /// The commands or all other words, shuffled.
    fn clips(&self, commands: bool) -> Vec<&Clip> {
        let clips = self.data.clips(self.part).iter();
        let silence = self.data.silence_class();
        let spoken = clips.filter(|clip| Some(clip.class) != silence);
        let mut clips: Vec<&Clip> =
            spoken.filter(|clip| self.command(clip).is_some() == commands).collect();
        clips.shuffle(&mut self.rng("order", &[u64::from(commands)]));
        clips
    }

    fn background(&self) -> Track {
        let background = &self.data.background;
        let pieces = background.names().zip(background.stretches(self.part));
        self.pieces("background", Kind::Real, pieces)
    }

    /// Recordings one after the other, at levels of their own.
    fn pieces<'p>(
        &self,
        name: &str,
        kind: Kind,
        pieces: impl Iterator<Item = (&'p str, &'p [i16])>,
    ) -> Track {
        let (mut track, mut heard) = (Track::new(name, kind, self.data.rate_hz), Heard::default());
        for (index, (label, samples)) in pieces.enumerate() {
            if !heard.is_new(samples) {
                track.repeats += 1;
                continue;
            }
            let rng = &mut self.rng(name, &[index as u64]);
            let mut piece: Vec<f32> = samples.iter().map(|&s| f32::from(s) / I16_SCALE).collect();
            self.place(&mut track, &mut piece, label, rng);
        }
        track
    }

    fn place(&self, track: &mut Track, piece: &mut [f32], label: &str, rng: &mut ChaCha8Rng) {
        track.append(&self.pause(rng));
        set_level(piece, rng.random_range(LEVEL_DB.0..=LEVEL_DB.1), self.samples(FADE_SECONDS));
        track.append_piece(piece, label);
    }

    fn pause(&self, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let length = self.samples(rng.random_range(PAUSE_SECONDS.0..=PAUSE_SECONDS.1));
        let level_db = rng.random_range(PAUSE_DB.0..=PAUSE_DB.1);
        if rng.next_u64().is_multiple_of(2) {
            return vec![0.0; length];
        }
        let mut pause = noise::pink(length, rng);
        level::set_rms(&mut pause, level::factor(level_db));
        pause
    }

    fn speech(&self) -> Result<Track, DataError> {
        let commands: Vec<String> = self.labels.to_vec();
        let sentences = Sentences::new(&self.data.dir, &commands, self.part, self.seed)?;
        self.endless("synthetic speech", |index| {
            let mut speech = sentences.speak(index, self.data.rate_hz)?;
            let rng = &mut self.rng("speech noise", &[index]);
            level::set_rms(&mut speech, 1.0);
            let mut noise = noise::pink(speech.len(), rng);
            let snr_db = rng.random_range(SPEECH_SNR_DB.0..=SPEECH_SNR_DB.1);
            level::set_rms(&mut noise, level::factor(-snr_db));
            speech.iter_mut().zip(noise).for_each(|(sample, noise)| *sample += noise);
            Ok(speech)
        })
    }

    fn music(&self) -> Track {
        let piece =
            |index| Ok(music::piece(self.seed, &[self.part as u64, index], self.data.rate_hz));
        let made = self.endless("music-like", piece);
        made.unwrap_or_else(|_| Track::new("music-like", Kind::Synthetic, self.data.rate_hz))
    }

    /// Synthetic pieces until there are enough hours of them.
    fn endless(
        &self,
        name: &str,
        make: impl Fn(u64) -> Result<Vec<f32>, DataError> + Sync,
    ) -> Result<Track, DataError> {
        let mut track = Track::new(name, Kind::Synthetic, self.data.rate_hz);
        let mut next = 0;
        while track.hours() < self.synthetic_hours {
            let batch: Vec<Result<Vec<f32>, DataError>> =
                (next..next + BATCH).into_par_iter().map(&make).collect();
            let before = track.distinct;
            for (index, piece) in (next..).zip(batch) {
                if track.hours() >= self.synthetic_hours {
                    break;
                }
                self.place(&mut track, &mut piece?, name, &mut self.rng(name, &[index]));
            }
            if track.distinct == before {
                return Err(DataError::Synth(format!("{name}: only silence was made")));
            }
            next += BATCH;
        }
        Ok(track)
    }

    /// A generator of this part's own.
    pub(super) fn rng(&self, purpose: &str, indices: &[u64]) -> ChaCha8Rng {
        let purpose = format!("stream evaluation: {purpose}");
        let indices: Vec<u64> = [self.part as u64].iter().chain(indices).copied().collect();
        draw::rng(self.seed, &purpose, &indices)
    }

    pub(super) fn samples(&self, seconds: f32) -> usize {
        (seconds * self.data.rate_hz as f32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DataOptions;
    use crate::data::fixtures::{RATE_HZ, loaded, options, tone, words};
    use std::collections::BTreeSet;

    fn dataset() -> Dataset {
        let dir = tempfile::tempdir().unwrap();
        words(dir.path(), &["down", "other", "up"], 10);
        tone(dir.path(), "_background_noise_/hum.wav", 12.0);
        let words = Some(vec!["up".to_owned(), "down".to_owned()]);
        loaded(&DataOptions { words, ..options(dir.path()) })
    }

    fn composed<T>(data: &Dataset, seed: u64, with: impl FnOnce(&Composer<'_>) -> T) -> T {
        let reported: Vec<bool> = data.labels.iter().map(|label| !label.starts_with('_')).collect();
        let (labels, part, synthetic_hours) = (&data.labels, Part::Test, 0.004);
        with(&Composer { data, part, seed, labels, reported: &reported, synthetic_hours })
    }

    #[test]
    fn every_command_is_there_once_in_noise() {
        let data = dataset();
        let track = composed(&data, 1, |composer| composer.positives().unwrap());
        let commands = data.test.iter().filter(|clip| clip.class < 2).count();
        assert_eq!((track.commands().count(), track.spans.len()), (commands, commands));
        let offsets: BTreeSet<u64> =
            track.spans.iter().map(|span| span.range.start % 100).collect();
        assert!(offsets.len() > 1, "places are drawn");
        for (span, class) in track.commands() {
            assert_eq!(span.label, data.labels[class]);
        }
    }

    #[test]
    fn streams_are_seeded() {
        let data = dataset();
        let positives = |seed| composed(&data, seed, |composer| composer.positives().unwrap());
        assert_eq!(positives(1), positives(1));
        assert_ne!(positives(1).samples, positives(2).samples);
        let music = |seed| composed(&data, seed, |composer| composer.music());
        assert_eq!(music(1), music(1));
        assert_ne!(music(1).samples, music(2).samples);
        assert!(music(1).hours() >= 0.004);
    }

    #[test]
    fn an_hour_holds_no_sound_twice() {
        let data = dataset();
        let sounds: Vec<Vec<i16>> = vec![vec![1000; 4000], vec![2000; 4000], vec![1000; 4000]];
        let track = composed(&data, 1, |composer| {
            composer.pieces("x", Kind::Real, sounds.iter().map(|sound| ("x", sound.as_slice())))
        });
        assert_eq!((track.spans.len(), track.repeats, track.distinct), (2, 1, 8000));
        assert!(track.samples.len() > 8000 + 2 * (0.3 * RATE_HZ as f32) as usize);
    }

    #[test]
    fn sources_are_those_that_hold_something() {
        let mut data = dataset();
        let sources = |data: &Dataset| composed(data, 1, |composer| composer.own_sources());
        assert_eq!(sources(&data).len(), 4);
        let words = composed(&data, 1, |composer| composer.negatives(&Source::OtherWords).unwrap());
        let others = data.test.iter().filter(|clip| clip.class == 2).count();
        assert_eq!((words.0.spans.len(), words.0.commands().count()), (others, 0));
        assert_eq!(words.0.distinct, others as u64 * u64::from(RATE_HZ) / 4);
        data.test.clear();
        assert_eq!(sources(&data).len(), 3);
        assert!(composed(&data, 1, |composer| composer.positives()).is_err());
    }
}
