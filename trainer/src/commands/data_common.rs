//! What the commands on data sets share.

use std::io::Write as _;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::data::{self, DataError, DataOptions, Dataset};

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
