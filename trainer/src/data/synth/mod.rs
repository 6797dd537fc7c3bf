//! Data sets spoken by text-to-speech, for trying things out and for words nobody has recorded.
//!
//! A data set comes in the layout of Speech Commands, at 16 kHz in clips of one second. It is
//! `plan`ned first: which `voices` say which of the `vocabulary` how. Then the `engine`s
//! speak, each utterance is `place`d in its clip, and generated `noise` is added as
//! background. The split is by voice, listed in `validation_list.txt` and `testing_list.txt`.
//!
//! The same options and the same versions of the engines give the same bytes.

mod engine;
pub(crate) mod noise;
mod place;
mod plan;
mod sentences;
mod vocabulary;
mod voices;

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

pub use engine::EngineChoice;
pub(crate) use sentences::Sentences;
pub use vocabulary::folder_name;

use super::labels::BACKGROUND_FOLDER;
use super::lists::{TESTING, VALIDATION};
use super::{DataError, Part, files};
use engine::Engine;
use plan::{Job, Plan};
use voices::Voices;

/// Sample rate of the clips and noises.
pub const RATE_HZ: u32 = 16_000;
/// Fewest clips of a word: one in validation, one in the test, and some to train on.
pub const LEAST_CLIPS: usize = 5;
/// Name of the file that tells how a data set was made.
const RECORD: &str = "synth.json";
/// Clips made between two reports of progress.
const BATCH: usize = 32;

/// Which data set to make, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynthOptions {
    /// Words or short phrases to be told apart.
    pub words: Vec<String>,
    /// Folder to make; there must be nothing, or an empty folder.
    pub out: PathBuf,
    /// Clips of each word.
    pub clips: usize,
    /// Other words and phrases, from a built-in list, for the unknown class; each has a sixth of
    /// the clips of a word.
    pub unknown: usize,
    /// Seed of every draw.
    pub seed: u64,
    /// Who speaks.
    pub engine: EngineChoice,
    /// Utterances made at the same time; `None`: one a processor core.
    pub jobs: Option<usize>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Folders of the words, in the order of [`SynthOptions::words`].
    pub folders: Vec<String>,
    /// Clips of all words, the unknown ones included.
    pub clips: usize,
    /// Voices in each part, in the order of [`Part::ALL`]; one that has several accents counts
    /// once.
    pub voices: [usize; 3],
    /// Names and versions of the engines.
    pub engines: Vec<String>,
}

/// Makes a data set; `progress` is told how many clips of how many are done.
///
/// # Errors
/// No engine is installed, a word cannot be spoken within a second or used as a folder's name,
/// or the folder is not empty or cannot be written.
pub fn make(
    options: &SynthOptions,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<Summary, DataError> {
    files::check_new_folder(&options.out)?;
    if options.clips < LEAST_CLIPS {
        let few =
            format!("{} clips of a word are too few; make at least {LEAST_CLIPS}", options.clips);
        return Err(DataError::BadOption(few));
    }
    let words = vocabulary::check(&options.words)?;
    let unknown = vocabulary::unknown(&words, options.unknown)?;
    let engines = engine::find(options.engine)?;
    let voices = Voices::find(&engines, options.seed)?;
    let plan = Plan::new(&words, &unknown, &voices, options);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.jobs.unwrap_or(0))
        .build()
        .map_err(|error| DataError::Synth(format!("cannot start threads: {error}")))?;
    files::new_folder(&options.out, |folder| {
        let record = Record::new(options, &words, &unknown, &engines, &voices);
        fill(folder, &plan, &record, &pool, options.seed, progress)
    })?;
    Ok(Summary {
        folders: words.iter().map(|word| folder_name(word)).collect(),
        clips: plan.jobs.len(),
        voices: Part::ALL.map(|part| voices.names(part).len()),
        engines: engines.iter().map(|engine| engine.version.clone()).collect(),
    })
}

/// Writes everything into an empty folder.
fn fill(
    folder: &Path,
    plan: &Plan<'_>,
    record: &Record<'_>,
    pool: &rayon::ThreadPool,
    seed: u64,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<(), DataError> {
    for name in plan.folders().chain([BACKGROUND_FOLDER.to_owned()]) {
        let path = folder.join(name);
        fs::create_dir(&path).map_err(files::unwritable(&path))?;
    }
    pool.install(|| {
        let mut done = 0;
        for batch in plan.jobs.chunks(BATCH) {
            batch.par_iter().try_for_each(|job| make_clip(folder, job, seed))?;
            done += batch.len();
            progress(done, plan.jobs.len());
        }
        noise::KINDS.par_iter().try_for_each(|kind| {
            let path = folder.join(BACKGROUND_FOLDER).join(kind.file_name());
            Ok::<_, DataError>(audio::write_wav_i16(&path, &kind.make(seed), RATE_HZ)?)
        })
    })?;
    for (list, part) in [(VALIDATION, Part::Validation), (TESTING, Part::Test)] {
        files::write(&folder.join(list), plan.list(part).as_bytes())?;
    }
    let json = serde_json::to_string_pretty(record)
        .map_err(|error| DataError::Synth(format!("{RECORD}: {error}")))?;
    files::write(&folder.join(RECORD), (json + "\n").as_bytes())
}

fn make_clip(folder: &Path, job: &Job<'_>, seed: u64) -> Result<(), DataError> {
    let clip = place::clip(job, seed)?;
    Ok(audio::write_wav_i16(&folder.join(&job.name), &clip, RATE_HZ)?)
}

/// How a data set was made, for those who find it later.
#[derive(Serialize)]
struct Record<'a> {
    words: &'a [String],
    unknown: &'a [String],
    clips: usize,
    seed: u64,
    engines: Vec<&'a str>,
    training_voices: Vec<&'a str>,
    validation_voices: Vec<&'a str>,
    test_voices: Vec<&'a str>,
}

impl<'a> Record<'a> {
    fn new(
        options: &SynthOptions,
        words: &'a [String],
        unknown: &'a [String],
        engines: &'a [Engine],
        voices: &'a Voices,
    ) -> Self {
        Self {
            words,
            unknown,
            clips: options.clips,
            seed: options.seed,
            engines: engines.iter().map(|engine| engine.version.as_str()).collect(),
            training_voices: voices.names(Part::Training),
            validation_voices: voices.names(Part::Validation),
            test_voices: voices.names(Part::Test),
        }
    }
}

#[cfg(test)]
mod tests;
