//! `trainer evaluate`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use burn::module::Module as _;
use models::arch::Task;
use models::meta::{SILENCE, UNKNOWN};

use super::data_common::{self, PartName};
use super::evaluate_stream::{self, RecordingArgs, StreamArgs, Wanted};
use super::evaluate_tags::{self, Measured};
use crate::data::{Clip, DataOptions, Dataset, SplitScheme};
use crate::evaluate::drop::Drop;
use crate::evaluate::gain;
use crate::evaluate::metrics::{Confusion, UnknownRule, map_classes, select_tags};
use crate::evaluate::model::AnyModel;
use crate::evaluate::plot::confusion_svg;
use crate::evaluate::predict::{self, Predictions};
use crate::evaluate::report::Report;
use crate::export::check::TOLERANCE;
use crate::figure;
use crate::fit::checkpoint::replace;
use crate::net::{Compute, DeviceChoice};
use crate::quantize::noise;

/// Arguments of `trainer evaluate`.
#[derive(Debug, clap::Args)]
pub struct EvaluateArgs {
    /// Folder of a training run, or an exported model (`model.onnx`, `model.q8`).
    #[arg(value_name = "RUN|MODEL")]
    model: PathBuf,
    /// Folder of the data set (default: the one of the training run).
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which part to measure on.
    #[arg(long, value_enum, default_value = "test")]
    split: PartName,
    /// Measure only these classes, separated by commas; the model's other words count as
    /// `_unknown_`. Of tags: only these, on the clips that have any of them.
    #[arg(long, value_delimiter = ',', value_name = "WORDS")]
    words: Option<Vec<String>>,
    /// How other words become `_unknown_` for a model that was trained on every word.
    #[arg(long, value_enum, default_value = "largest")]
    unknown: UnknownRule,
    /// What to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Write the confusion matrix as a picture (SVG).
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Compare with another run or model of the same classes. Two models in floating point must agree within
    /// 1e-4 in every posterior. An int8 model is compared with the `model.onnx` beside it unless this
    /// names another; named the training run, its precision is told layer by layer.
    #[arg(long, value_name = "RUN|MODEL")]
    against: Option<PathBuf>,
    /// Make all clips louder or quieter first, in decibels (for example -24).
    #[arg(long, value_name = "DB", default_value_t = 0.0, allow_negative_numbers = true, value_parser = level)]
    gain_db: f64,
    /// Where to compute a training run's network.
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceChoice,
    /// Measure on long streams instead of clips: hits, misses, latency, false accepts an hour, ROC and
    /// DET curves (`--plot`).
    #[arg(long, conflicts_with_all = ["words", "against", "unknown", "device"])]
    stream: bool,
    #[command(flatten, next_help_heading = "With --stream")]
    streams: StreamArgs,
    #[command(flatten, next_help_heading = "With --stream")]
    recording: RecordingArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

/// A change of level within reason.
fn level(text: &str) -> Result<f64, String> {
    let level: f64 = text.parse().map_err(|_| "not a number of decibels".to_owned())?;
    let reasonable = (-120.0..=120.0).contains(&level);
    reasonable.then_some(level).ok_or_else(|| "must be in -120 to 120 decibels".to_owned())
}

/// Measures a model and prints what it found.
///
/// # Errors
/// Bad arguments, data or models, in one line.
pub fn run(args: &EvaluateArgs) -> anyhow::Result<()> {
    let mut model = AnyModel::load(&args.model)?;
    let part = args.split.into();
    if let Some(path) = &args.plot {
        figure::check_svg(path)?;
    }
    if args.stream {
        if args.gain_db != 0.0 {
            bail!("--gain-db is for clips; streams have levels of their own");
        }
        let json = matches!(args.format, Format::Json);
        let wanted = Wanted { model: &args.model, part, plot: args.plot.as_deref(), json };
        let data = |model: &AnyModel| load_data(&args.model, args.data.as_deref(), None, model);
        return evaluate_stream::run(model, data, &args.streams, &args.recording, &wanted);
    }
    if args.streams.are_given() {
        bail!(
            "--seed, --noise-data, --synthetic-hours, --false-accepts and settings of the decision are for streams; add --stream"
        );
    }
    let words = args.words.as_deref();
    let data = load_data(&args.model, args.data.as_deref(), words, &model)?;
    let clips = predict::with_silence(&data, part, model.config()?.seed);
    let clips = gain::apply(&clips, args.gain_db);
    let predictions = predictions(&mut model, &args.model, &clips, &data, args)?;
    let mut split = part.name().to_owned();
    if args.gain_db != 0.0 {
        let _ = write!(split, " at {:+} dB", args.gain_db);
    }
    if data.task == Task::MultiLabel {
        return tags(&model, &predictions, split, &clips, &data, args);
    }
    let drop = match other(args) {
        Some(path) => Some(compare(&path, &model, &predictions, &clips, &data, args)?),
        None => None,
    };
    let report = Report {
        model: args.model.display().to_string(),
        split,
        confusion: Confusion::new(&data.labels, &predictions),
        cross_entropy: predictions.cross_entropy(),
    };
    if let Some(path) = &args.plot {
        let title = format!("{}, {}", report.model, report.split);
        let svg = confusion_svg(&report.confusion, &title);
        let svg = svg.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        replace(path, &[svg.as_bytes()]).with_context(|| path.display().to_string())?;
    }
    let text = match args.format {
        Format::Table => {
            let against = drop.map(|drop| drop.table(&data.labels));
            report.table() + &against.unwrap_or_default()
        }
        Format::Json => {
            let mut json = report.json();
            if let Some(drop) = drop {
                json["against"] = drop.json();
            }
            format!("{json}\n")
        }
    };
    data_common::print(&text)
}

/// Prints the figures of a model that finds tags.
fn tags(
    model: &AnyModel,
    predictions: &Predictions,
    split: String,
    clips: &[Clip],
    data: &Dataset,
    args: &EvaluateArgs,
) -> anyhow::Result<()> {
    if args.plot.is_some() {
        bail!(
            "--plot draws which classes are taken for each other; tags do not exclude each other"
        );
    }
    let other = match other(args) {
        Some(path) => {
            let mut other = AnyModel::load(&path)?;
            let predictions = self::predictions(&mut other, &path, clips, data, args)?;
            Some((other, path, predictions))
        }
        None => None,
    };
    let name = args.model.display().to_string();
    let measured = Measured { model, name, split, data, predictions, other };
    let json = matches!(args.format, Format::Json);
    data_common::print(&evaluate_tags::report(measured, json)?)
}

/// Posteriors for the data's classes.
fn predictions(
    model: &mut AnyModel,
    path: &Path,
    clips: &[Clip],
    data: &Dataset,
    args: &EvaluateArgs,
) -> anyhow::Result<Predictions> {
    if model.arch().task != data.task {
        let (model, data) = match data.task {
            Task::MultiLabel => ("one class a clip", "any number of tags"),
            Task::MultiClass => ("any number of tags", "one class a clip"),
        };
        bail!("{}: finds {model}, and the data has {data}; name other data", path.display());
    }
    let window = model.arch().window as usize;
    let mut predictions = predict::averaged(clips, window, data.placement, |clips| {
        model.predict(clips, args.device)
    })?;
    let mapped = match data.task {
        Task::MultiClass => {
            map_classes(&mut predictions, model.labels(), &data.labels, args.unknown)
        }
        Task::MultiLabel => select_tags(&mut predictions, model.labels(), &data.labels),
    };
    if let Err(label) = mapped {
        bail!(
            "{}: class `{label}` is not in both the model ({}) and the data ({})",
            path.display(),
            model.labels().join(", "),
            data.labels.join(", "),
        );
    }
    Ok(predictions)
}

/// The model to compare with: the one asked for; of an int8 model, the floating-point model beside
/// it.
fn other(args: &EvaluateArgs) -> Option<PathBuf> {
    let beside = || {
        let int8 = args.model.extension().is_some_and(|extension| extension == "q8");
        let path = args.model.with_file_name("model.onnx");
        (int8 && path.is_file()).then_some(path)
    };
    args.against.clone().or_else(beside)
}

/// What the model gives up against another one. Two models in floating point must agree.
fn compare(
    path: &Path,
    model: &AnyModel,
    predictions: &Predictions,
    clips: &[Clip],
    data: &Dataset,
    args: &EvaluateArgs,
) -> anyhow::Result<Drop> {
    let mut other = AnyModel::load(path)?;
    let others = self::predictions(&mut other, path, clips, data, args)?;
    let mut drop = Drop::new(path.display().to_string(), &data.labels, predictions, &others);
    match (model, &other) {
        (AnyModel::Int8(file), AnyModel::Run(run)) => {
            let compute = Compute::cpu();
            let (net, _) = run.best_network(&compute)?;
            if run.model.arch != *model.arch() {
                bail!("{}: has another network than {}", path.display(), args.model.display());
            }
            drop.noise =
                noise::measure(&file.model(), &net.valid().without_rounding(), clips, &compute);
        }
        (AnyModel::Int8(_), _) | (_, AnyModel::Int8(_)) => {}
        _ if drop.largest_difference > TOLERANCE => bail!(
            "{} and {} differ by {:.1e} in a posterior, at most {TOLERANCE:.0e} is allowed",
            args.model.display(),
            path.display(),
            drop.largest_difference,
        ),
        _ => {}
    }
    Ok(drop)
}

/// The data set with the model's classes (or the ones asked for) and the model's split.
pub(super) fn load_data(
    path: &Path,
    dir: Option<&Path>,
    words: Option<&[String]>,
    model: &AnyModel,
) -> anyhow::Result<Dataset> {
    let config = model.config()?;
    let arch = model.arch();
    let finds_tags = arch.task == Task::MultiLabel;
    let has_unknown = model.labels().iter().any(|label| label == UNKNOWN);
    let asked = words.is_some();
    let words = match words {
        Some(words) => Some(words.to_vec()),
        None if finds_tags => Some(model.labels().to_vec()),
        None if has_unknown => {
            let special = |label: &&String| *label != SILENCE && *label != UNKNOWN;
            Some(model.labels().iter().filter(special).cloned().collect())
        }
        None => None,
    };
    let options = config.data_options(arch.sample_rate_hz, arch.window as usize);
    let given = dir.is_some();
    let dir = dir.map_or_else(|| config.data.clone(), Path::to_path_buf);
    if !given && !dir.is_dir() {
        bail!(
            "{}: the data set `{}` that it was trained on is not here; give `--data DIR`",
            path.display(),
            dir.display(),
        );
    }
    // What another data set may not have: lists and folds are found where they are.
    let own =
        matches!(options.split, SplitScheme::Lists | SplitScheme::Folds | SplitScheme::Published);
    let split = if given && own { SplitScheme::Auto } else { options.split };
    if split == SplitScheme::Stratified && asked && words != options.words {
        bail!(
            "{}: the test part was drawn for the classes of the training, other ones would draw clips that were trained on; leave `--words` out",
            path.display(),
        );
    }
    Ok(data_common::load(&DataOptions { dir, words, split, ..options })?)
}
