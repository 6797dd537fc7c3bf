//! `trainer export`

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use burn::module::Module as _;
use models::arch::Task;
use models::meta::{DecisionDefaults, ModelMeta, Provenance};
use prost::Message as _;
use serde_json::json;
use tract_onnx::pb::ModelProto;

use super::data_common::{self, print};
use super::footprint::Footprint;
use crate::data::{DataOptions, Dataset, Part};
use crate::evaluate::predict::{self, score_name};
use crate::evaluate::tags::thresholds::tune;
use crate::export::unfold::unfold;
use crate::export::{check, fold, onnx};
use crate::fit::Run;
use crate::fit::checkpoint::{Progress, replace};
use crate::net::{Compute, Network};
use crate::quantize::{Activations, Choice, Quantized, quantize};

/// Arguments of `trainer export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Folder of the training run.
    run: PathBuf,
    /// Another run of the same network whose weights are averaged with this one's, such as the one that it was fine-tuned
    /// from (`fit --from`); may be repeated.
    #[arg(long, value_name = "RUN")]
    average: Vec<PathBuf>,
    /// The weights of the last step, as they are, in place of the averaged ones of the best epoch: where validation clips
    /// are few, they choose the epoch by chance.
    #[arg(long, conflicts_with = "average")]
    last: bool,
    /// Folder for `model.onnx`, `model.q8`, `train.toml` and `quantization.json`, made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder of the data set, from which the int8 model gets its ranges and tags their thresholds (default: the
    /// one of the training run).
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write no int8 model; needs no data set (tags get thresholds of 0.5 without it).
    #[arg(long)]
    onnx_only: bool,
}

/// Writes a run's network as a model.
///
/// # Errors
/// No run, an unwritable folder, or a model that differs from the network.
pub fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let run = Run::open(&args.run)?;
    let compute = Compute::cpu();
    let (net, progress) =
        if args.last { run.last_network(&compute)? } else { run.best_network(&compute)? };
    let mut meta = metadata(&run);
    let net = averaged(net.valid().without_rounding(), &run, &args.average, &meta, &compute)?;
    for other in &args.average {
        let name = other.file_name().unwrap_or(other.as_os_str());
        writeln!(meta.provenance.config, "# averaged with the weights of {}", name.display())?;
    }
    if args.last {
        writeln!(meta.provenance.config, "# the weights of the last step, not averaged")?;
    }
    let data = data(args, &run)?;
    if let (Task::MultiLabel, Some(data)) = (meta.arch.task, &data) {
        meta.decision.thresholds = thresholds(&net, data, &compute);
    }
    meta.validate()?;
    let bytes = onnx::encode(&fold::fold(&net), &meta);

    let folder = &args.out;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let unchecked = tempfile::Builder::new().suffix(".onnx").tempfile_in(folder);
    let unchecked = unchecked.with_context(|| folder.display().to_string())?;
    std::fs::write(unchecked.path(), &bytes).with_context(|| folder.display().to_string())?;
    let difference = check::check(unchecked.path(), &net, &compute)?;
    drop(unchecked);

    let int8 = match &data {
        Some(data) if !args.onnx_only && meta.arch.has_integer_form() => {
            Some(int8(&run, &net, &meta, data, &compute))
        }
        _ => None,
    };
    let model = folder.join("model.onnx");
    replace(&model, &[&bytes]).with_context(|| model.display().to_string())?;
    let config = folder.join("train.toml");
    let text = &meta.provenance.config;
    replace(&config, &[text.as_bytes()]).with_context(|| config.display().to_string())?;
    print(&format!(
        "{}: {} bytes, {} {}; {}largest difference to the network {difference:.1e}\n",
        model.display(),
        bytes.len(),
        meta.labels.len(),
        match meta.arch.task {
            Task::MultiClass => "classes",
            Task::MultiLabel => "tags",
        },
        origin(args, &progress, meta.arch.task),
    ))?;
    if meta.arch.task == Task::MultiLabel {
        print(&thresholds_line(&meta, data.is_some()))?;
    }
    match int8 {
        Some(int8) => write_int8(folder, &int8, &meta),
        None => {
            if !args.onnx_only {
                eprintln!(
                    "no model.q8: the network reads mel spectra, which have no integer form (`--onnx-only` asks for none)"
                );
            }
            remove_stale(folder)
        }
    }
}

