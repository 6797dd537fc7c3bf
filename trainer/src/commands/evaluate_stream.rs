//! `trainer evaluate --stream`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use models::arch::Task;
use models::meta::DecisionDefaults;

use super::data_common::{self, hours, number};
use runtime::decision::{DecisionFlags, Overrides};

use crate::data::{Dataset, Part};
use crate::evaluate::model::AnyModel;
use crate::evaluate::stream::compose::Composer;
use crate::evaluate::stream::curves;
use crate::evaluate::stream::listen::{Listener, check_hop};
use crate::evaluate::stream::plot::curves_svg;
use crate::evaluate::stream::report::Report;
use crate::evaluate::stream::streams::{self, Streams};
use crate::fit::checkpoint::replace;

/// A rate that is always judged, beside the wanted one.
const STRICT_PER_HOUR: f64 = 0.1;
/// The wanted false accepts an hour.
const WANTED_PER_HOUR: f64 = 0.5;
/// Hours of either synthetic source: with both, T is above the 3/0.5 = 6 hours that the wanted rate needs to be stated.
const SYNTHETIC_HOURS: f64 = 4.0;

/// What streams are made of.
#[derive(Debug, clap::Args)]
pub struct StreamArgs {
    /// Seed of the streams' draws [default: 0].
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Folder of other recordings without any command, at any depth: more negatives.
    #[arg(long, value_name = "DIR")]
    noise_data: Option<PathBuf>,
    /// Hours of synthetic speech, and as many of music-like sound [default: 4].
    #[arg(long, value_name = "H", value_parser = hours)]
    synthetic_hours: Option<f64>,
    /// Wanted false accepts an hour [default: 0.5].
    #[arg(long, value_name = "RATE", value_parser = rate)]
    false_accepts: Option<f64>,
    #[command(flatten)]
    pub(super) decision: DecisionFlags,
}

impl StreamArgs {
    /// Whether anything was said of streams.
    pub(super) fn are_given(&self) -> bool {
        self.seed.is_some()
            || self.noise_data.is_some()
            || self.synthetic_hours.is_some()
            || self.false_accepts.is_some()
            || self.decision.overrides() != Overrides::default()
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// The wanted false accepts an hour.
    pub(super) fn false_accepts(&self) -> f64 {
        self.false_accepts.unwrap_or(WANTED_PER_HOUR)
    }
}

/// Where else streams come from, and go to.
#[derive(Debug, clap::Args)]
pub struct RecordingArgs {
    /// A long recording to listen to instead of composed streams.
    #[arg(
        long,
        value_name = "FILE",
        requires = "stream",
        requires = "labels",
        conflicts_with_all = ["data", "split", "seed", "noise_data", "synthetic_hours"]
    )]
    recording: Option<PathBuf>,
    /// Its label track: start and end in seconds, and label, with tabs between.
    #[arg(long, value_name = "FILE.tsv", requires = "recording")]
    labels: Option<PathBuf>,
    /// Write the composed streams as WAV with label tracks.
    #[arg(long, value_name = "DIR", requires = "stream", conflicts_with = "recording")]
    write: Option<PathBuf>,
}

/// What is to be done with the figures.
pub(super) struct Wanted<'a> {
    pub(super) model: &'a Path,
    pub(super) part: Part,
    pub(super) plot: Option<&'a Path>,
    pub(super) json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, 0.001, 3600.0, "false accepts an hour")
}

/// A model, its labels and settings, ready to listen.
pub(super) struct Subject {
    pub(super) labels: Vec<String>,
    pub(super) decision: DecisionDefaults,
    rate_hz: u32,
    window: u32,
    listener: Listener,
}

