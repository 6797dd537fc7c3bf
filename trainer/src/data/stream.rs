//! Test recordings: words of a data set's test part at known places in noise.
//!
//! A recording comes with a label track beside it, so that detections can be held against the
//! truth.

use std::path::{Path, PathBuf};

use rand::seq::SliceRandom as _;
use rand::{Rng as _, RngExt as _};

use super::decode::to_f32;
use super::labels_tsv::{self, Label};
use super::synth::noise;
use super::{Clip, DataError, Dataset, Part, level};
use crate::draw;

/// Shortest and longest pause between two clips, in seconds.
const GAP_SECONDS: (f32, f32) = (0.5, 2.5);
/// Level of the words, in dB below full scale; leaves room for their peaks.
const SPEECH_DB: f32 = -26.0;
/// Quieter stretches of a clip than this below its loudest are not the word.
pub(crate) const RANGE_DB: f32 = 35.0;
/// Fade at the edges of a clip, in seconds, so that its own background does not click.
const FADE_SECONDS: f32 = 0.02;
/// Longest stretch of one background recording, and the overlap with the next, in seconds.
const NOISE_SECONDS: (f32, f32) = (6.0, 0.5);
/// Loudest sample of a recording.
const CEILING: f32 = 0.99;

/// What a stream is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamOptions {
    /// Words that are to be detected, all classes equally often.
    pub count: usize,
    /// Clips of the unknown class among them, which are not to be detected.
    pub distractors: usize,
    /// Level of the words' sounding parts above the noise.
    pub snr_db: f32,
    /// Seed of every draw.
    pub seed: u64,
}

impl Default for StreamOptions {
    /// 20 words and 5 others, 15 dB above the noise: about a minute.
    fn default() -> Self {
        Self { count: 20, distractors: 5, snr_db: 15.0, seed: 0 }
    }
}

/// A recording whose contents are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Samples in [-1, 1].
    pub samples: Vec<f32>,
    /// Their rate.
    pub rate_hz: u32,
    /// What is in it, in the order of time.
    pub labels: Vec<Label>,
}

/// Makes a stream of a data set's test clips, over noise of the test part of its background; over
/// generated pink noise where it has none.
///
/// # Errors
/// The test part holds no words, or a level is no number.
pub fn build(data: &Dataset, options: &StreamOptions) -> Result<Stream, DataError> {
    if !options.snr_db.is_finite() {
        return Err(DataError::BadOption("the signal-to-noise ratio is no number".to_owned()));
    }
    let samples = |seconds: f32| (seconds * data.rate_hz as f32) as usize;
    let mut speech = Vec::new();
    let mut labels = Vec::new();
    for (index, clip) in choose(data, options)?.into_iter().enumerate() {
        let mut rng = draw::rng(options.seed, "stream gap", &[index as u64]);
        let gap = rng.random_range(GAP_SECONDS.0..=GAP_SECONDS.1);
        speech.resize(speech.len() + samples(gap), 0.0);
        let mut sound = to_f32(&clip.samples);
        let word = level::sounding_in_noise(&sound, data.rate_hz, RANGE_DB);
        let rms = level::rms(&sound[word.clone()]);
        if rms > 0.0 {
            level::scale(&mut sound, level::factor(SPEECH_DB) / rms);
        }
        level::fade(&mut sound, samples(FADE_SECONDS));
        let seconds = |at: usize| (speech.len() + at) as f64 / f64::from(data.rate_hz);
        labels.push(Label {
            start_seconds: seconds(word.start),
            end_seconds: seconds(word.end),
            label: data.labels[clip.class].clone(),
        });
        speech.extend(sound);
    }
    speech.resize(speech.len() + samples(GAP_SECONDS.1), 0.0);
    let noise_rms = level::factor(SPEECH_DB - options.snr_db);
    let noise = background(data, Part::Test, speech.len(), options.seed);
    for (sample, noise) in speech.iter_mut().zip(noise) {
        *sample += noise * noise_rms;
    }
    let peak = level::peak(&speech);
    if peak > CEILING {
        level::scale(&mut speech, CEILING / peak);
    }
    Ok(Stream { samples: speech, rate_hz: data.rate_hz, labels })
}

/// The clips of a stream, in order.
fn choose<'a>(data: &'a Dataset, options: &StreamOptions) -> Result<Vec<&'a Clip>, DataError> {
    let of_class = |class: usize| {
        let clips = data.test.iter().filter(|clip| clip.class == class);
        let mut clips: Vec<&Clip> = clips.collect();
        clips.shuffle(&mut draw::rng(options.seed, "stream clips", &[class as u64]));
        clips
    };
    let special = [data.unknown_class(), data.silence_class()];
    let words: Vec<Vec<&Clip>> = (0..data.labels.len())
        .filter(|&class| !special.contains(&Some(class)))
        .map(of_class)
        .filter(|clips| !clips.is_empty())
        .collect();
    let path = data.dir.clone();
    if words.is_empty() && options.count > 0 {
        return Err(DataError::NoStream { path, what: "no words in the test part".to_owned() });
    }
    let unknown = special[0].map(of_class).unwrap_or_default();
    if unknown.is_empty() && options.distractors > 0 {
        let what = "no `_unknown_` clips in the test part for distractors".to_owned();
        return Err(DataError::NoStream { path, what });
    }
    let mut is_word: Vec<bool> =
        (0..options.count + options.distractors).map(|index| index < options.count).collect();
    is_word.shuffle(&mut draw::rng(options.seed, "stream order", &[]));
    let (mut word, mut other) = (0..options.count, 0..options.distractors);
    let clip = |is_word: bool| {
        if !is_word {
            return other.next().map(|index| unknown[index % unknown.len()]);
        }
        let index = word.next()?;
        // Every round has every class once, in an order of its own.
        let round = index / words.len();
        let mut order: Vec<usize> = (0..words.len()).collect();
        order.shuffle(&mut draw::rng(options.seed, "stream round", &[round as u64]));
        let clips = &words[order[index % words.len()]];
        Some(clips[round % clips.len()])
    };
    Ok(is_word.into_iter().filter_map(clip).collect())
}

