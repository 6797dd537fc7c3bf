//! `trainer evaluate`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use burn::module::Module as _;
use models::meta::{SILENCE, UNKNOWN};
use runtime::engine::{Engine as _, TractEngine};

use super::data_common;
use crate::data::{Clip, DataOptions, Dataset, Part, SplitScheme};
use crate::evaluate::metrics::{Confusion, UnknownRule, map_classes};
use crate::evaluate::plot::confusion_svg;
use crate::evaluate::predict::{self, Predictions};
use crate::evaluate::report::Report;
use crate::export::check::TOLERANCE;
use crate::fit::checkpoint::replace;
use crate::fit::{FitConfig, Run};
use crate::net::{Compute, DeviceChoice};

/// Arguments of `trainer evaluate`.
#[derive(Debug, clap::Args)]
pub struct EvaluateArgs {
    /// Folder of a training run, or an exported model (`model.onnx`).
    #[arg(value_name = "RUN|MODEL")]
    model: PathBuf,
    /// Folder of the data set (default: the one of the training run).
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which part to measure on.
    #[arg(long, value_enum, default_value = "test")]
    split: PartName,
    /// Measure only these classes, separated by commas; the model's other words count as
    /// `_unknown_`.
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
    /// Compare every posterior with those of another run or model of the same classes; an error
    /// where one differs by more than 1e-4.
    #[arg(long, value_name = "RUN|MODEL")]
    against: Option<PathBuf>,
    /// Where to compute a training run's network.
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceChoice,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum PartName {
    Train,
    Validation,
    Test,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Table,
    Json,
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

/// Either kind of model, loaded.
enum Model {
    Run(Box<Run>),
    Onnx(Box<TractEngine>),
}

impl Model {
    fn load(path: &Path) -> anyhow::Result<Self> {
        if path.is_dir() {
            return Ok(Self::Run(Box::new(Run::open(path)?)));
        }
        Ok(Self::Onnx(Box::new(TractEngine::load(path)?)))
    }

    fn labels(&self) -> &[String] {
        match self {
            Self::Run(run) => &run.model.labels,
            Self::Onnx(engine) => &engine.meta().labels,
        }
    }

    fn arch(&self) -> &models::arch::ArchSpec {
        match self {
            Self::Run(run) => &run.model.arch,
            Self::Onnx(engine) => &engine.meta().arch,
        }
    }

    /// The configuration that the model was trained with; an exported model carries it along.
    fn config(&self) -> anyhow::Result<FitConfig> {
        match self {
            Self::Run(run) => Ok(run.config.clone()),
            Self::Onnx(engine) => {
                let table = engine.meta().provenance.config.parse();
                let table = table.context("the model's training configuration is no TOML")?;
                Ok(FitConfig::resolve(None, table)?)
            }
        }
    }

    fn predict(&mut self, clips: &[Clip], device: DeviceChoice) -> anyhow::Result<Predictions> {
        match self {
            Self::Run(run) => {
                let compute = Compute::choose(device)?;
                let (net, _) = run.best_network(&compute)?;
                let window = run.model.arch.window as usize;
                Ok(predict::network(&net.valid(), clips, window, &compute))
            }
            Self::Onnx(engine) => Ok(predict::engine(engine.as_mut(), clips)?),
        }
    }
}

/// Measures a model and prints what it found.
///
/// # Errors
/// Bad arguments, data or models, in one line.
pub fn run(args: &EvaluateArgs) -> anyhow::Result<()> {
    let mut model = Model::load(&args.model)?;
    let part = args.split.into();
    let data = load_data(args, &model)?;
    let clips = predict::with_silence(&data, part, model.config()?.seed);
    let mut predictions = model.predict(&clips, args.device)?;
    if let Some(other) = &args.against {
        let others = Model::load(other)?.predict(&clips, args.device)?;
        compare(&args.model, &predictions, other, &others)?;
    }
    if let Err(label) = map_classes(&mut predictions, model.labels(), &data.labels, args.unknown) {
        bail!(
            "{}: class `{label}` is not in both the model ({}) and the data ({})",
            args.model.display(),
            model.labels().join(", "),
            data.labels.join(", "),
        );
    }
    let report = Report {
        model: args.model.display().to_string(),
        split: part.name().to_owned(),
        confusion: Confusion::new(&data.labels, &predictions),
        cross_entropy: predictions.cross_entropy(),
    };
    if let Some(path) = &args.plot {
        let title = format!("{}, {}", report.model, report.split);
        let svg = confusion_svg(&report.confusion, &title);
        let svg = svg.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        replace(path, &[svg.as_bytes()]).with_context(|| path.display().to_string())?;
    }
    match args.format {
        Format::Table => data_common::print(&report.table()),
        Format::Json => data_common::print(&format!("{}\n", report.json())),
    }
}

/// Tells the largest difference of a posterior between two models on the same clips.
fn compare(
    model: &Path,
    own: &Predictions,
    other: &Path,
    others: &Predictions,
) -> anyhow::Result<()> {
    let rows = own.posteriors.iter().zip(&others.posteriors);
    let mut largest = 0.0f32;
    for (row, other_row) in rows {
        if row.len() != other_row.len() {
            bail!("{}: has other classes than {}", other.display(), model.display());
        }
        let differences = row.iter().zip(other_row).map(|(a, b)| (a - b).abs());
        largest = differences.fold(largest, f32::max);
    }
    let (clips, model, other) = (own.len(), model.display(), other.display());
    eprintln!(
        "{model} and {other}: largest difference of a posterior {largest:.1e} on {clips} clips"
    );
    if largest > TOLERANCE {
        bail!(
            "{model} and {other} differ by {largest:.1e} in a posterior, at most {TOLERANCE:.0e} is allowed"
        );
    }
    Ok(())
}

/// The data set with the model's classes (or the ones asked for) and the model's split.
fn load_data(args: &EvaluateArgs, model: &Model) -> anyhow::Result<Dataset> {
    let config = model.config()?;
    let arch = model.arch();
    let has_unknown = model.labels().iter().any(|label| label == UNKNOWN);
    let words = match &args.words {
        Some(words) => Some(words.clone()),
        None if has_unknown => {
            let special = |label: &&String| *label != SILENCE && *label != UNKNOWN;
            Some(model.labels().iter().filter(special).cloned().collect())
        }
        None => None,
    };
    let options = config.data_options(arch.sample_rate_hz, arch.window as usize);
    let dir = args.data.clone().unwrap_or_else(|| config.data.clone());
    if args.data.is_none() && !dir.is_dir() {
        bail!(
            "{}: the data set `{}` that it was trained on is not here; give `--data DIR`",
            args.model.display(),
            dir.display(),
        );
    }
    // A split found by itself when training is found by itself again.
    let split = if args.data.is_some() { SplitScheme::Auto } else { options.split };
    Ok(data_common::load(&DataOptions { dir, words, split, ..options })?)
}
