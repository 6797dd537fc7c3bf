//! `trainer data mix`: soundscapes of several events at once.

use std::path::PathBuf;

use clap::Args;

use super::data_common::{load, number, print};
use crate::data::mix::MixOptions;
use crate::data::tagged::{Layout, soundscapes};
use crate::data::{Background, DataOptions, SplitScheme, folder};

/// Make a data set of soundscapes: events of a data set with one class a clip (such as ESC-50), at random times and levels
/// over a background, several at once, with weak and strong labels. Each part is mixed of clips of the same part.
#[derive(Clone, Debug, Args)]
pub struct MixArgs {
    /// Folder of the data set with the events
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Layout of it
    #[arg(long, value_enum, default_value = "dcase")]
    layout: Layout,
    /// Classes to take events of, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_name = "WORD,...")]
    words: Option<Vec<String>>,
    /// Folder of recordings for the background, at any depth [default: the data set's background, or pink
    /// noise]
    #[arg(long, value_name = "DIR")]
    background: Option<PathBuf>,
    /// Soundscapes to train with
    #[arg(long, default_value_t = 400, value_name = "N")]
    train: usize,
    /// Soundscapes to choose thresholds by
    #[arg(long, default_value_t = 100, value_name = "N")]
    validation: usize,
    /// Soundscapes to measure with
    #[arg(long, default_value_t = 100, value_name = "N")]
    test: usize,
    /// Seconds of each [default: 10; 29 in the layout magnatagatune]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Most events in one
    #[arg(long, default_value_t = 4, value_name = "N")]
    events: usize,
    /// Lowest level of an event above the background
    #[arg(long, default_value_t = 6.0, value_name = "DB", allow_negative_numbers = true, value_parser = decibels)]
    snr_low: f64,
    /// Highest level of an event above the background
    #[arg(long, default_value_t = 24.0, value_name = "DB", allow_negative_numbers = true, value_parser = decibels)]
    snr_high: f64,
    /// Seed of every draw
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Sample rate of the recordings
    #[arg(long, default_value_t = 16_000, value_name = "HZ")]
    rate: u32,
    /// How the data set with the events is split
    #[arg(long, value_enum, default_value_t)]
    split: SplitScheme,
    /// Of one with folds, the fold to test on
    #[arg(long, default_value_t = 1, value_name = "N")]
    fold: u8,
}

fn decibels(text: &str) -> Result<f64, String> {
    number(text, -30.0, 60.0, "decibels")
}

/// Loads the data set and writes the soundscapes.
///
/// # Errors
/// The data set cannot be loaded or mixed, or the folder cannot be written.
pub fn run(args: &MixArgs) -> anyhow::Result<()> {
    let counts = [args.train, args.validation, args.test];
    if counts.contains(&0) {
        anyhow::bail!("--train, --validation and --test must be at least 1");
    }
    let seconds = args.seconds.unwrap_or(match args.layout {
        Layout::Dcase => 10.0,
        Layout::Magnatagatune => 29.0,
    });
    let base = DataOptions::new(&args.data, args.rate, args.rate as usize);
    let (words, split, fold) = (args.words.clone(), args.split, args.fold);
    let mut data = load(&DataOptions { words, split, fold, silence: false, ..base })?;
    if let Some(dir) = &args.background {
        let (recordings, broken) = folder::recordings(dir, args.rate)?;
        let (background, short) = Background::new(recordings, data.window, args.rate);
        for left_out in broken.iter().chain(&short) {
            eprintln!("note: {} is left out: {}", left_out.name, left_out.reason);
        }
        data.background = background;
    }
    let snr_db = (args.snr_low as f32, args.snr_high as f32);
    let options = MixOptions { seconds, events: args.events, snr_db, seed: args.seed };
    soundscapes(&data, &options, counts, args.layout, &args.out)?;
    let [train, validation, test] = counts;
    print(&format!(
        "{}: {train} training, {validation} validation and {test} test soundscapes of {seconds} s\n",
        args.out.display()
    ))
}
