//! `trainer data stream`: a test recording with known words at known places.

use std::path::{Path, PathBuf};

use clap::Args;

use super::data_common::{load, print};
use crate::data::stream::{self, StreamOptions};
use crate::data::{DataOptions, Dataset, SplitScheme, labels_tsv};

/// Make a test recording: words of a data set's test part at known places in background noise,
/// with a label track (start and end in seconds, label) beside it as .tsv.
#[derive(Clone, Debug, Args)]
pub struct StreamArgs {
    /// Folder of the data set
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Words to detect, separated by commas; all other folders count as `_unknown_`
    #[arg(long, value_delimiter = ',', value_name = "WORD,...")]
    pub words: Option<Vec<String>>,
    /// WAV file to write
    #[arg(long, value_name = "FILE.wav")]
    pub out: PathBuf,
    /// Words in the recording
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub count: usize,
    /// Other words among them, labelled `_unknown_` [default: a quarter of --count, none where the
    /// data set has no such class]
    #[arg(long, value_name = "N")]
    pub distractors: Option<usize>,
    /// Level of the words above the noise
    #[arg(long, default_value_t = 15.0, value_name = "DB", allow_negative_numbers = true)]
    pub snr: f32,
    /// Seed of the choice of words, places and noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Sample rate of the recording
    #[arg(long, default_value_t = 16_000, value_name = "HZ")]
    pub rate: u32,
    /// How the data set is split: use what the model was trained with
    #[arg(long, value_enum, default_value_t)]
    pub split: SplitScheme,
    /// Of a data set with folds (ESC-50), the one to test on: use what the model was trained with
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub fold: u8,
    /// Seed of a drawn split: use what the model was trained with
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    pub split_seed: u64,
}

/// Loads the data set and writes the recording.
///
/// # Errors
/// The data set cannot be loaded, lacks what is asked for, or a file cannot be written.
pub fn run(args: &StreamArgs) -> anyhow::Result<()> {
    // A wrong name is better noticed before the data set is decoded.
    labels_tsv::path(&args.out)?;
    let base = DataOptions::new(&args.data, args.rate, args.rate as usize);
    let (words, split, seed) = (args.words.clone(), args.split, args.split_seed);
    let data = load(&DataOptions { words, split, fold: args.fold, seed, ..base })?;
    let distractors = args.distractors.unwrap_or_else(|| usual_distractors(&data, args.count));
    let (count, snr_db, seed) = (args.count, args.snr, args.seed);
    let options = StreamOptions { count, distractors, snr_db, seed };
    print(&write(&data, &options, &args.out)?)
}

/// A quarter of the words, if there is an unknown class.
pub(super) fn usual_distractors(data: &Dataset, count: usize) -> usize {
    if data.unknown_class().is_some() { count / 4 } else { 0 }
}

/// Writes a stream; returns a line that says so.
pub(super) fn write(data: &Dataset, options: &StreamOptions, out: &Path) -> anyhow::Result<String> {
    let stream = stream::build(data, options)?;
    let labels = stream.write(out)?;
    let seconds = stream.samples.len() as f64 / f64::from(stream.rate_hz);
    let StreamOptions { count, distractors, .. } = options;
    Ok(format!(
        "{}: {seconds:.1} s with {count} words and {distractors} others; labels in {}\n",
        out.display(),
        labels.display()
    ))
}