/// `length` samples of noise with a root mean square of about 1: stretches of a part of the
/// background, faded into each other; generated pink noise where there is no background.
pub(crate) fn background(data: &Dataset, part: Part, length: usize, seed: u64) -> Vec<f32> {
    let samples = |seconds: f32| (seconds * data.rate_hz as f32) as usize;
    let longest = data.background.stretches(part).map(<[i16]>::len).max().unwrap_or(0);
    let stretch = longest.min(samples(NOISE_SECONDS.0));
    let overlap = (stretch / 4).min(samples(NOISE_SECONDS.1));
    let mut noise: Vec<f32> = Vec::with_capacity(length + stretch);
    for index in 0.. {
        if noise.len() >= length + overlap {
            break;
        }
        let draw = draw::rng(seed, "stream noise", &[index]).next_u64();
        let Some(crop) = data.background.crop(part, draw, stretch).filter(|c| !c.is_empty()) else {
            let mut pink = noise::pink(length, &mut draw::rng(seed, "stream noise", &[]));
            level::set_rms(&mut pink, 1.0);
            return pink;
        };
        let mut crop = to_f32(crop);
        level::set_rms(&mut crop, 1.0);
        let start = noise.len().saturating_sub(overlap);
        for (at, sample) in crop.into_iter().enumerate() {
            match noise.get_mut(start + at) {
                // Sine and cosine keep the power of noises that have nothing in common.
                Some(before) => {
                    let angle = (at as f32 + 0.5) / overlap as f32 * std::f32::consts::FRAC_PI_2;
                    *before = *before * angle.cos() + sample * angle.sin();
                }
                None => noise.push(sample),
            }
        }
    }
    noise
}

impl Stream {
    /// Writes the recording as 16-bit WAV and its label track, of the same name but `.tsv`,
    /// beside it; returns the label track's path.
    ///
    /// # Errors
    /// The name does not end in `.wav`, or a file cannot be written.
    pub fn write(&self, wav: &Path) -> Result<PathBuf, DataError> {
        let labels = labels_tsv::path(wav)?;
        labels_tsv::write(&labels, &self.labels)?;
        audio::write_wav_i16(wav, &self.samples, self.rate_hz)?;
        Ok(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DataOptions;
    use crate::data::fixtures::{RATE_HZ, loaded, options, tone, words};

    fn dataset(background: bool) -> Dataset {
        let dir = tempfile::tempdir().unwrap();
        words(dir.path(), &["down", "other", "up"], 10);
        if background {
            tone(dir.path(), "_background_noise_/hum.wav", 12.0);
        }
        let words = Some(vec!["up".to_owned(), "down".to_owned()]);
        loaded(&DataOptions { words, ..options(dir.path()) })
    }

    #[test]
    fn words_are_where_the_labels_say() {
        for data in [dataset(true), dataset(false)] {
            let stream = build(&data, &StreamOptions::default()).unwrap();
            let count = |label| stream.labels.iter().filter(|l| l.label == label).count();
            assert_eq!((count("up"), count("down"), count("_unknown_")), (10, 10, 5));
            let at = |seconds: f64| (seconds * f64::from(RATE_HZ)) as usize;
            let mut last = 0.0;
            for label in &stream.labels {
                let (start, end) = (label.start_seconds, label.end_seconds);
                assert!(start - last >= 0.5 && end - start > 0.2, "{label:?}");
                let word = level::rms(&stream.samples[at(start)..at(end)]);
                let gap = level::rms(&stream.samples[at(start - 0.4)..at(start - 0.05)]);
                let snr_db = 20.0 * (word / gap).log10();
                assert!((12.0..19.0).contains(&snr_db), "{snr_db} dB");
                last = end;
            }
            assert!(level::peak(&stream.samples) <= 1.0);
        }
    }

    #[test]
    fn the_seed_decides() {
        let data = dataset(true);
        let with = |seed| build(&data, &StreamOptions { seed, ..Default::default() }).unwrap();
        assert_eq!(with(3), with(3));
        assert_ne!(with(3), with(4));
    }

    #[test]
    fn a_recording_and_its_labels_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let data = dataset(true);
        let stream = build(&data, &StreamOptions { count: 3, ..Default::default() }).unwrap();
        let wav = dir.path().join("test.wav");
        let labels = stream.write(&wav).unwrap();
        assert_eq!(labels, dir.path().join("test.tsv"));
        assert_eq!(labels_tsv::read(&labels).unwrap().len(), 8);
        assert_eq!(audio::read_mono(&wav, RATE_HZ).unwrap().len(), stream.samples.len());
        assert!(stream.write(&dir.path().join("test.mp3")).is_err());
    }

    #[test]
    fn streams_of_nothing_are_refused() {
        let mut data = dataset(true);
        let none = StreamOptions { distractors: 0, ..Default::default() };
        assert!(build(&data, &StreamOptions { snr_db: f32::NAN, ..none.clone() }).is_err());
        data.test.retain(|clip| clip.class != 2);
        assert!(build(&data, &StreamOptions::default()).is_err());
        assert!(build(&data, &none).is_ok());
        data.test.clear();
        assert!(matches!(build(&data, &none), Err(DataError::NoStream { .. })));
    }
}