impl Subject {
    /// A model with the settings of the flags; on standard error what is to be told of the hop asked for.
    ///
    /// # Errors
    /// A model that detects nothing or is not exported yet, or settings that do not fit it.
    pub(super) fn new(model: AnyModel, flags: &DecisionFlags) -> anyhow::Result<Self> {
        if model.arch().task == Task::MultiLabel {
            bail!(
                "misses and false accepts are for classes; of tags measure clips, without --stream"
            );
        }
        let labels = model.labels().to_vec();
        let overrides = flags.overrides();
        let decision = overrides.apply_to(model.decision(), model.arch(), &labels)?;
        let note = overrides.hop_note(decision.hop, model.arch());
        let (rate_hz, window) = (model.arch().sample_rate_hz, model.arch().window);
        check_hop(decision.hop, rate_hz)?;
        if decision.thresholds.iter().all(Option::is_none) {
            bail!("the model reports no class, so there is nothing to detect");
        }
        let listener = Listener::new(model, &decision)?;
        if let Some(note) = note {
            eprintln!("note: {note}");
        }
        Ok(Self { labels, decision, rate_hz, window, listener })
    }

    fn reported(&self) -> Vec<bool> {
        self.decision.thresholds.iter().map(Option::is_some).collect()
    }

    /// Composes the streams of a part and listens to them.
    pub(super) fn compose(
        &self,
        data: &Dataset,
        part: Part,
        args: &StreamArgs,
        write: Option<&Path>,
    ) -> anyhow::Result<Streams> {
        let (labels, reported) = (&self.labels, &self.reported());
        let (seed, synthetic_hours) =
            (args.seed(), args.synthetic_hours.unwrap_or(SYNTHETIC_HOURS));
        let composer = Composer { data, part, seed, labels, reported, synthetic_hours };
        let folder = args.noise_data.as_deref();
        streams::compose(&composer, folder, write, &self.listener, self.window)
    }

    fn recording(&self, wav: &Path, labels: &Path) -> anyhow::Result<Streams> {
        let (rate_hz, window) = (self.rate_hz, self.window);
        let (known, reported) = (&self.labels, &self.reported());
        streams::recording(wav, labels, known, reported, rate_hz, window, &self.listener)
    }
}

/// Measures a model on streams and prints what it found. `data` loads the data set, where it is
/// needed.
///
/// # Errors
/// Bad arguments, data or models, in one line.
pub(super) fn run(
    model: AnyModel,
    data: impl FnOnce(&AnyModel) -> anyhow::Result<Dataset>,
    args: &StreamArgs,
    recording: &RecordingArgs,
    wanted: &Wanted<'_>,
) -> anyhow::Result<()> {
    let (streams, subject, title) = match (&recording.recording, &recording.labels) {
        (Some(wav), Some(labels)) => {
            let subject = Subject::new(model, &args.decision)?;
            (subject.recording(wav, labels)?, subject, wav.display().to_string())
        }
        _ => {
            if matches!(model, AnyModel::Run(_)) {
                return Subject::new(model, &args.decision).map(|_| ());
            }
            let data = data(&model)?;
            let subject = Subject::new(model, &args.decision)?;
            let streams = subject.compose(&data, wanted.part, args, recording.write.as_deref())?;
            (
                streams,
                subject,
                format!("streams of the {} part, seed {}", wanted.part.name(), args.seed()),
            )
        }
    };
    let averaged = streams.average(&subject.decision)?;
    let measured = averaged.measure(&subject.decision)?;
    let curve = curves::sweep(&averaged, &subject.decision)?;
    let mut limits = vec![args.false_accepts()];
    if args.false_accepts() > STRICT_PER_HOUR {
        limits.push(STRICT_PER_HOUR);
    }
    let report = Report {
        model: wanted.model.display().to_string(),
        title,
        streams: &streams,
        decision: &subject.decision,
        measured: &measured,
        curve: &curve,
        limits,
    };
    if let Some(path) = wanted.plot {
        plot(&report, path)?;
    }
    match wanted.json {
        true => data_common::print(&format!("{}\n", report.json())),
        false => data_common::print(&report.table()),
    }
}

fn plot(report: &Report<'_>, path: &Path) -> anyhow::Result<()> {
    let missed = report.counts(None).not_heard().value();
    let false_accepts = report.measured.rate(None);
    let title = format!("{}, {}", report.model, report.title);
    let svg = curves_svg(report.curve, &report.streams.labels, (missed, false_accepts), &title);
    let svg = svg.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    replace(path, &[svg.as_bytes()]).with_context(|| path.display().to_string())
}
