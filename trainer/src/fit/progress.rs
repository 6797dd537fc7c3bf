//! What the user sees while a network trains.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::checkpoint::Sums;

/// Seconds between two plain lines within an epoch.
const PLAIN_EVERY: Duration = Duration::from_secs(60);

/// A bar on a terminal, plain lines elsewhere, nothing where quiet.
pub struct Display {
    bar: Option<ProgressBar>,
    quiet: bool,
    epochs: u32,
    last_line: Instant,
}

impl Display {
    /// A display for a run of `epochs`.
    #[must_use]
    pub fn new(epochs: u32, quiet: bool) -> Self {
        let bar = (!quiet && io::stderr().is_terminal()).then(|| {
            let style = "{prefix} {wide_bar} {pos}/{len} {msg} eta {eta}";
            let style = ProgressStyle::with_template(style);
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, quiet, epochs, last_line: Instant::now() }
    }

    /// An epoch of `batches` begins or goes on at batch `at`.
    pub fn epoch(&self, epoch: u32, at: u64, batches: u64) {
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_length(batches);
            bar.set_position(at);
            bar.set_prefix(format!("epoch {:>3}/{}", epoch + 1, self.epochs));
        }
    }

    /// A step was taken.
    pub fn step(&mut self, epoch: u32, batch: u64, batches: u64, sums: &Sums) {
        let figures = figures(sums);
        if let Some(bar) = &self.bar {
            bar.set_position(batch);
            bar.set_message(figures);
        } else if !self.quiet && self.last_line.elapsed() >= PLAIN_EVERY {
            self.last_line = Instant::now();
            let left = sums.seconds / batch.max(1) as f64 * (batches - batch) as f64;
            let epoch = epoch + 1;
            line(&format!(
                "epoch {epoch}/{}  step {batch}/{batches}  {figures}  {left:.0} s left in the epoch",
                self.epochs
            ));
        }
    }

    /// A line about a whole epoch.
    pub fn line(&mut self, text: &str) {
        self.last_line = Instant::now();
        match &self.bar {
            Some(bar) => bar.println(text),
            None if !self.quiet => line(text),
            None => {}
        }
    }

    /// The run is over.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A line for the user. Nothing happens where nobody reads any more: a training goes on when its terminal is gone.
pub fn line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Loss, accuracy and speed so far.
fn figures(sums: &Sums) -> String {
    let clips = sums.clips.max(1) as f64;
    let speed = sums.clips as f64 / sums.seconds.max(1e-9);
    let (loss, accuracy) = (sums.loss / clips, 100.0 * sums.correct as f64 / clips);
    format!("loss {loss:.3}  accuracy {accuracy:.1} %  {speed:.0} clips/s")
}
