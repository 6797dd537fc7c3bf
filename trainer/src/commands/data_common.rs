//! What the commands on data sets share.

use std::io::Write as _;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::data::{self, DataError, DataOptions, Dataset, Part};

/// A part of a data set, as it is named on the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum PartName {
    /// What a network learns from.
    Train,
    /// What settings are chosen on.
    Validation,
    /// What figures are made on.
    Test,
}

impl From<PartName> for Part {
    fn from(name: PartName) -> Self {
        match name {
            PartName::Train => Self::Training,
            PartName::Validation => Self::Validation,
            PartName::Test => Self::Test,
        }
    }
}

/// Reads hours within reason.
///
/// # Errors
/// Something else.
pub fn hours(text: &str) -> Result<f64, String> {
    number(text, 0.0, 1000.0, "hours")
}

/// Reads a number in `least` to `most`; `what` stands behind it in messages.
///
/// # Errors
/// Something else.
pub fn number(text: &str, least: f64, most: f64, what: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("not a number of {what}"))?;
    let reasonable = (least..=most).contains(&number);
    reasonable.then_some(number).ok_or_else(|| format!("must be in {least} to {most} {what}"))
}

/// Loads a data set with a progress bar on standard error, if that is a terminal.
///
/// # Errors
/// As [`data::load`].
pub fn load(options: &DataOptions) -> Result<Dataset, DataError> {
    let bar = progress_bar("decoding");
    let result = data::load(options, &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    result
}

/// A bar on standard error that counts recordings; it stays hidden where that is no terminal.
#[must_use]
pub fn progress_bar(doing: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(doing);
    match ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Writes to standard output.
///
/// # Errors
/// The output is closed or full.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("standard output")
}
