//! Why a data set cannot be used: each variant prints as one line.

use std::io;
use std::path::{Path, PathBuf};

use audio::AudioError;
use runtime::reason::advice;

/// Why a data set could not be read, split, made or written.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// There is no such folder.
    #[error("{}: no such folder; {advice}", path.display())]
    NoSuchFolder {
        /// The folder asked for.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
    },
    /// A file was given where a folder is wanted.
    #[error("{}: is not a folder; {advice}", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
    },
    /// The operating system would not let a folder or list be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The folder or list.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// A file or folder could not be written.
    #[error("{}: cannot be written: {reason}", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// There is something already where a new folder is to be.
    #[error("{}: exists and is not empty; name a new folder, or empty this one", path.display())]
    Occupied {
        /// Where the new folder was to be.
        path: PathBuf,
    },
    /// An option has no sensible value.
    #[error("{0}")]
    BadOption(String),
    /// Recordings lie beside each other instead of in a folder a class.
    #[error(
        "{}: its {count} recordings lie directly in the folder; put them into one folder a class",
        path.display()
    )]
    NoClassFolders {
        /// The folder.
        path: PathBuf,
        /// Recordings found directly in it.
        count: usize,
    },
    /// No recording at all.
    #[error("{}: no recordings found; it needs one folder a class with wav, flac, ogg or mp3 files", path.display())]
    NoAudio {
        /// The folder.
        path: PathBuf,
    },
    /// A table of recordings that makes no sense.
    #[error("{} line {line}: {reason}", path.display())]
    BadTable {
        /// The table.
        path: PathBuf,
        /// Where, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A folder that is to hold recordings at any depth holds none.
    #[error("{}: no recordings found (wav, flac, ogg or mp3)", path.display())]
    NoRecordings {
        /// The folder.
        path: PathBuf,
    },
    /// A classifier needs something to choose from.
    #[error("{}: only one class (`{only}`); a classifier needs at least two", path.display())]
    OneClass {
        /// The folder.
        path: PathBuf,
        /// The class found.
        only: String,
    },
    /// A word was asked for that the data set lacks.
    #[error("{}: has no folder for the word `{word}`{}", path.display(), hint(nearest))]
    UnknownWord {
        /// The folder.
        path: PathBuf,
        /// The word asked for.
        word: String,
        /// The folder with the most similar name.
        nearest: Option<String>,
    },
    /// A tag was asked for that the data set's table lacks.
    #[error("{}: has no tag `{word}`{}", path.display(), hint(nearest))]
    UnknownTag {
        /// The folder.
        path: PathBuf,
        /// The tag asked for.
        word: String,
        /// The most similar tag there is.
        nearest: Option<String>,
    },
    /// A part of a published split is empty.
    #[error(
        "{}: the {part} part has no recordings; the table lists none for it, or they are not here",
        path.display()
    )]
    EmptyPart {
        /// The folder.
        path: PathBuf,
        /// The part: training, validation or test.
        part: &'static str,
    },
    /// A word's folder holds no recordings.
    #[error("{}: holds no recordings (wav, flac, ogg or mp3)", path.display())]
    EmptyClass {
        /// The folder.
        path: PathBuf,
    },
    /// A class cannot be cut into training, validation and test parts.
    #[error(
        "class `{class}` has {has}, too few to split into training, validation and test parts; \
         {remedy}"
    )]
    TooFewClips {
        /// The class.
        class: String,
        /// How much there is, for example "2 clips".
        has: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A part of the split lacks a class.
    #[error("class `{class}` ({count} clips) has none in the {part} part of the split; {remedy}")]
    PartLacksClass {
        /// The class.
        class: String,
        /// Its clips in all parts together.
        count: usize,
        /// The part: training, validation or test.
        part: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// One of the two lists of a split by lists is missing.
    #[error(
        "{}: no such file; a split by lists needs validation_list.txt and testing_list.txt: put it there, or choose another split",
        path.display()
    )]
    MissingList {
        /// The list.
        path: PathBuf,
    },
    /// The lists name recordings that are not there.
    #[error("{}: the lists name {count} recordings that do not exist, the first is `{first}`", path.display())]
    MissingListed {
        /// The folder.
        path: PathBuf,
        /// How many.
        count: usize,
        /// The first of them.
        first: String,
    },
    /// A recording is in both lists.
    #[error("`{name}` is in both validation_list.txt and testing_list.txt; take it out of one")]
    ListedTwice {
        /// The recording.
        name: String,
    },
    /// A broken recording, where none is tolerated.
    #[error("broken recording `{name}`: {reason}; repair or delete it, or do not ask for `strict`")]
    Broken {
        /// The recording.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A part lacks what a stream is made from.
    #[error("{}: nothing to make a stream of: {what}", path.display())]
    NoStream {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// Speech could not be made.
    #[error("{0}")]
    Synth(String),
    /// A recording could not be written.
    #[error(transparent)]
    Audio(#[from] AudioError),
}

impl DataError {
    pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::Unreadable { path: path.to_path_buf(), reason: reason(error) }
    }

    pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Self {
        Self::Unwritable { path: path.to_path_buf(), reason: reason(error) }
    }
}

/// What the operating system said, without the names of temporary files around it, and what to do.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let said = text.split_once(" at path ").map_or(text.as_str(), |(said, _)| said);
    match advice(error) {
        Some(advice) => format!("{said}; {advice}"),
        None => said.to_owned(),
    }
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
