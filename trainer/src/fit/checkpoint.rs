//! The whole state of a training run in one file.
//!
//! ```text
//! "AURCKPT2" | SHA-256 of the body | body (postcard): progress, weights, optimiser, average
//! ```
//!
//! Weights and optimiser state are Burn's own records. The file is written beside its place,
//! flushed to disk and renamed, so that a reader finds the old one or the new one, never a part.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use burn::module::Module as _;
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::schedule::Stages;
use crate::net::Network;

const MAGIC: &[u8; 8] = b"AURCKPT2";

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epoch under way, from 0.
    pub epoch: u32,
    /// Next batch of that epoch.
    pub batch: u64,
    /// Steps taken.
    pub step: u64,
    /// Sums over the epoch so far.
    pub sums: Sums,
    /// State of the staged schedule.
    pub stages: Stages,
    /// The best epoch on validation.
    pub best: Option<Best>,
    /// Whether training is over.
    pub finished: bool,
}

/// Sums over the clips of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Of the loss.
    pub loss: f64,
    /// Of the clips classified correctly.
    pub correct: u64,
    /// Of all clips.
    pub clips: u64,
    /// Of the seconds spent.
    pub seconds: f64,
}

/// Validation figures of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The epoch, from 0.
    pub epoch: u32,
    /// Share of validation clips classified correctly; of tags the macro ROC-AUC.
    pub score: f64,
    /// Mean cross-entropy.
    pub loss: f64,
}

/// Why a checkpoint cannot be read or written.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no checkpoint, or was damaged.
    #[error("{path}: not a checkpoint of this program, or damaged ({what})")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What gave it away.
        what: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Body {
    progress: Progress,
    weights: Vec<u8>,
    optimizer: Vec<u8>,
    /// Averaged weights; empty where the run keeps none.
    average: Vec<u8>,
}

/// What a checkpoint holds.
#[expect(missing_debug_implementations, reason = "Burn's optimisers have none")]
pub struct Checkpoint {
    /// How far the run has come.
    pub progress: Progress,
    /// The weights.
    pub net: Network,
    /// The optimiser, if one was asked for.
    pub optimizer: Option<ModuleOptimizer>,
    /// The averaged weights, if the run keeps them.
    pub average: Option<Network>,
}

/// Writes a checkpoint.
///
/// # Errors
/// The disk is full or the folder not writable; an older checkpoint then stays as it was.
pub fn save(
    path: &Path,
    progress: &Progress,
    net: &Network,
    optimizer: &ModuleOptimizer,
    average: Option<&Network>,
) -> Result<(), CheckpointError> {
    let damaged = |what: String| CheckpointError::Damaged { path: path.to_owned(), what };
    let record = |net: &Network| {
        let bytes = net.clone().into_record().into_bytes();
        bytes.map(|bytes| bytes.to_vec()).map_err(|e| damaged(e.to_string()))
    };
    let optimizer = optimizer.into_bytes().map_err(|e| damaged(e.to_string()))?;
    let body = Body {
        progress: progress.clone(),
        weights: record(net)?,
        optimizer: optimizer.to_vec(),
        average: average.map(record).transpose()?.unwrap_or_default(),
    };
    let body = postcard::to_stdvec(&body).map_err(|e| damaged(e.to_string()))?;
    let hash = Sha256::digest(&body);
    replace(path, &[MAGIC.as_slice(), hash.as_slice(), &body])
        .map_err(|source| CheckpointError::Io { path: path.to_owned(), source })
}

/// Reads how far a checkpoint's run has come, and its weights and optimiser state into a network and
/// optimiser of the same architecture.
///
/// # Errors
/// No file, no checkpoint, or one of another architecture.
pub fn load(
    path: &Path,
    net: Network,
    optimizer: Option<ModuleOptimizer>,
) -> Result<Checkpoint, CheckpointError> {
    let damaged =
        |what: &str| CheckpointError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let bytes = std::fs::read(path)
        .map_err(|source| CheckpointError::Io { path: path.to_owned(), source })?;
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("no magic number"))?;
    let (hash, body) = rest.split_at_checked(32).ok_or_else(|| damaged("cut short"))?;
    if Sha256::digest(body).as_slice() != hash {
        return Err(damaged("wrong checksum"));
    }
    let body: Body = postcard::from_bytes(body).map_err(|e| damaged(&e.to_string()))?;
    let loaded = |net: Network, bytes: Vec<u8>| {
        let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes))
            .map_err(|e| damaged(&e.to_string()))?;
        net.try_load_record(record).map_err(|e| damaged(&e.to_string()))
    };
    let average = match body.average.is_empty() {
        true => None,
        false => Some(loaded(net.clone().valid(), body.average)?),
    };
    let net = loaded(net, body.weights)?;
    let optimizer = match optimizer {
        Some(fresh) if !body.optimizer.is_empty() => {
            let bytes = Bytes::from_bytes_vec(body.optimizer);
            Some(fresh.from_bytes(bytes).map_err(|e| damaged(&e.to_string()))?)
        }
        other => other,
    };
    Ok(Checkpoint { progress: body.progress, net, optimizer, average })
}

/// Writes `parts` to a temporary file beside `path`, flushes it to disk, and renames it.
pub(crate) fn replace(path: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.as_file().sync_all()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map_err(|error| error.error)?;
    // The rename itself lasts once the folder is on disk.
    File::open(folder)?.sync_all()
}
