//! `trainer export`

use std::path::PathBuf;

use anyhow::Context as _;
use burn::module::Module as _;
use models::meta::{DecisionDefaults, ModelMeta, Provenance};

use super::data_common::print;
use crate::export::{check, fold, onnx};
use crate::fit::Run;
use crate::fit::checkpoint::replace;
use crate::net::Compute;

/// Arguments of `trainer export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Folder of the training run.
    run: PathBuf,
    /// Folder for `model.onnx` and `train.toml`, made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes a run's best network as a model.
///
/// # Errors
/// No run, an unwritable folder, or a model that differs from the network.
pub fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let run = Run::open(&args.run)?;
    let compute = Compute::cpu();
    let (net, progress) = run.best_network(&compute)?;
    let net = net.valid();
    let meta = metadata(&run);
    meta.validate()?;
    let bytes = onnx::encode(&fold::fold(&net), &meta);

    let folder = &args.out;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let unchecked = tempfile::Builder::new().suffix(".onnx").tempfile_in(folder);
    let unchecked = unchecked.with_context(|| folder.display().to_string())?;
    std::fs::write(unchecked.path(), &bytes).with_context(|| folder.display().to_string())?;
    let difference = check::check(unchecked.path(), &net, &compute)?;
    drop(unchecked);

    let model = folder.join("model.onnx");
    replace(&model, &[&bytes]).with_context(|| model.display().to_string())?;
    let config = folder.join("train.toml");
    let text = &meta.provenance.config;
    replace(&config, &[text.as_bytes()]).with_context(|| config.display().to_string())?;
    let best = progress.best.map_or(String::new(), |best| {
        format!("epoch {}, {:.2} % on validation; ", best.epoch + 1, 100.0 * best.accuracy)
    });
    print(&format!(
        "{}: {} bytes, {} classes; {best}largest difference to the network {difference:.1e}\n",
        model.display(),
        bytes.len(),
        meta.labels.len(),
    ))
}

fn metadata(run: &Run) -> ModelMeta {
    let model = &run.model;
    // Where the data lay on the computer that trained is nobody's business: its name is enough.
    let mut config = run.config.clone();
    config.data = config.data.file_name().map(PathBuf::from).unwrap_or_default();
    ModelMeta {
        preset: run.config.preset.clone(),
        decision: DecisionDefaults::for_labels(&model.labels, model.arch.sample_rate_hz),
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
