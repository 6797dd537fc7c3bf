//! Decision settings on the command line.

use clap::Args;

use super::{Cooldown, GateLevel, Overrides, Threshold};

/// How windows are cut and when a class counts as detected; defaults come with the model.
#[derive(Clone, Debug, Default, Args)]
pub struct DecisionFlags {
    /// Milliseconds between two windows. Of the hops within a tenth of it the one is taken at which a second of the stream
    /// costs least, as windows share work there.
    #[arg(long, value_name = "MS")]
    hop: Option<f64>,
    /// Detect only these classes, separated by commas. The others still compete: what is more like one of them is
    /// no detection.
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    only: Vec<String>,
    /// Windows averaged.
    #[arg(long, value_name = "N")]
    smoothing: Option<u16>,
    /// Smallest confidence of a detection, 0 to 1, for all classes or as LABEL=X for one; may be
    /// repeated.
    #[arg(long, value_name = "[LABEL=]X")]
    threshold: Vec<Threshold>,
    /// Windows in succession with that confidence before a detection.
    #[arg(long, value_name = "N")]
    min_count: Option<u16>,
    /// Share of its threshold, 0 to 1, below which a detected class must fall before it is detected again.
    #[arg(long, value_name = "X")]
    release: Option<f32>,
    /// Milliseconds after a detection in which nothing else is detected.
    #[arg(long, value_name = "MS")]
    suppression: Option<f64>,
    /// Milliseconds after a detection in which the same class is not detected again, for all classes or as
    /// LABEL=MS for one; may be repeated.
    #[arg(long, value_name = "[LABEL=]MS")]
    cooldown: Vec<Cooldown>,
    /// Windows at the start in which nothing is detected.
    #[arg(long, value_name = "N")]
    warm_up: Option<u16>,
    /// Do not compute windows that are quieter than this, in decibels below full scale (for example -60), or `off`.
    #[arg(long, value_name = "DB", allow_hyphen_values = true)]
    gate: Option<GateLevel>,
}

impl DecisionFlags {
    /// The flags as overrides of a model's decision defaults.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            hop_ms: self.hop,
            only: self.only.clone(),
            smoothing: self.smoothing,
            thresholds: self.threshold.clone(),
            min_count: self.min_count,
            release: self.release,
            suppression_ms: self.suppression,
            cooldowns: self.cooldown.clone(),
            warm_up: self.warm_up,
            gate: self.gate,
        }
    }
}
