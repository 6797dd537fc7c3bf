//! `trainer data cut`: the words of long recordings as clips.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::data_common::{number, print, progress_bar};
use crate::data::Broken;
use crate::data::cut::{self, CutOptions};

/// Make a data set of recordings of any length, one folder a class, in which a word is spoken once or many times:
/// finds the words by their level, and writes a clip of each.
#[derive(Clone, Debug, Args)]
pub struct CutArgs {
    /// Folder of the recordings: one folder a class
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Length of a clip
    #[arg(long, default_value_t = 1.0, value_name = "S", value_parser = seconds)]
    seconds: f64,
    /// A longer pause than this ends a word
    #[arg(long, default_value_t = 0.25, value_name = "S", value_parser = seconds)]
    pause: f64,
    /// Of each recording, take only the word with the most sound
    #[arg(long)]
    one: bool,
    /// Sample rate of the clips
    #[arg(long, default_value_t = 16_000, value_name = "HZ", value_parser = rate)]
    rate: u32,
}

fn seconds(text: &str) -> Result<f64, String> {
    number(text, 0.05, 60.0, "seconds")
}

fn rate(text: &str) -> Result<u32, String> {
    let hertz = f64::from(audio::MIN_RATE_HZ)..=f64::from(audio::MAX_RATE_HZ);
    Ok(number(text, *hertz.start(), *hertz.end(), "Hz")? as u32)
}

/// Cuts, and says what was made and what was not.
///
/// # Errors
/// The recordings cannot be read, or the folder cannot be written.
pub fn run(args: &CutArgs) -> anyhow::Result<()> {
    let options = CutOptions {
        rate_hz: args.rate,
        seconds: args.seconds as f32,
        pause_seconds: args.pause as f32,
        one: args.one,
    };
    let bar = progress_bar("cutting");
    let report = cut::cut(&args.data, &options, &args.out, &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let report = report?;
    for (reason, names) in by_reason(&report.left_out) {
        let (count, first) = (names.len(), names[0]);
        eprintln!("note: left out: {count}, the first {first}: {reason}");
    }
    if let Some(first) = report.long.first() {
        let (long, seconds) = (report.long.len(), args.seconds);
        eprintln!(
            "note: {long} words last longer than {seconds} s and lose their ends, the first in {first}; a smaller --pause may part them"
        );
    }
    let mut out = String::new();
    let width = report.clips.keys().map(|class| class.chars().count()).max().unwrap_or(0);
    for (class, clips) in &report.clips {
        writeln!(out, "{class:width$}  {clips} clips")?;
    }
    let clips: usize = report.clips.values().sum();
    let path = args.out.display();
    writeln!(out, "{path}: {clips} clips. Next: trainer data inspect {path}")?;
    print(&out)
}

/// Names of recordings for each reason that they were left out for.
fn by_reason(left_out: &[Broken]) -> BTreeMap<&str, Vec<&str>> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Broken { name, reason } in left_out {
        reasons.entry(reason).or_default().push(name);
    }
    reasons
}
