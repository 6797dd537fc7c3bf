//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::{
    bench, crossval, data_cut, data_fetch, data_inspect, data_mix, data_negatives, data_stream,
    data_synth, describe, evaluate, explain, export, features, fit, fit_head, tune, visualize,
};

/// Train raw-waveform audio classifiers and export them for small computers.
#[derive(Debug, Parser)]
#[command(name = "trainer", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at, make and mix data sets.
    #[command(subcommand)]
    Data(DataCommand),
    /// Print a network layer by layer: shapes, parameters, work, memory.
    Describe(describe::DescribeArgs),
    /// Train a network on a folder of recordings.
    Fit(fit::FitArgs),
    /// Train and test once for each fold of a data set.
    Crossval(crossval::CrossvalArgs),
    /// Write what trained networks make of a data set's clips, for `fit-head` and NumPy.
    Features(features::FeaturesArgs),
    /// Train a small classifier on features, and write it with its networks as one model.
    FitHead(fit_head::FitHeadArgs),
    /// Measure a training run or an exported model.
    Evaluate(evaluate::EvaluateArgs),
    /// Write a training run as a model for the runtime.
    Export(export::ExportArgs),
    /// Choose how a model decides on a stream, for a wanted rate of false accepts.
    Tune(tune::TuneArgs),
    /// Draw what the filters of a network respond to.
    Visualize(visualize::VisualizeArgs),
    /// Tell which part of a recording made a network decide.
    Explain(explain::ExplainArgs),
    /// Measure how fast a network trains on this computer.
    Bench(bench::BenchArgs),
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Download a public data set from its publisher.
    Fetch(data_fetch::FetchArgs),
    /// Cut the words out of recordings of any length.
    Cut(data_cut::CutArgs),
    /// Show what a data set holds and what is broken in it.
    Inspect(data_inspect::InspectArgs),
    /// Make a data set with text-to-speech.
    Synth(data_synth::SynthArgs),
    /// Make a test recording with words at known places.
    Stream(data_stream::StreamArgs),
    /// Make a data set of soundscapes with several events at once.
    Mix(data_mix::MixArgs),
    /// Make recordings without any command, to train with.
    Negatives(data_negatives::NegativesArgs),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What went wrong, in one line.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Data(DataCommand::Fetch(args)) => data_fetch::run(&args),
            Command::Data(DataCommand::Cut(args)) => data_cut::run(&args),
            Command::Data(DataCommand::Inspect(args)) => data_inspect::run(&args),
            Command::Data(DataCommand::Synth(args)) => data_synth::run(&args),
            Command::Data(DataCommand::Stream(args)) => data_stream::run(&args),
            Command::Data(DataCommand::Mix(args)) => data_mix::run(&args),
            Command::Data(DataCommand::Negatives(args)) => data_negatives::run(&args),
            Command::Describe(args) => describe::run(&args),
            Command::Fit(args) => fit::run(&args),
            Command::Crossval(args) => crossval::run(&args),
            Command::Features(args) => features::run(&args),
            Command::FitHead(args) => fit_head::run(&args),
            Command::Evaluate(args) => evaluate::run(&args),
            Command::Export(args) => export::run(&args),
            Command::Tune(args) => tune::run(&args),
            Command::Visualize(args) => visualize::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::Bench(args) => bench::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
