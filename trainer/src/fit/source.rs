//! A trained network to start from: a run folder, or a model that was exported.

use std::path::{Path, PathBuf};

use burn::module::{Module as _, Param};
use burn::tensor::{Tensor, TensorData};
use models::arch::ArchSpec;
use models::meta::ModelMeta;
use prost::Message as _;
use runtime::engine::{Engine as _, EngineError, TractEngine};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tract_onnx::pb::ModelProto;

use super::batch::Epoch;
use super::config::FitConfig;
use super::run::{Origin, Run, RunError};
use crate::data::Dataset;
use crate::data::digest::hex;
use crate::export::unfold::unfold;
use crate::net::{Compute, Dropout, Network};

/// A trained network and what it was trained for.
#[derive(Debug)]
pub struct Source {
    /// Its architecture.
    pub arch: ArchSpec,
    /// Name of the architecture.
    pub preset: String,
    /// Its classes.
    pub labels: Vec<String>,
    /// SHA-256 of the file with the weights, as hex.
    pub sha256: String,
    /// The recordings that it was trained on, and their split.
    pub origin: Origin,
    net: Network,
    /// Whether its batch norms are folded away.
    folded: bool,
}

/// Why a network cannot be started from.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A run folder that is none, or has no weights.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file that is no model.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Weights that cannot be trained on, or none at all.
    #[error(
        "{path}: {reason}; name a training run, or a `model.onnx` that `trainer export` has written"
    )]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Source {
    /// Loads the best network of a run folder, or the network of an ONNX file.
    ///
    /// # Errors
    /// There is no such network.
    pub fn load(path: &Path, compute: &Compute) -> Result<Self, SourceError> {
        let unusable = |reason: String| SourceError::Unusable { path: path.to_owned(), reason };
        if let Some(reason) = absent(path) {
            return Err(unusable(reason.to_owned()));
        }
        if path.is_dir() {
            return Self::of_run(&Run::open(path)?, compute);
        }
        if path.extension().is_some_and(|extension| extension == "q8") {
            return Err(unusable("is an int8 model, whose weights are rounded".to_owned()));
        }
        // The engine tells in one line what is wrong with a file.
        let meta = TractEngine::load(path)?.meta().clone();
        let bytes = read(path)?;
        let proto = ModelProto::decode(bytes.as_slice()).map_err(|e| unusable(e.to_string()))?;
        let net = unfold(&proto, &meta.arch, compute).map_err(unusable)?;
        let (sha256, folded) = (hex(Sha256::digest(&bytes)), true);
        let origin = Origin::new(&meta.provenance.data_sha256, &meta.provenance.split_sha256);
        let ModelMeta { arch, preset, labels, .. } = meta;
        Ok(Self { arch, preset, labels, sha256, origin, net, folded })
    }

    fn of_run(run: &Run, compute: &Compute) -> Result<Self, SourceError> {
        let (net, _) = run.best_network(compute)?;
        let sha256 = hex(Sha256::digest(read(&run.weights()?)?));
        let preset = run.config.preset.clone();
        let (arch, labels) = (run.model.arch.clone(), run.model.labels.clone());
        let origin = run.model.origin();
        Ok(Self { arch, preset, labels, sha256, origin, net, folded: false })
    }

    /// The network as it is, for inference.
    #[must_use]
    pub fn trained(&self) -> Network {
        self.net.clone().valid().without_rounding()
    }

    /// The network as it is, on the training device, so that gradients can be taken of it.
    #[must_use]
    pub fn differentiable(&self) -> Network {
        self.net.clone().without_rounding()
    }

    /// The network for the classes of `data`: outputs of classes that it knows stay as they are, the others are
    /// fresh.
    ///
    /// # Errors
    /// More classes than a network may have.
    pub fn network(
        &self,
        config: &FitConfig,
        data: &Dataset,
        compute: &Compute,
    ) -> Result<(ArchSpec, Network), models::arch::ArchError> {
        let classes = u16::try_from(data.labels.len()).unwrap_or(0);
        let arch = ArchSpec { classes, task: data.task, ..self.arch.clone() };
        let known = |label: &String| self.labels.iter().position(|known| known == label);
        let kept: Vec<Option<usize>> = data.labels.iter().map(known).collect();
        let net = Network::new(&arch, config.seed, compute)?.with_weights_of(&self.net, &kept);
        if self.folded && !config.freeze {
            let batch = Epoch::new(data, config, 0).batch(0);
            let shape = [batch.classes.len(), data.window];
            return Ok((arch, normed(net, TensorData::new(batch.windows, shape), compute)));
        }
        Ok((arch, net))
    }
}

