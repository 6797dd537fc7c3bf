//! From a folder of recordings to clips in memory, split and ready to train on.
//!
//! [`load`] works in steps, one module each: `scan` finds the recordings one folder level deep,
//! `labels` decides which folders are classes, `decode` reads the recordings in parallel and
//! leaves out broken ones, `split` (by `lists`, by hash, or with `stratify`) distributes
//! the clips over training, validation and test. [`Background`] holds the long recordings of
//! noise, of which the `silence` class is cut. A data set whose table gives each recording any number of tags
//! goes another way after that (`tagged`).
//!
//! Other ways lead in and out: [`fetch`] gets public data sets, [`synth`] makes a data set with text-to-speech, and
//! [`stream`] makes a long recording with known words at known places from a data set's test
//! part, [`mix`] many short ones with several events at once, [`cut`] cuts words out of recordings of any length. [`folder`] reads recordings that are no data set.

mod background;
pub mod cut;
mod decode;
pub(crate) mod digest;
mod error;
mod esc50;
pub mod fetch;
pub(crate) mod files;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod folder;
mod folds;
mod labels;
pub mod labels_tsv;
pub(crate) mod level;
mod lists;
mod load;
pub mod mix;
mod negatives;
mod scan;
mod silence;
mod split;
mod stratify;
pub mod stream;
pub mod synth;
pub mod tagged;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use models::arch::Task;
use models::meta::{SILENCE, UNKNOWN};

pub use background::Background;
pub use decode::{Broken, I16_SCALE, SourceFormat};
pub use error::DataError;
pub use labels::BACKGROUND_FOLDER;
pub use load::load;
pub use negatives::Negatives;
pub use split::{Part, SplitScheme};

/// Which data set to load, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataOptions {
    /// Folder of the data set: one folder a class.
    pub dir: PathBuf,
    /// Sample rate to bring the recordings to.
    pub rate_hz: u32,
    /// Samples that a clip will be cut or padded to.
    pub window: usize,
    /// `None`: every folder is a class. Otherwise these are, in this order, and all other folders
    /// together are the unknown class. Of a data set with tags these are the tags to look at.
    pub words: Option<Vec<String>>,
    /// How to split.
    pub split: SplitScheme,
    /// Seed of a drawn split.
    pub seed: u64,
    /// Whether the first broken recording, or a listed one that does not exist, is an error.
    pub strict: bool,
    /// Whether to add the silence class if there are background recordings.
    pub silence: bool,
    /// Of a data set with folds, the one to test on, from 1.
    pub fold: u8,
    /// Folder of recordings, at any depth, of anything but the classes.
    pub hard_negatives: Option<PathBuf>,
    /// Folder of recordings of noise, at any depth, to train with besides the background.
    pub noise_data: Option<PathBuf>,
}

impl DataOptions {
    /// All folders as classes, a split found by itself, seed 0, lenient, with silence, without hard negatives and further
    /// noise.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, rate_hz: u32, window: usize) -> Self {
        Self {
            dir: dir.into(),
            rate_hz,
            window,
            words: None,
            split: SplitScheme::Auto,
            seed: 0,
            fold: 1,
            strict: false,
            silence: true,
            hard_negatives: None,
            noise_data: None,
        }
    }
}

/// Where the sound of a class is in a clip that is longer than a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// In the middle: words. The middle of the clip is what is looked at.
    #[default]
    Centre,
    /// Anywhere: scenes. Training looks at a random window of the clip, and measuring at the mean of segments.
    Anywhere,
}

/// Name and samples of a recording.
type Recording = (String, Arc<[i16]>);

/// One clip of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    /// `folder/file`.
    pub name: String,
    /// Index into [`Dataset::labels`]; of a clip with tags the first of them.
    pub class: usize,
    /// Of a multi-label data set: for each of its labels, whether the clip has it. Else empty.
    pub tags: Arc<[bool]>,
    /// Who speaks, where the file's name tells.
    pub speaker: Option<String>,
    /// The whole clip at the data set's rate, not yet cut or padded; [`I16_SCALE`] is 1.0.
    pub samples: Arc<[i16]>,
}

impl Clip {
    /// Whether the clip is of a class, or has it among its tags.
    #[must_use]
    pub fn has(&self, class: usize) -> bool {
        self.tags.get(class).copied().unwrap_or(class == self.class)
    }
}

/// A data set in memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Folder it came from.
    pub dir: PathBuf,
    /// Whether a clip has one class, or any number of tags.
    pub task: Task,
    /// The classes: words sorted or in the order asked for, then `_unknown_` and `_silence_` where
    /// present; or the tags.
    pub labels: Vec<String>,
    /// Sample rate of all samples.
    pub rate_hz: u32,
    /// Samples that a clip will be cut or padded to.
    pub window: usize,
    /// Clips to train on, sorted by name.
    pub train: Vec<Clip>,
    /// Clips to choose the epoch and thresholds by, sorted by name.
    pub validation: Vec<Clip>,
    /// Clips to measure the finished model with, sorted by name.
    pub test: Vec<Clip>,
    /// Noise.
    pub background: Background,
    /// What else is no class, to train with.
    pub negatives: Negatives,
    /// Where in a clip its class sounds.
    pub placement: Placement,
    /// Folds that the data set is divided into; 0: none.
    pub folds: u8,
    /// The split used, never [`SplitScheme::Auto`].
    pub split: SplitScheme,
    /// SHA-256 over the names and samples of clips, background, noise and hard negatives, as hex.
    pub data_sha256: String,
    /// SHA-256 over the three lists of names, as hex.
    pub split_sha256: String,
    /// Recordings left out: undecodable, empty or too short.
    pub left_out: Vec<Broken>,
    /// Names in the lists that do not exist.
    pub missing: Vec<String>,
    /// Folders without recordings.
    pub empty_folders: Vec<String>,
    /// Kinds of audio files and how many of each, background included.
    pub formats: BTreeMap<SourceFormat, usize>,
}

impl Dataset {
    /// The clips of a part, without generated silence.
    #[must_use]
    pub fn clips(&self, part: Part) -> &[Clip] {
        match part {
            Part::Training => &self.train,
            Part::Validation => &self.validation,
            Part::Test => &self.test,
        }
    }

    /// Class of silence, if there is one.
    #[must_use]
    pub fn silence_class(&self) -> Option<usize> {
        self.class(SILENCE)
    }

    /// Class of words that are none of the commands, if there is one.
    #[must_use]
    pub fn unknown_class(&self) -> Option<usize> {
        self.class(UNKNOWN)
    }

    /// A class that is no word; tags have no such meaning.
    fn class(&self, special: &str) -> Option<usize> {
        let found = self.labels.iter().position(|label| label == special);
        found.filter(|_| self.task == Task::MultiClass)
    }

    /// The classes that say that there is no word: `_unknown_` and `_silence_` where present.
    #[must_use]
    pub fn none_classes(&self) -> Vec<usize> {
        self.unknown_class().into_iter().chain(self.silence_class()).collect()
    }

    /// Bytes that the samples of clips, background, noise and hard negatives take.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let parts = if self.split == SplitScheme::None { &Part::ALL[..1] } else { &Part::ALL };
        let clips = parts.iter().flat_map(|&part| self.clips(part));
        let clips: usize = clips.map(|clip| size_of_val::<[i16]>(&clip.samples)).sum();
        clips + self.background.memory_bytes() + size_of::<i16>() * self.negatives.samples()
    }
}
