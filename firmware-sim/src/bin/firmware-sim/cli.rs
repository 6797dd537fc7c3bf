//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::fault::Fault;

/// Runs an int8 model on recordings as a microcontroller would.
#[derive(Debug, Parser)]
#[command(name = "firmware-sim", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Detect sounds in recordings, and tell what that takes.
    Run(Run),
    /// Record a run, with checksums of every layer, to compare others with.
    Record(Record),
    /// Compare runs with recorded ones, and name the first difference.
    Check(Check),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The model: a .q8 file that `trainer export` has written.
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// Recordings: WAV, FLAC, Ogg Vorbis or MP3, of any rate.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) stream: Stream,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Print the posteriors of every window too.
    #[arg(long)]
    pub(crate) posteriors: bool,
    /// Write every column of every layer to this file, as lines of JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Refuse a model that needs more bytes of memory.
    #[arg(long, value_name = "BYTES")]
    pub(crate) ram: Option<usize>,
    /// Let something go wrong; may be repeated. Every N-th interrupt: drop:N, repeat:N, or delay:N
    /// (delivered after the next one). The samples: clip:DB (amplified, then limited), dc:OFFSET.
    #[arg(long, value_name = "SPEC")]
    pub(crate) fault: Vec<Fault>,
}

#[derive(Debug, Args)]
pub(crate) struct Record {
    /// The model: a .q8 file that `trainer export` has written.
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// A recording of at most 2.5 s.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "GOLDEN")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) stream: Stream,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files that `firmware-sim record` has written.
    #[arg(required = true, value_name = "GOLDEN")]
    pub(crate) golden: Vec<PathBuf>,
    /// The model, if it is not the one of the recorded run's name beside it.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<PathBuf>,
}

/// How samples come.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Stream {
    /// Samples of an interrupt.
    #[arg(long, value_name = "N", default_value = "256")]
    pub(crate) dma: usize,
    /// Samples that fit between the interrupts and the engine.
    #[arg(long, value_name = "N", default_value = "4096")]
    pub(crate) ring: usize,
    /// Samples between two windows; without it, the model's.
    #[arg(long, value_name = "N")]
    pub(crate) hop: Option<u32>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
