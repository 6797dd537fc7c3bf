//! `trainer data negatives`: streams without commands, to train with.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use models::meta::{SILENCE, UNKNOWN};

use super::data_common::{PartName, hours, load, print};
use crate::data::{DataOptions, SplitScheme};
use crate::evaluate::stream::compose::Composer;
use crate::evaluate::stream::negatives;

/// Make recordings without any command, for `fit --hard-negatives`: the other words of a part of a data set,
/// synthetic speech by voices of that part, and music-like sound, each as WAV with a label track.
#[derive(Clone, Debug, Args)]
pub struct NegativesArgs {
    /// Folder of the data set
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The commands, separated by commas; all other folders are other words [default: every folder is a
    /// command]
    #[arg(long, value_delimiter = ',', value_name = "WORD,...")]
    words: Option<Vec<String>>,
    /// Part of the data set to take words and voices of
    #[arg(long, value_enum, default_value = "train")]
    split: PartName,
    /// Hours of synthetic speech, and as many of music-like sound
    #[arg(long, default_value_t = 1.0, value_name = "H", value_parser = hours)]
    hours: f64,
    /// Seed of every draw
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Sample rate of the recordings
    #[arg(long, default_value_t = 16_000, value_name = "HZ")]
    rate: u32,
    /// How the data set is split: use what the model is trained with
    #[arg(long, value_enum, default_value_t)]
    scheme: SplitScheme,
    /// Of a data set with folds (ESC-50), the one to test on: use what the model is trained with
    #[arg(long, default_value_t = 1, value_name = "N")]
    fold: u8,
    /// Seed of a drawn split: use what the model is trained with
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    split_seed: u64,
}

/// Loads the data set and writes the recordings.
///
/// # Errors
/// The data set cannot be loaded, or the folder cannot be written.
pub fn run(args: &NegativesArgs) -> anyhow::Result<()> {
    let base = DataOptions::new(&args.data, args.rate, args.rate as usize);
    let (words, split, seed) = (args.words.clone(), args.scheme, args.split_seed);
    let data = load(&DataOptions { words, split, fold: args.fold, seed, ..base })?;
    let reported = |label: &String| label != SILENCE && label != UNKNOWN;
    let reported: Vec<bool> = data.labels.iter().map(reported).collect();
    let composer = Composer {
        data: &data,
        part: args.split.into(),
        seed: args.seed,
        labels: &data.labels,
        reported: &reported,
        synthetic_hours: args.hours,
    };
    let (tracks, notes) = negatives::write(&composer, &args.out)?;
    let mut out = String::new();
    for note in notes {
        writeln!(out, "note: {note}")?;
    }
    for track in tracks {
        let path = args.out.join(track.file_name());
        let (pieces, hours) = (track.spans.len(), track.hours());
        writeln!(out, "{}: {pieces} pieces, {hours:.3} h", path.display())?;
    }
    print(&out)
}