/// Gives batch norms back to a network that has lost them: those of `windows`, `[B, T]`, whose effect scale and shift
/// undo. Training normalises by its batches; without this it would begin with another function.
fn normed(mut net: Network, windows: TensorData, compute: &Compute) -> Network {
    let device = compute.training_device();
    for index in 0..net.layers.len() {
        // Layers before this one have theirs already.
        let x = Tensor::<2>::from_data(windows.clone(), &device);
        let (_, mut statistics) = net.forward_train(x, &Dropout::NONE, compute);
        let stats = statistics.swap_remove(index);
        let deviation = |variance: &f32| (variance + crate::kernel::EPSILON).sqrt();
        let gamma = stats.variance.iter().map(deviation).collect();
        let param = |values: Vec<f32>| {
            let shape = [values.len()];
            Param::from_data(TensorData::new(values, shape), &device)
        };
        let layer = &mut net.layers[index];
        layer.gamma = param(gamma);
        layer.beta = param(stats.mean.clone());
        layer.mean = param(stats.mean).set_require_grad(false);
        layer.variance = param(stats.variance).set_require_grad(false);
    }
    net
}

/// Why there is neither a training run nor a file at `path`, where that is so.
pub(crate) fn absent(path: &Path) -> Option<&'static str> {
    if path.is_dir() {
        return (!Run::exists(path)).then_some("no training run here (no config.toml)");
    }
    matches!(path.try_exists(), Ok(false)).then_some("no such file or folder")
}

fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    std::fs::read(path).map_err(|source| SourceError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use models::arch::preset;
    use models::meta::{DecisionDefaults, ModelMeta, Provenance};
    use rand::RngExt as _;

    use super::*;
    use crate::draw;
    use crate::export::{fold, onnx};

    fn random(count: usize, seed: u64) -> Vec<f32> {
        let mut rng = draw::rng(seed, "source", &[]);
        (0..count).map(|_| rng.random_range(-0.7..0.7)).collect()
    }

    /// A network whose statistics have moved.
    fn network(arch: &ArchSpec, compute: &Compute) -> Network {
        let net = Network::new(arch, 3, compute).unwrap();
        let window = arch.window as usize;
        let x = TensorData::new(random(2 * window, 1), [2, window]);
        let x = Tensor::from_data(x, &compute.training_device());
        let (_, statistics) = net.forward_train(x, &Dropout::NONE, compute);
        net.with_statistics(&statistics)
    }

    fn logits(net: &Network, arch: &ArchSpec, compute: &Compute) -> Vec<f32> {
        let window = arch.window as usize;
        let x = TensorData::new(random(4 * window, 2), [4, window]);
        let x = Tensor::from_data(x, compute.inference_device());
        net.clone().valid().forward(x, compute).into_data().try_to_vec().unwrap()
    }

    fn near(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 2e-4)
    }

    #[test]
    fn exported_networks_come_back_as_they_were() {
        let compute = Compute::cpu();
        for name in ["nano", "rese-nano"] {
            let arch = preset(name, 4).unwrap();
            let net = network(&arch, &compute);
            let labels: Vec<String> = (0..4).map(|class| class.to_string()).collect();
            let meta = ModelMeta {
                preset: name.to_owned(),
                arch: arch.clone(),
                decision: DecisionDefaults::for_labels(&labels, 16_000),
                labels,
                provenance: Provenance::default(),
            };
            let folded = fold::fold(&net.clone().valid());
            let file = tempfile::NamedTempFile::with_suffix(".onnx").unwrap();
            std::fs::write(file.path(), onnx::encode(&folded, &meta)).unwrap();
            let source = Source::load(file.path(), &compute).unwrap();
            assert_eq!((source.preset.as_str(), source.labels.len()), (name, 4));
            let expected = logits(&net, &arch, &compute);
            assert!(near(&logits(&source.net, &arch, &compute), &expected), "{name}");
            // With batch norms again it computes the same.
            let window = arch.window as usize;
            let windows = TensorData::new(random(8 * window, 3), [8, window]);
            let again = normed(source.net, windows, &compute);
            let moved: Vec<f32> = again.layers[1].mean.val().into_data().try_to_vec().unwrap();
            assert!(moved.iter().any(|mean| mean.abs() > 1e-3));
            assert!(near(&logits(&again, &arch, &compute), &expected), "{name}");
        }
    }

    #[test]
    fn known_classes_keep_their_outputs() {
        let compute = Compute::cpu();
        let arch = preset("nano", 3).unwrap();
        let source = network(&arch, &compute);
        let wider = ArchSpec { classes: 4, ..arch.clone() };
        let fresh = Network::new(&wider, 9, &compute).unwrap();
        let net = fresh.clone().with_weights_of(&source, &[Some(2), None, Some(0), Some(1)]);
        let (old, new) = (logits(&source, &arch, &compute), logits(&net, &wider, &compute));
        for (old, new) in old.chunks_exact(3).zip(new.chunks_exact(4)) {
            assert_eq!([old[2], old[0], old[1]], [new[0], new[2], new[3]]);
        }
        let column = |net: &Network, class: usize| -> Vec<f32> {
            let weight: Vec<f32> = net.weight.val().into_data().try_to_vec().unwrap();
            weight.into_iter().skip(class).step_by(4).collect()
        };
        assert_eq!(column(&net, 1), column(&fresh, 1));
        assert_ne!(column(&net, 0), column(&fresh, 0));
    }
}