/// What is said of the weights: the epoch that they are of.
fn origin(args: &ExportArgs, progress: &Progress, task: Task) -> String {
    match progress.best {
        _ if args.last => format!("the last step of {} epochs; ", progress.epoch),
        Some(best) if args.average.is_empty() => {
            let (epoch, name) = (best.epoch + 1, score_name(task));
            format!("epoch {epoch}, {name} {:.2} % on validation; ", 100.0 * best.score)
        }
        _ => String::new(),
    }
}

/// The mean of the weights of several runs. Those that began at the same weights lie in one basin, in whose middle networks
/// generalise better (Wortsman et al., "Model soups", 2022). Batch norms are folded first: their statistics belong to the
/// weights of their own run.
fn averaged(
    net: Network,
    run: &Run,
    others: &[PathBuf],
    meta: &ModelMeta,
    compute: &Compute,
) -> anyhow::Result<Network> {
    if others.is_empty() {
        return Ok(net);
    }
    let folded = |net: &Network| {
        let bytes = onnx::encode(&fold::fold(net), meta);
        let proto = ModelProto::decode(bytes.as_slice())?;
        let net = unfold(&proto, &meta.arch, compute).map_err(anyhow::Error::msg)?;
        anyhow::Ok(net.valid())
    };
    let (mut mean, mut count) = (folded(&net)?, 1.0);
    for path in others {
        let other = Run::open(path)?;
        if (&other.model.arch, &other.model.labels) != (&run.model.arch, &run.model.labels) {
            bail!("{}: has another network or other classes than the run", path.display());
        }
        if run.model.origin().clashes(&other.model.origin()) {
            bail!(
                "{}: was trained on other parts of the same recordings than the run, so that it knows clips of its test part",
                path.display()
            );
        }
        if run.model.stored.is_some() || other.model.stored.is_some() {
            bail!("{}: runs of `fit --qat` cannot be averaged", path.display());
        }
        let (other, _) = other.best_network(compute)?;
        count += 1.0;
        mean = mean.toward(&folded(&other.valid())?, 1.0 / count);
    }
    Ok(mean)
}

/// The data set that the run was trained on, if it is needed: for the ranges of the int8 model, and for the thresholds of
/// tags, which stay at a half without it.
fn data(args: &ExportArgs, run: &Run) -> anyhow::Result<Option<Dataset>> {
    let arch = &run.model.arch;
    let options = run.config.data_options(arch.sample_rate_hz, arch.window as usize);
    let dir = args.data.clone().unwrap_or_else(|| run.config.data.clone());
    let tunes = arch.task == Task::MultiLabel && (dir.is_dir() || args.data.is_some());
    if (args.onnx_only || !arch.has_integer_form()) && !tunes {
        return Ok(None);
    }
    if !dir.is_dir() {
        bail!(
            "{}: the data set for the ranges of the int8 model is not here; give `--data DIR`, or `--onnx-only` to do without",
            dir.display(),
        );
    }
    let data = data_common::load(&DataOptions { dir, ..options })?;
    if data.labels != run.model.labels {
        bail!(
            "{}: has other classes ({}) than the run ({})",
            data.dir.display(),
            data.labels.join(", "),
            run.model.labels.join(", "),
        );
    }
    Ok(Some(data))
}

