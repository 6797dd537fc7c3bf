//! What travels inside an exported model besides its weights.
//!
//! An ONNX file carries it as `metadata_props`: text properties whose names start with
//! `auricle.`. [`ModelMeta::to_properties`] and [`ModelMeta::from_properties`] are the only places
//! that know those names.

mod decision;
mod properties;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::arch::ArchSpec;
use crate::stream::{self, FULL_SCALE};

pub use decision::{DecisionDefaults, USUAL_THRESHOLD};
pub use properties::{META_VERSION, MetaError};

/// Label of the class for "nothing is being said".
pub const SILENCE: &str = "_silence_";
/// Label of the class for "a word, but none of the commands".
pub const UNKNOWN: &str = "_unknown_";

/// Everything about a model but its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelMeta {
    /// Name of the preset, or of the user's own architecture.
    pub preset: String,
    /// The network.
    pub arch: ArchSpec,
    /// One label a class, in the order of the outputs.
    pub labels: Vec<String>,
    /// How to decide on a stream unless the user says otherwise.
    pub decision: DecisionDefaults,
    /// Where the weights came from.
    pub provenance: Provenance,
}

/// Where a model's weights came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Full training configuration as TOML.
    pub config: String,
    /// Seed of every random draw.
    pub seed: u64,
    /// SHA-256 over the training data's names and samples, as hex.
    pub data_sha256: String,
    /// SHA-256 over the split's lists, as hex.
    pub split_sha256: String,
    /// Version of the trainer.
    pub trainer_version: String,
}

impl ModelMeta {
    /// Checks that the parts fit one another.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn validate(&self) -> Result<(), MetaError> {
        let contradiction = |what: String| Err(MetaError::Contradiction(what));
        if let Err(error) = self.arch.layers() {
            return contradiction(error.to_string());
        }
        let classes = usize::from(self.arch.classes);
        if self.labels.len() != classes {
            return contradiction(format!("{} labels for {classes} classes", self.labels.len()));
        }
        let DecisionDefaults {
            hop,
            smoothing,
            min_count,
            release,
            cooldowns,
            gate,
            thresholds,
            ..
        } = &self.decision;
        if thresholds.len() != classes {
            return contradiction(format!("{} thresholds for {classes} classes", thresholds.len()));
        }
        if *hop == 0 || *smoothing == 0 || *min_count == 0 {
            return contradiction("hop, smoothing and minimum count must be at least 1".to_owned());
        }
        if stream::from_f32(*release) == 0 || *release > 1.0 {
            return contradiction("the release is not above 0 and at most 1".to_owned());
        }
        if !cooldowns.is_empty() && cooldowns.len() != classes {
            return contradiction(format!("{} cooldowns for {classes} classes", cooldowns.len()));
        }
        if *gate > FULL_SCALE {
            return contradiction("the gate lies above full scale".to_owned());
        }
        let valid = |threshold: &f32| (0.0..=1.0).contains(threshold);
        if !thresholds.iter().flatten().all(valid) {
            return contradiction("a threshold is not in 0 to 1".to_owned());
        }
        Ok(())
    }
}
