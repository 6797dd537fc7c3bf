//! The folder of a training run.
//!
//! | file | holds |
//! |---|---|
//! | `config.toml` | the full configuration |
//! | `model.json` | the architecture, labels and where the data came from |
//! | `metrics.jsonl` | one line an epoch |
//! | `last.ckpt` | the state to resume from |
//! | `best.ckpt` | the state with the best validation figures |

use std::path::{Path, PathBuf};

use models::arch::ArchSpec;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::checkpoint::{self, CheckpointError, Progress};
use super::config::{ConfigError, FitConfig};
use crate::data::Dataset;
use crate::net::{Activation, Compute, Network};

/// A run folder.
#[derive(Clone, Debug)]
pub struct Run {
    folder: PathBuf,
    /// The full configuration.
    pub config: FitConfig,
    /// What was trained on what.
    pub model: ModelInfo,
}

/// What was trained on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The network.
    pub arch: ArchSpec,
    /// The classes, in the order of the outputs.
    pub labels: Vec<String>,
    /// SHA-256 over the data, as hex.
    pub data_sha256: String,
    /// SHA-256 over the split, as hex.
    pub split_sha256: String,
    /// Version of the trainer.
    pub trainer_version: String,
    /// How an int8 model stores the activations of each layer but the classifier, if the network is
    /// trained for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Vec<Activation>>,
}

/// Why a run folder cannot be used.
#[derive(Debug, Error)]
pub enum RunError {
    /// There is a run already.
    #[error(
        "{0}: holds a training run already; add `--resume` to go on with it, or choose another `--out`"
    )]
    Exists(PathBuf),
    /// There is none.
    #[error("{0}: no training run here (no config.toml); start one with `trainer fit --out {0}`")]
    Missing(PathBuf),
    /// No checkpoint yet.
    #[error("{0}: this run has no checkpoint yet; go on with `trainer fit --resume --out {0}`")]
    NoCheckpoint(PathBuf),
    /// The data set has changed since.
    #[error(
        "{0}: the data set is no longer the one this run was trained on ({1} differs); restore it or start a new run"
    )]
    OtherData(PathBuf, &'static str),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file makes no sense.
    #[error("{path}: damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl ModelInfo {
    /// What `data` and `arch` say.
    #[must_use]
    pub fn new(arch: ArchSpec, data: &Dataset) -> Self {
        Self {
            arch,
            labels: data.labels.clone(),
            data_sha256: data.data_sha256.clone(),
            split_sha256: data.split_sha256.clone(),
            trainer_version: env!("CARGO_PKG_VERSION").to_owned(),
            stored: None,
        }
    }
}

/// The recordings that a network was trained on, and their split, by digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    data_sha256: String,
    split_sha256: String,
}

impl Origin {
    /// SHA-256 over the data and over the split, as hex.
    #[must_use]
    pub fn new(data_sha256: &str, split_sha256: &str) -> Self {
        Self { data_sha256: data_sha256.to_owned(), split_sha256: split_sha256.to_owned() }
    }

    /// Whether the same recordings were split in another way, so that one network would be tested with clips that
    /// the other has learnt from.
    #[must_use]
    pub fn clashes(&self, other: &Self) -> bool {
        self.data_sha256 == other.data_sha256 && self.split_sha256 != other.split_sha256
    }
}

impl ModelInfo {
    /// What it was trained on.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin::new(&self.data_sha256, &self.split_sha256)
    }
}

impl Run {
    /// Whether there is a run in the folder.
    #[must_use]
    pub fn exists(folder: &Path) -> bool {
        folder.join("config.toml").exists()
    }

    /// Starts a run folder.
    ///
    /// # Errors
    /// The folder holds a run already or cannot be written.
    pub fn create(folder: &Path, config: FitConfig, model: ModelInfo) -> Result<Self, RunError> {
        if Self::exists(folder) {
            return Err(RunError::Exists(folder.to_owned()));
        }
        let run = Self { folder: folder.to_owned(), config, model };
        std::fs::create_dir_all(folder).map_err(|source| run.io("", source))?;
        let model = serde_json::to_string_pretty(&run.model)
            .map_err(|error| run.damaged("model.json", &error.to_string()))?;
        run.write("model.json", model.as_bytes())?;
        run.write("config.toml", run.config.to_toml().as_bytes())?;
        Ok(run)
    }