/// For each tag the threshold that is best on the validation part.
fn thresholds(net: &Network, data: &Dataset, compute: &Compute) -> Vec<Option<f32>> {
    let (clips, window) = (data.clips(Part::Validation), data.window);
    let Ok(predictions) = predict::averaged(clips, window, data.placement, |clips| {
        Ok::<_, Infallible>(predict::network(net, clips, window, compute))
    });
    tune(&predictions).into_iter().map(Some).collect()
}

/// What is told of the thresholds of tags, whether `tuned` on validation or not.
pub(super) fn thresholds_line(meta: &ModelMeta, tuned: bool) -> String {
    let thresholds = || meta.decision.thresholds.iter().flatten().copied();
    let (low, high) = (thresholds().fold(1.0, f32::min), thresholds().fold(0.0, f32::max));
    match tuned {
        true => format!(
            "thresholds of the tags {low:.3} to {high:.3}, for the largest F on validation\n"
        ),
        false => format!(
            "thresholds of the tags {low}: the data set to tune them on is not here; give `--data DIR`\n"
        ),
    }
}

/// Quantises the network with the data set that it was trained on.
fn int8(
    run: &Run,
    net: &Network,
    meta: &ModelMeta,
    data: &Dataset,
    compute: &Compute,
) -> Quantized {
    let activations = run.model.stored.as_deref().map_or(Activations::Search, Activations::Trained);
    quantize(net, &fold::fold(net), meta, data, activations, compute)
}

fn write_int8(folder: &Path, int8: &Quantized, meta: &ModelMeta) -> anyhow::Result<()> {
    let path = folder.join("model.q8");
    replace(&path, &[&int8.bytes]).with_context(|| path.display().to_string())?;
    let report = folder.join("quantization.json");
    let json = json!({ "choice": int8.choice, "tried": int8.tried, "layers": int8.noise });
    let text = format!("{}\n", serde_json::to_string_pretty(&json)?);
    replace(&report, &[text.as_bytes()]).with_context(|| report.display().to_string())?;
    let Choice { method, wide, accuracy, float_accuracy, .. } = &int8.choice;
    let percent = |share: f64| 100.0 * share;
    let mut out = String::new();
    writeln!(
        out,
        "{}: {} bytes; ranges by {}, 16 bits in the first {wide} layers; {} on validation {:.2} % (float {:.2} %), 24 dB quieter {:.2} % (float {:.2} %)",
        path.display(),
        int8.bytes.len(),
        method.name(),
        score_name(meta.arch.task),
        percent(accuracy[0]),
        percent(float_accuracy[0]),
        percent(accuracy[1]),
        percent(float_accuracy[1]),
    )?;
    out.push_str(&Footprint::new(&int8.bytes, meta.decision.hop)?.table()?);
    print(&out)
}

/// An int8 model of another network must not lie beside the new one.
fn remove_stale(folder: &Path) -> anyhow::Result<()> {
    for name in ["model.q8", "quantization.json"] {
        let path = folder.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| path.display().to_string());
            }
            _ => {}
        }
    }
    Ok(())
}

/// What travels inside a run's models.
pub(super) fn metadata(run: &Run) -> ModelMeta {
    let model = &run.model;
    // Where the data lay on the computer that trained is nobody's business: its name is enough.
    let mut config = run.config.clone();
    let folders =
        [&mut config.data, &mut config.hard_negatives, &mut config.noise_data, &mut config.from];
    for folder in folders.into_iter().chain(&mut config.teachers) {
        let nameless = if folder.as_os_str().is_empty() { "" } else { "unnamed" };
        *folder = folder.file_name().map_or_else(|| nameless.into(), PathBuf::from);
    }
    ModelMeta {
        preset: run.config.preset.clone(),
        decision: DecisionDefaults::for_model(&model.arch, &model.labels),
        arch: model.arch.clone(),
        labels: model.labels.clone(),
        provenance: Provenance {
            config: config.to_toml(),
            seed: run.config.seed,
            data_sha256: model.data_sha256.clone(),
            split_sha256: model.split_sha256.clone(),
            trainer_version: model.trainer_version.clone(),
        },
    }
}
