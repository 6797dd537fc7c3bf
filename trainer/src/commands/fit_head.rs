//! `trainer fit-head`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use burn::tensor::{Tensor, TensorData};
use clap::Args;
use models::arch::{ArchSpec, Task};
use models::meta::{DecisionDefaults, ModelMeta, Provenance};
use serde_json::{Value, json};

use super::data_common::print;
use super::export::thresholds_line;
use crate::data::Part;
use crate::evaluate::metrics::Share;
use crate::evaluate::tags::ranking::{macro_pr_auc, macro_roc_auc};
use crate::evaluate::tags::thresholds::tune;
use crate::export::aggregate::{self, Member};
use crate::export::check;
use crate::features::head::{self, Head, Kind, Options};
use crate::features::{About, Extractor, Features, pooled};
use crate::fit::FitConfig;
use crate::fit::checkpoint::replace;
use crate::net::Compute;

/// Train a small classifier on the features of `trainer features`, and write it with its networks as one model.
#[derive(Clone, Debug, Args)]
pub struct FitHeadArgs {
    /// What `trainer features` wrote
    #[arg(value_name = "FILE.npz")]
    features: PathBuf,
    /// Folder for `model.onnx` and `head.json`, made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The classifier
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// Units of the hidden layer of `connected`
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    hidden: u16,
    /// Passes over the clips with `connected`
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Seed of weights and dropout
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// What to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Trains the classifier, prints its figures, and writes the model, which the runtime's engine has computed by then.
///
/// # Errors
/// No features, other networks than they came from, an unwritable folder.
pub fn run(args: &FitHeadArgs) -> anyhow::Result<()> {
    let (features, about) = Features::read(&args.features)?;
    let compute = Compute::cpu();
    let networks = networks(&about, &compute)?;
    let (hidden, seed) = (args.hidden.into(), u64::from(args.seed));
    let options = Options { kind: args.kind, hidden, epochs: args.epochs, seed };
    let head = head::train(&features, about.labels.len(), &options, &compute)
        .map_err(|what| anyhow::anyhow!("{}: {what}", args.features.display()))?;
    let task = features.task();
    let mut meta = metadata(&about, &networks, task, seed, &args.features)?;
    if task == Task::MultiLabel {
        let validation = head.predictions(&features, Part::Validation, &compute);
        meta.decision.thresholds = tune(&validation).into_iter().map(Some).collect();
    }
    meta.validate()?;
    let members = networks.iter().zip(&about.networks);
    let members: Vec<Member<'_>> = members
        .map(|(network, origin)| Member { net: network.network(), window: origin.window })
        .collect();
    let bytes = aggregate::encode(&members, &head, &meta);
    let difference = write(&args.out, &bytes, &members, &head, &compute)?;
    let figures = Part::ALL.map(|part| figures(&head, &features, part, &compute));
    let mut report = json!({
        "kind": args.kind,
        "choice": head.choice,
        "networks": about.networks,
        "features": features.width,
    });
    let key = if task == Task::MultiLabel { "areas" } else { "accuracy" };
    report[key] = figures.iter().map(|(_, object)| object.clone()).collect();
    let path = args.out.join("head.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&report)?);
    replace(&path, &[text.as_bytes()]).with_context(|| path.display().to_string())?;
    if matches!(args.format, Format::Json) {
        return print(&text);
    }
    let mut out = String::new();
    for (line, _) in figures {
        writeln!(out, "{line}")?;
    }
    if task == Task::MultiLabel {
        out.push_str(&thresholds_line(&meta, true));
    }
    writeln!(
        out,
        "{}: {} bytes, {}; largest difference to the networks {difference:.1e}",
        args.out.join("model.onnx").display(),
        bytes.len(),
        head.choice,
    )?;
    print(&out)
}

/// How good the classifier is on a part of the clips: a line for people, an object for programs.
fn figures(head: &Head, features: &Features, part: Part, compute: &Compute) -> (String, Value) {
    let name = part.name();
    match features.task() {
        Task::MultiClass => {
            let (hits, of) = head.correct(features, part);
            let percent = 100.0 * Share { hits, of }.value();
            let line = format!("{name:<10} {percent:>6.2} % ({hits} of {of} clips)");
            (line, json!({ "part": name, "correct": hits, "clips": of }))
        }
        Task::MultiLabel => {
            let clips = head.predictions(features, part, compute);
            let (roc, pr, count) = (macro_roc_auc(&clips), macro_pr_auc(&clips), clips.len());
            let area = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
            let (first, second) = (area(roc), area(pr));
            let line = format!(
                "{name:<10} ROC-AUC {first}, PR-AUC {second}, means of the tags ({count} clips)"
            );
            (line, json!({ "part": name, "roc_auc": roc, "pr_auc": pr, "clips": count }))
        }
    }
}

/// The networks that the features came from.
fn networks(about: &About, compute: &Compute) -> anyhow::Result<Vec<Extractor>> {
    let mut networks = Vec::new();
    for origin in &about.networks {
        if matches!(origin.path.try_exists(), Ok(false)) {
            bail!(
                "{}: the network that the features came from is no longer here; bring it back, or make them again",
                origin.path.display()
            );
        }
        let network = Extractor::load(&origin.path, compute)?;
        if network.source.sha256 != origin.sha256 {
            bail!(
                "{}: is no longer the network that the features came from; make them again",
                origin.path.display()
            );
        }
        networks.push(network);
    }
    Ok(networks)
}

/// The first network's, with the window that the clips have; `features` is the file that they came from.
fn metadata(
    about: &About,
    networks: &[Extractor],
    task: Task,
    seed: u64,
    features: &Path,
) -> anyhow::Result<ModelMeta> {
    let first = networks.first().context("the features came from no network")?;
    let window = u32::try_from(about.length).context("the clips are too long")?;
    let classes = u16::try_from(about.labels.len()).context("more than 65535 classes")?;
    let arch = ArchSpec { window, classes, task, ..first.source.arch.clone() };
    let mut config = FitConfig::parse(&about.config, features)?;
    config.data = config.data.file_name().map(PathBuf::from).unwrap_or_default();
    let usual = DecisionDefaults::for_model(&arch, &about.labels);
    Ok(ModelMeta {
        preset: aggregate::PRESET.to_owned(),
        decision: DecisionDefaults { hop: usual.hop.max(window / 4), ..usual },
        arch,
        labels: about.labels.clone(),
        provenance: Provenance {
            config: config.to_toml(),
            seed,
            data_sha256: about.data_sha256.clone(),
            split_sha256: about.split_sha256.clone(),
            trainer_version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    })
}

/// Writes the model if the runtime's engine computes what networks and classifier do; returns the difference.
fn write(
    folder: &Path,
    bytes: &[u8],
    members: &[Member<'_>],
    head: &Head,
    compute: &Compute,
) -> anyhow::Result<f32> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let unchecked = tempfile::Builder::new().suffix(".onnx").tempfile_in(folder);
    let unchecked = unchecked.with_context(|| folder.display().to_string())?;
    std::fs::write(unchecked.path(), bytes).with_context(|| folder.display().to_string())?;
    let difference = check::compare(unchecked.path(), |samples, task| {
        let rows = members
            .iter()
            .flat_map(|m| pooled(m.net, samples, samples.len(), m.window, compute).concat());
        let logits = head.logits(&rows.collect::<Vec<f32>>());
        let logits = TensorData::new(logits.clone(), [1, logits.len()]);
        check::posteriors(Tensor::from_data(logits, compute.inference_device()), task)
    })?;
    let model = folder.join("model.onnx");
    replace(&model, &[bytes]).with_context(|| model.display().to_string())?;
    Ok(difference)
}
