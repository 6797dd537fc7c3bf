//! `trainer data synth`: a data set spoken by text-to-speech.

use std::path::PathBuf;

use clap::Args;

use super::data_common::{load, print, progress_bar};
use super::data_stream;
use crate::data::stream::StreamOptions;
use crate::data::synth::{self, EngineChoice, SynthOptions};
use crate::data::{DataOptions, Part, labels_tsv};

/// Words in the recording of `--stream`.
const STREAM_WORDS: usize = 20;

/// Make a data set with text-to-speech: words and short phrases, said in many voices, pitches and
/// speeds, in clips of 1 s at 16 kHz.
#[derive(Clone, Debug, Args)]
pub struct SynthArgs {
    /// Words or short phrases, separated by commas: "lights on,lights off,stop"
    #[arg(long, value_delimiter = ',', required = true, value_name = "WORD,...")]
    pub words: Vec<String>,
    /// Folder to make
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Clips of each word
    #[arg(long, default_value_t = 120, value_name = "N")]
    pub clips: usize,
    /// Other everyday words, for the class of unknown words
    #[arg(long, default_value_t = 30, value_name = "N")]
    pub unknown: usize,
    /// Seed of every draw
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Who speaks
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineChoice,
    /// Clips made at the same time [default: one a processor core]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Also make a test recording: words in voices of the test part, at known places in noise,
    /// with a label track beside it as .tsv
    #[arg(long, value_name = "FILE.wav")]
    pub stream: Option<PathBuf>,
}

/// Makes the data set, and the recording where one is asked for.
///
/// # Errors
/// As [`synth::make`], or the recording cannot be written.
pub fn run(args: &SynthArgs) -> anyhow::Result<()> {
    if let Some(file) = &args.stream {
        // A wrong name is better noticed before everything is spoken.
        labels_tsv::path(file)?;
    }
    let SynthArgs { clips, unknown, seed, engine, jobs, .. } = *args;
    let (words, out) = (args.words.clone(), args.out.clone());
    let options = SynthOptions { words, out, clips, unknown, seed, engine, jobs };
    let bar = progress_bar("speaking");
    let result = synth::make(&options, &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let summary = result?;
    let of_part = |part: Part| format!("{} {}", summary.voices[part as usize], part.name());
    print(&format!(
        "{}: {} clips by {} voices ({}); {}\n",
        args.out.display(),
        summary.clips,
        summary.voices.iter().sum::<usize>(),
        Part::ALL.map(of_part).join(", "),
        summary.engines.join("; "),
    ))?;
    let Some(file) = &args.stream else { return Ok(()) };
    let base = DataOptions::new(&args.out, synth::RATE_HZ, synth::RATE_HZ as usize);
    let data = load(&DataOptions { words: Some(summary.folders), ..base })?;
    let distractors = data_stream::usual_distractors(&data, STREAM_WORDS);
    let options =
        StreamOptions { count: STREAM_WORDS, distractors, seed, ..StreamOptions::default() };
    print(&data_stream::write(&data, &options, file)?)
}
