//! Sentences of everyday words, spoken by voices of one part of the split: speech without end.

use std::fs;
use std::path::Path;

use rand::RngExt as _;

use super::engine::{self, EngineChoice, Manner};
use super::voices::{Voice, Voices};
use super::{RECORD, vocabulary};
use crate::data::{DataError, Part};
use crate::draw;

/// Words in a sentence, and what stands between them now and then.
const WORDS: (usize, usize) = (5, 14);
const LINKS: [&str; 12] =
    ["and", "the", "is", "a", "with", "my", "was", "for", "in", "but", "her", "that"];
/// Slowest and fastest speed, relative to the voice's usual one.
const SPEED: (f32, f32) = (0.8, 1.25);

/// Deals out the voices of all data that names no other: streams of different seeds, made to train with and to measure on,
/// must not share voices.
const VOICES_SEED: u64 = 0;

/// Voices of a part and words to say.
pub(crate) struct Sentences {
    voices: Vec<Voice>,
    words: Vec<String>,
    part: Part,
    seed: u64,
}

impl Sentences {
    /// The voices of a part among those installed, and words that are none of `commands`.
    ///
    /// A data set made by text-to-speech in the folder `data` tells which of its voices were
    /// trained on; for any other they are always dealt out in the same way, whatever the seed.
    pub(crate) fn new(
        data: &Path,
        commands: &[String],
        part: Part,
        seed: u64,
    ) -> Result<Self, DataError> {
        let engines = engine::find(EngineChoice::Auto)?;
        let voices = Voices::find(&engines, trained_seed(data).unwrap_or(VOICES_SEED))?;
        let voices: Vec<Voice> = voices.of_part(part).cloned().collect();
        let commands: Vec<String> = commands.iter().map(|word| word.replace('_', " ")).collect();
        let words = vocabulary::others(&commands);
        if voices.is_empty() || words.is_empty() {
            let nobody = "no voice or no word is left for synthetic speech".to_owned();
            return Err(DataError::Synth(nobody));
        }
        Ok(Self { voices, words, part, seed })
    }

    /// Sentence number `index`, at `rate_hz`.
    pub(crate) fn speak(&self, index: u64, rate_hz: u32) -> Result<Vec<f32>, DataError> {
        let mut rng = draw::rng(self.seed, "sentence", &[self.part as u64, index]);
        let mut text = Vec::new();
        for _ in 0..rng.random_range(WORDS.0..=WORDS.1) {
            if rng.random_bool(0.3) {
                text.push(LINKS[rng.random_range(0..LINKS.len())]);
            }
            text.push(&self.words[rng.random_range(0..self.words.len())]);
        }
        let voice = &self.voices[rng.random_range(0..self.voices.len())];
        let (pitch, speed) = (rng.random_range(0.0..=1.0), rng.random_range(SPEED.0..=SPEED.1));
        let (samples, spoken_hz) = engine::speak(voice, &text.join(" "), Manner { pitch, speed })?;
        Ok(audio::resample(&samples, spoken_hz, rate_hz)?)
    }
}

/// The seed of the data set made by text-to-speech in a folder.
fn trained_seed(data: &Path) -> Option<u64> {
    let record = fs::read(data.join(RECORD)).ok()?;
    let record: serde_json::Value = serde_json::from_slice(&record).ok()?;
    record.get("seed")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_seeded_and_unlike() {
        let new =
            |seed| Sentences::new(Path::new("nowhere"), &["cat".to_owned()], Part::Test, seed);
        let sentences = match new(1) {
            Ok(sentences) => sentences,
            Err(reason) => return println!("skipped: {reason}"),
        };
        assert!(!sentences.words.contains(&"cat".to_owned()));
        let first = sentences.speak(0, 16_000).unwrap();
        assert!(first.len() > 16_000);
        assert_eq!(sentences.speak(0, 16_000).unwrap(), first);
        assert_ne!(sentences.speak(1, 16_000).unwrap(), first);
        let other = new(2).unwrap();
        assert_ne!(other.speak(0, 16_000).unwrap(), first);
        assert_eq!(other.voices, sentences.voices);
    }

    #[test]
    fn a_made_data_set_tells_its_voices() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(trained_seed(dir.path()), None);
        fs::write(dir.path().join(RECORD), r#"{"seed": 7}"#).unwrap();
        assert_eq!(trained_seed(dir.path()), Some(7));
        fs::write(dir.path().join(RECORD), "[").unwrap();
        assert_eq!(trained_seed(dir.path()), None);
    }
}
