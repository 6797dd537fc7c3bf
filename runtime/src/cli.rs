//! The command line.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use audio::RawFormat;
use clap::{Args, Parser, Subcommand, ValueEnum};
use runtime::decision::{DecisionFlags, Overrides};
use runtime::engine::{self, EngineError, EngineKind};
use runtime::source::Channel;

/// Classifies sound: whole recordings, streams, or what a microphone hears.
#[derive(Debug, Parser)]
#[command(name = "runtime", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The configuration file that the command line names.
    pub(crate) fn config(&self) -> Option<&Path> {
        match &self.command {
            Command::Stream(stream) => stream.file.config.as_deref(),
            Command::Listen(listen) => listen.file.config.as_deref(),
            _ => None,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Name the sound in each of several recordings.
    Classify(Classify),
    /// Detect sounds in a recording or pipe as it is read.
    Stream(Stream),
    /// Detect sounds that a microphone hears, until Ctrl-C.
    Listen(Listen),
    /// List the microphones of this computer, and what each offers.
    Devices,
    /// Check whether this computer can listen, and say what to do where it cannot.
    Doctor(Doctor),
    /// Tell how a running `listen` or `stream` fares.
    Status(StatusOf),
    /// Check a configuration file and print the settings that result from it.
    CheckConfig(CheckConfig),
    /// Measure how fast a model runs on this computer.
    Bench(Bench),
    /// Write man pages and shell completions, for packages.
    #[command(hide = true)]
    Manual(Manual),
}

#[derive(Debug, Args)]
pub(crate) struct Classify {
    #[command(flatten)]
    pub(crate) model: Model,
    /// Recordings: WAV, FLAC, Ogg Vorbis or MP3, of any rate; - for standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print the N most probable labels of each file. [default: 1; of a model that finds tags all that reach
    /// their thresholds]
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
    /// Milliseconds between two windows, whose posteriors are averaged; rounded as for `stream`. Without it evenly spaced
    /// windows are averaged, as many as fit into the file, rounded up, as `trainer evaluate` does with scenes and tags; a
    /// file that is no longer than a window is one window.
    #[arg(long, value_name = "MS")]
    pub(crate) hop: Option<f64>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Stream {
    #[command(flatten)]
    pub(crate) model: Model,
    /// A recording, or - for standard input.
    #[arg(value_name = "FILE|-")]
    pub(crate) input: PathBuf,
    /// Read headerless samples, for example s16le:16000:1 (encoding, rate, channels).
    #[arg(long, value_name = "FORMAT")]
    pub(crate) raw: Option<RawFormat>,
    /// Read no faster than the sound would play.
    #[arg(long)]
    pub(crate) realtime: bool,
    #[command(flatten)]
    pub(crate) detection: Detection,
    #[command(flatten)]
    pub(crate) service: Service,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

/// Which microphone, and what of it.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct Microphone {
    /// The microphone, as the command `devices` names it.
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// The channel to hear: its number from 1 on, or mix for the mean of all.
    #[arg(long, value_name = "CHANNEL", default_value = "mix")]
    pub(crate) channel: Channel,
}

#[derive(Debug, Args)]
pub(crate) struct Listen {
    #[command(flatten)]
    pub(crate) model: Model,
    #[command(flatten)]
    pub(crate) microphone: Microphone,
    /// Stop after N seconds of sound.
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<f64>,
    #[command(flatten)]
    pub(crate) detection: Detection,
    #[command(flatten)]
    pub(crate) service: Service,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

/// Settings beside the command line; read by [`crate::config`].
#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// Read settings from this TOML file: the keys are the long flags, with _ for -. Flags win.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What a program that nobody watches does with its results, and how it can be watched after all.
#[derive(Debug, Args)]
pub(crate) struct Service {
    /// Append detections to this file too, as JSON lines with the time of day.
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// MiB of it at most; then it becomes FILE.1, and so on up to FILE.4.
    #[arg(long, value_name = "MIB", default_value = "16", value_parser = clap::value_parser!(u64).range(1..1 << 30))]
    pub(crate) log_mib: u64,
    /// Run this program at each detection. Its environment has AURICLE_LABEL, AURICLE_CONFIDENCE, AURICLE_START,
    /// AURICLE_END and AURICLE_TIME.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) run: Option<PathBuf>,
    /// An argument of it, in which {label}, {confidence}, {start}, {end} and {time} are filled in; may be repeated.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) run_arg: Vec<String>,
    /// Seconds that it may run.
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    pub(crate) run_timeout: f64,
    /// Write every second to this file how things are, for the command `status`.
    #[arg(long, value_name = "FILE")]
    pub(crate) status: Option<PathBuf>,
    /// Serve metrics for Prometheus at http://127.0.0.1:PORT/metrics.
    #[arg(long, value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
}

impl ConfigFile {
    /// Whether there is one.
    pub(crate) const fn is_given(&self) -> bool {
        self.config.is_some()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) model: Model,
    #[command(flatten)]
    pub(crate) microphone: Microphone,
    /// Seconds to listen.
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u64).range(1..3600))]
    pub(crate) seconds: u64,
}