    /// Opens a run folder.
    ///
    /// # Errors
    /// There is no run, or it is damaged.
    pub fn open(folder: &Path) -> Result<Self, RunError> {
        if !Self::exists(folder) {
            return Err(RunError::Missing(folder.to_owned()));
        }
        let config = FitConfig::read(&folder.join("config.toml"))?;
        let path = folder.join("model.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|source| RunError::Io { path: path.clone(), source })?;
        let model = serde_json::from_str(&text)
            .map_err(|error| RunError::Damaged { path, reason: error.to_string() })?;
        Ok(Self { folder: folder.to_owned(), config, model })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the state to resume from is.
    #[must_use]
    pub fn last(&self) -> PathBuf {
        self.folder.join("last.ckpt")
    }

    /// Where the best state is.
    #[must_use]
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.ckpt")
    }

    /// The weights with the best validation figures, and how far training had come.
    ///
    /// # Errors
    /// No checkpoint, or a damaged one.
    pub fn best_network(&self, compute: &Compute) -> Result<(Network, Progress), RunError> {
        self.network(&self.weights()?, compute)
    }

    /// The weights of the last step, as they are: not the average that a run may keep.
    ///
    /// # Errors
    /// No checkpoint, or a damaged one.
    pub fn last_network(&self, compute: &Compute) -> Result<(Network, Progress), RunError> {
        let last = self.last();
        if !last.exists() {
            return Err(RunError::NoCheckpoint(self.folder.clone()));
        }
        self.network(&last, compute)
    }

    fn network(&self, at: &Path, compute: &Compute) -> Result<(Network, Progress), RunError> {
        let loaded = checkpoint::load(at, self.fresh_network(compute)?, None)?;
        Ok((loaded.net, loaded.progress))
    }

    /// The checkpoint with the best state, or before there is one the last.
    ///
    /// # Errors
    /// No checkpoint.
    pub fn weights(&self) -> Result<PathBuf, RunError> {
        let path = [self.best(), self.last()].into_iter().find(|path| path.exists());
        path.ok_or_else(|| RunError::NoCheckpoint(self.folder.clone()))
    }

    /// The network before its first step.
    ///
    /// # Errors
    /// The run's description is damaged.
    pub fn fresh_network(&self, compute: &Compute) -> Result<Network, RunError> {
        let net = Network::new(&self.model.arch, self.config.seed, compute)
            .map_err(|error| self.damaged("model.json", &error.to_string()))?;
        Ok(match &self.model.stored {
            Some(stored) => net.with_rounding(stored),
            None => net,
        })
    }

    /// Checks that `data` is what the run was started on.
    ///
    /// # Errors
    /// It is not.
    pub fn check_data(&self, data: &Dataset) -> Result<(), RunError> {
        let differs = |what| Err(RunError::OtherData(self.folder.clone(), what));
        if data.labels != self.model.labels {
            return differs("the list of classes");
        }
        if data.split_sha256 != self.model.split_sha256 {
            return differs("the split");
        }
        if data.data_sha256 != self.model.data_sha256 {
            return differs("the audio");
        }
        Ok(())
    }

    /// Adds a line to the metrics log, after dropping lines of this epoch or later that an
    /// interrupted run left behind.
    ///
    /// # Errors
    /// The log cannot be read or written.
    pub fn log(&self, epoch: u32, line: &serde_json::Value) -> Result<(), RunError> {
        let name = "metrics.jsonl";
        let old = std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let earlier = |line: &&str| {
            let line: Option<serde_json::Value> = serde_json::from_str(line).ok();
            line.and_then(|line| line.get("epoch")?.as_u64())
                .is_some_and(|e| e < u64::from(epoch) + 1)
        };
        let mut text: String =
            old.lines().filter(earlier).map(|line| format!("{line}\n")).collect();
        text.push_str(&format!("{line}\n"));
        self.write(name, text.as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        checkpoint::replace(&self.folder.join(name), &[bytes])
            .map_err(|source| self.io(name, source))
    }

    fn io(&self, name: &str, source: std::io::Error) -> RunError {
        RunError::Io { path: self.folder.join(name), source }
    }

    fn damaged(&self, name: &str, reason: &str) -> RunError {
        RunError::Damaged { path: self.folder.join(name), reason: reason.to_owned() }
    }
}
