//! `trainer data fetch`: a public data set from its publisher.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use indicatif::{ProgressBar, ProgressStyle};

use super::data_common::print;
use crate::data::fetch::{PUBLISHED, Step, fetch};

/// Download a public data set from its publisher, check it and unpack it. Broken off, the same command goes on where
/// it stopped.
#[derive(Clone, Debug, Args)]
pub struct FetchArgs {
    /// Which one
    #[arg(value_parser = PossibleValuesParser::new(PUBLISHED.iter().map(|published| published.name)))]
    name: String,
    /// Folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Another place that has the same archive
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Fetches the data set.
///
/// # Errors
/// It cannot be reached, is not the published one, or cannot be written.
pub fn run(args: &FetchArgs) -> anyhow::Result<()> {
    let Some(published) = PUBLISHED.iter().find(|published| published.name == args.name) else {
        anyhow::bail!("no data set `{}` is known", args.name);
    };
    let url = args.url.as_deref().unwrap_or(published.url);
    let (bar, mut count) = (progress_bar(), String::new());
    let result = fetch(published, url, &args.out, &mut |step| match step {
        Step::Download(done, total) => {
            bar.set_message("downloading");
            bar.set_length(total.unwrap_or(done).max(1));
            bar.set_position(done);
        }
        Step::Check => bar.set_message("checking"),
        Step::Unpack(files) => {
            count = format!("{files} files");
            bar.set_message(format!("unpacking, {files} files"));
        }
        Step::Keep(recordings) => count = format!("{recordings} recordings"),
    });
    bar.finish_and_clear();
    result?;
    let mut out = String::new();
    writeln!(
        out,
        "{}: {}, {count}; licence: {}",
        args.out.display(),
        published.title,
        published.licence
    )?;
    writeln!(out, "Next: trainer data inspect {}", args.out.display())?;
    print(&out)
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(1);
    let style = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