#[derive(Debug, Args)]
pub(crate) struct StatusOf {
    /// The file that `--status` of the running program names.
    #[arg(value_name = "FILE", default_value = "/run/auricle/status.json")]
    pub(crate) file: PathBuf,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// The configuration file, as for `listen --config`.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Manual {
    /// The folder for them.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) model: BenchModel,
    /// Milliseconds between two windows of a stream; rounded as for `stream`.
    #[arg(long, value_name = "MS")]
    pub(crate) hop: Option<f64>,
    /// A recording to take the windows from, over and over: WAV, FLAC, Ogg Vorbis or MP3, of any rate. [default:
    /// noise]
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Windows to measure.
    #[arg(long, value_name = "N", default_value = "200")]
    pub(crate) runs: usize,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Model {
    /// The model: a file that `trainer export` has written, `model.onnx` or `model.q8`.
    #[arg(short, long, value_name = "PATH")]
    pub(crate) model: Option<PathBuf>,
    /// What computes: by default what the model is for.
    #[arg(long, value_enum, default_value_t)]
    engine: EngineKind,
}

#[derive(Debug, Args)]
pub(crate) struct BenchModel {
    /// The model: a file that `trainer export` has written, `model.onnx` or `model.q8`.
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// What computes: by default what the model is for.
    #[arg(long, value_enum, default_value_t)]
    engine: EngineKind,
}

impl Model {
    /// Loads it.
    pub(crate) fn load(&self) -> anyhow::Result<engine::Model> {
        let path = self.model.as_ref().context(
            "no model is named; give one with --model PATH, or as `model` in a configuration file",
        )?;
        Ok(engine::Model::load(path, self.engine)?)
    }

    /// Its file, for people.
    pub(crate) fn name(&self) -> String {
        self.model.as_ref().map_or_else(String::new, |path| path.display().to_string())
    }
}

impl BenchModel {
    /// Loads it.
    pub(crate) fn load(&self) -> Result<engine::Model, EngineError> {
        engine::Model::load(&self.model, self.engine)
    }
}

/// How detections are made and printed; defaults come with the model.
#[derive(Debug, Args)]
pub(crate) struct Detection {
    #[command(flatten)]
    decision: DecisionFlags,
    /// Keep the seconds around detections and near misses as WAV files in this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) save_triggers: Option<PathBuf>,
    /// MiB of them at most; the oldest are removed.
    #[arg(long, value_name = "MIB", default_value = "256", value_parser = clap::value_parser!(u64).range(1..1 << 30))]
    pub(crate) save_triggers_mib: u64,
    /// Print the posteriors of every window too.
    #[arg(long)]
    pub(crate) posteriors: bool,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

impl Detection {
    /// The flags as overrides of a model's decision defaults.
    pub(crate) fn overrides(&self) -> Overrides {
        self.decision.overrides()
    }
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
