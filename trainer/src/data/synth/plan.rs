//! Who says what, how often and how, before anybody speaks.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand::seq::SliceRandom as _;

use super::engine::{Kind, Manner};
use super::voices::{Voice, Voices};
use super::{LEAST_CLIPS, SynthOptions, folder_name};
use crate::data::Part;
use crate::draw;

/// Clips of a word for one of an unknown word.
const CLIPS_PER_UNKNOWN: usize = 6;
/// Share of validation, and of the test, in a word's clips.
const SHARE: f64 = 0.2;
/// Every so many clips are spoken by Flite where both engines are there: it has fewer voices.
const FLITE_EVERY: usize = 4;
/// Slowest and fastest speed, relative to the voice's usual one.
const SPEED: (f32, f32) = (0.8, 1.25);

/// One clip to make.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job<'a> {
    pub text: &'a str,
    pub voice: &'a Voice,
    pub manner: Manner,
    /// `folder/file`.
    pub name: String,
    /// Number among the clips of its word.
    pub index: u64,
}

/// All clips to make.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub jobs: Vec<Job<'a>>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        words: &'a [String],
        unknown: &'a [String],
        voices: &'a Voices,
        options: &SynthOptions,
    ) -> Self {
        let few = (options.clips / CLIPS_PER_UNKNOWN).max(LEAST_CLIPS);
        let counted = words.iter().map(|word| (word, options.clips));
        let counted = counted.chain(unknown.iter().map(|word| (word, few)));
        let jobs = counted.flat_map(|(word, count)| of_word(word, count, voices, options.seed));
        Self { jobs: jobs.collect() }
    }

    /// Folders of all words.
    pub(crate) fn folders(&self) -> impl Iterator<Item = String> {
        let folders: std::collections::BTreeSet<String> =
            self.jobs.iter().map(|job| folder_name(job.text)).collect();
        folders.into_iter()
    }

    /// The list of a part, one `folder/file` a line, sorted.
    pub(crate) fn list(&self, part: Part) -> String {
        let of_part = self.jobs.iter().filter(|job| job.voice.part == part);
        let mut names: Vec<String> = of_part.map(|job| format!("{}\n", job.name)).collect();
        names.sort();
        names.concat()
    }
}

/// The clips of one word. They depend on the word alone, not on those beside it.
fn of_word<'a>(text: &'a str, count: usize, voices: &'a Voices, seed: u64) -> Vec<Job<'a>> {
    let held_out = ((count as f64 * SHARE).round() as usize).max(1);
    let of_part = |part| match part {
        Part::Training => count - 2 * held_out,
        Part::Validation | Part::Test => held_out,
    };
    let mut takes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut jobs = Vec::with_capacity(count);
    for part in Part::ALL {
        for voice in in_turn(text, part, of_part(part), voices, seed) {
            let index = jobs.len() as u64;
            let take = takes.entry(&voice.name).or_default();
            let name = format!("{}/{}_nohash_{take}.wav", folder_name(text), voice.name);
            *take += 1;
            let mut rng = draw::rng(seed, &format!("manner of {text}"), &[index]);
            let (pitch, speed) = (rng.random_range(0.0..=1.0), rng.random_range(SPEED.0..=SPEED.1));
            jobs.push(Job { text, voice, manner: Manner { pitch, speed }, name, index });
        }
    }
    jobs
}

/// `count` voices of a part; each engine's speak in turn, in an order drawn for the word.
fn in_turn<'a>(
    text: &str,
    part: Part,
    count: usize,
    voices: &'a Voices,
    seed: u64,
) -> Vec<&'a Voice> {
    let order = |kind: Kind| {
        let mut of_kind: Vec<&Voice> =
            voices.of_part(part).filter(|voice| voice.kind == kind).collect();
        let purpose = format!("voices of {text}");
        of_kind.shuffle(&mut draw::rng(seed, &purpose, &[part as u64, kind as u64]));
        of_kind
    };
    let [espeak, flite] = Kind::ALL.map(order);
    let mut turns = [espeak.iter().cycle(), flite.iter().cycle()];
    let is_flite = |index: usize| index % FLITE_EVERY == FLITE_EVERY - 1;
    let voice = |index: usize| {
        let [first, second] = &mut turns;
        let (preferred, other) = if is_flite(index) { (second, first) } else { (first, second) };
        preferred.next().or_else(|| other.next()).copied()
    };
    (0..count).filter_map(voice).collect()
}
