//! `trainer tune`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use models::meta::DecisionDefaults;
use runtime::decision::Overrides;

use super::data_common;
use super::evaluate::load_data;
use super::evaluate_stream::{StreamArgs, Subject};
use crate::data::Part;
use crate::evaluate::metrics::Share;
use crate::evaluate::model::AnyModel;
use crate::evaluate::stream::rates::Verdict;
use crate::evaluate::stream::streams::{Measured, Streams};
use crate::evaluate::stream::tune::{Choice, tune};
use crate::evaluate::stream::{curves, table};
use crate::export::decision;
use crate::fit::checkpoint::replace;

/// Arguments of `trainer tune`.
#[derive(Debug, clap::Args)]
pub struct TuneArgs {
    /// Folder of an exported model: `model.onnx`, `model.q8` or both.
    #[arg(value_name = "MODEL_DIR")]
    model: PathBuf,
    /// Folder of the data set (default: the one of the training run).
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    stream: StreamArgs,
}

/// Chooses settings on the validation part's streams and writes them into the model.
///
/// # Errors
/// Bad arguments, data or models, in one line.
pub fn run(args: &TuneArgs) -> anyhow::Result<()> {
    if let Some(option) = chosen(&args.stream.decision.overrides()) {
        bail!("`{option}` is what `tune` chooses; leave it out");
    }
    let files = files(&args.model)?;
    let model = AnyModel::load(&files[0])?;
    let data = load_data(&files[0], args.data.as_deref(), None, &model)?;
    let own = model.decision();
    let subject = Subject::new(model, &args.stream.decision)?;
    // A hop that was asked for is for all files; else each keeps its own.
    let hop = (subject.decision.hop != own.hop).then_some(subject.decision.hop);
    let streams = subject.compose(&data, Part::Validation, &args.stream, None)?;
    let before = streams.measure(&subject.decision)?;
    let bar = data_common::progress_bar("settings");
    let wanted = args.stream.false_accepts();
    let choice = tune(&streams, &subject.decision, wanted, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    // All of them are made before the first is written.
    let changed = files.iter().map(|path| change(path, &subject.labels, &choice.decision, hop));
    let changed: Vec<Vec<u8>> = changed.collect::<anyhow::Result<_>>()?;
    for (path, bytes) in files.iter().zip(&changed) {
        replace(path, &[bytes]).with_context(|| path.display().to_string())?;
    }
    data_common::print(&told(&files, &streams, &subject, &before, &choice, wanted)?)
}

/// A setting given that is chosen here.
fn chosen(given: &Overrides) -> Option<&'static str> {
    let given = [
        ("--smoothing", given.smoothing.is_some()),
        ("--threshold", !given.thresholds.is_empty()),
        ("--min-count", given.min_count.is_some()),
        ("--release", given.release.is_some()),
        ("--suppression", given.suppression_ms.is_some()),
    ];
    given.iter().find(|(_, is_given)| *is_given).map(|(name, _)| *name)
}

/// The model files of a folder; the first is the one to listen with.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let files = ["model.onnx", "model.q8"].map(|name| folder.join(name));
    let files: Vec<PathBuf> = files.into_iter().filter(|path| path.is_file()).collect();
    if files.is_empty() {
        bail!(
            "{}: no model.onnx or model.q8 in it; name a folder that `trainer export` has written",
            folder.display()
        );
    }
    Ok(files)
}

/// The bytes of a model with these settings.
fn change(
    path: &Path,
    labels: &[String],
    settings: &DecisionDefaults,
    hop: Option<u32>,
) -> anyhow::Result<Vec<u8>> {
    let model = AnyModel::load(path)?;
    if model.labels() != labels {
        bail!("{}: has other classes than the model beside it", path.display());
    }
    let hop = hop.unwrap_or(model.decision().hop);
    let settings = DecisionDefaults { hop, ..settings.clone() };
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    match model {
        AnyModel::Int8(_) => decision::q8(&bytes, path, &settings),
        _ => decision::onnx(&bytes, path, &settings),
    }
}

fn told(
    files: &[PathBuf],
    streams: &Streams,
    subject: &Subject,
    before: &Measured,
    choice: &Choice,
    wanted: f64,
) -> anyhow::Result<String> {
    let mut out = String::from("streams of the validation part\n");
    out.push_str(&table::composition(streams));
    let rate_hz = streams.positives.track.rate_hz;
    for (name, settings, measured) in
        [("before", &subject.decision, before), ("chosen", &choice.decision, &choice.measured)]
    {
        let shares = curves::hits(streams, measured);
        let sum = |of: fn(&Share) -> u64| shares.iter().map(of).sum::<u64>();
        let missed = Share { hits: sum(|share| share.of - share.hits), of: sum(|share| share.of) };
        write!(out, "\n{name}: {}", table::decision(settings, &subject.labels, rate_hz))?;
        writeln!(
            out,
            "  not heard      {:.2} % ({} of {})",
            100.0 * missed.value(),
            missed.hits,
            missed.of
        )?;
        let found = measured.rate(None);
        writeln!(
            out,
            "  false accepts  {} in {:.3} h: {}",
            found.count,
            found.hours,
            table::rate(found)
        )?;
    }
    let found = choice.measured.rate(None);
    writeln!(out)?;
    if found.verdict(wanted) != Verdict::Shown {
        writeln!(out, "at most {wanted}/h: {}", table::verdict(found, wanted))?;
    }
    for path in files {
        writeln!(out, "{}: written", path.display())?;
    }
    Ok(out)
}
