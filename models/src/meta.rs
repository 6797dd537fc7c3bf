//! What travels inside an exported model besides its weights.
//!
//! An ONNX file carries it as `metadata_props`: text properties whose names start with
//! `auricle.`. [`ModelMeta::to_properties`] and [`ModelMeta::from_properties`] are the only places
//! that know those names.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::arch::{ArchSpec, Streaming, Task};
use crate::stream::{self, ClassSettings, FULL_SCALE, NEVER, Q15, Settings};

/// Version of the property set; a reader refuses any other.
pub const META_VERSION: u32 = 1;

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

/// How a stream is cut and decided unless the user says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionDefaults {
    /// Samples between two windows.
    pub hop: u32,
    /// Windows averaged.
    pub smoothing: u16,
    /// Windows in succession whose smoothed posterior reaches the threshold before a detection.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub min_count: u16,
    /// Share of its threshold below which a detected class's smoothed posterior must fall before it is detected
    /// again; more than 0, and 1 for the threshold itself.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub release: f32,
    /// Windows after a reset in which nothing is detected.
    pub warm_up: u16,
    /// Samples after a detection in which nothing else is detected.
    pub suppression: u32,
    /// Samples after a detection in which its own class is not detected again, one number a class; none where
    /// that is the suppression for all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cooldowns: Vec<u32>,
    /// Mean square of samples below which a window is quiet and need not be computed ([`stream::Gate`]);
    /// 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gate: u32,
    /// Smallest smoothed posterior of a detection, one a class; `None` for classes that are never
    /// reported, such as silence.
    pub thresholds: Vec<Option<f32>>,
}

// What files of the time before these settings mean, and what files that do not use them leave out.
const fn one() -> u16 {
    1
}

const fn whole() -> f32 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_one(value: &u16) -> bool {
    *value == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_whole(value: &f32) -> bool {
    *value == 1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// Threshold of a class that nobody chose one for.
pub const USUAL_THRESHOLD: f32 = 0.6;

impl DecisionDefaults {
    /// Defaults for a model with these labels: hop 2187 samples, mean over 3 windows, threshold
    /// 0.6 in a single one, one second of suppression. Silence and unknown are never reported.
    #[must_use]
    pub fn for_labels(labels: &[String], sample_rate_hz: u32) -> Self {
        let is_word = |label: &String| label != SILENCE && label != UNKNOWN;
        let threshold = |label: &String| is_word(label).then_some(USUAL_THRESHOLD);
        Self {
            hop: stream::DEFAULT_HOP,
            smoothing: 3,
            min_count: one(),
            release: whole(),
            warm_up: 0,
            suppression: sample_rate_hz,
            cooldowns: Vec::new(),
            gate: 0,
            thresholds: labels.iter().map(threshold).collect(),
        }
    }

    /// Defaults for a network and its labels: those of [`DecisionDefaults::for_labels`] at the network's
    /// [`Streaming::usual_hop`], for tags with a threshold of 0.5 for each and no suppression.
    #[must_use]
    pub fn for_model(arch: &ArchSpec, labels: &[String]) -> Self {
        let hop = Streaming::usual_hop(arch);
        let classes = Self { hop, ..Self::for_labels(labels, arch.sample_rate_hz) };
        match arch.task {
            Task::MultiClass => classes,
            Task::MultiLabel => Self {
                suppression: 0,
                thresholds: labels.iter().map(|_| Some(0.5)).collect(),
                ..classes
            },
        }
    }

    /// The settings that the decision core takes.
    #[must_use]
    pub fn settings(&self, window: u32) -> Settings {
        let Self { smoothing, min_count, warm_up, suppression, .. } = *self;
        let release = stream::from_f32(self.release);
        Settings { window, smoothing, min_count, release, warm_up, suppression }
    }

    /// The thresholds that the decision core takes.
    #[must_use]
    pub fn thresholds_q15(&self) -> Vec<Q15> {
        let to_q15 = |threshold: &Option<f32>| threshold.map_or(NEVER, stream::from_f32);
        self.thresholds.iter().map(to_q15).collect()
    }

    /// The classes as the decision core takes them.
    pub fn classes(&self) -> impl ExactSizeIterator<Item = ClassSettings> {
        let cooldown = |class| self.cooldowns.get(class).copied().unwrap_or(0);
        let thresholds = self.thresholds_q15().into_iter().enumerate();
        thresholds
            .map(move |(class, threshold)| ClassSettings { threshold, cooldown: cooldown(class) })
    }
}

/// Why a file's properties are not those of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaError {
    /// No property of ours at all.
    NotOurs,
    /// A property is missing.
    Missing(&'static str),
    /// Another version of the property set.
    Version(String),
    /// A property cannot be understood.
    Malformed {
        /// Name of the property.
        property: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Two properties contradict each other.
    Contradiction(String),
}

impl core::error::Error for MetaError {}

impl fmt::Display for MetaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => write!(
                f,
                "the model carries no Auricle metadata (labels, rate, window); export it with `trainer export`"
            ),
            Self::Missing(property) => write!(f, "the model's metadata lacks `{property}`"),
            Self::Version(version) => write!(
                f,
                "the model's metadata has version {version}, this program reads version {META_VERSION}"
            ),
            Self::Malformed { property, reason } => {
                write!(f, "the model's metadata `{property}` is malformed: {reason}")
            }
            Self::Contradiction(what) => {
                write!(f, "the model's metadata contradicts itself: {what}")
            }
        }
    }
}

const VERSION: &str = "auricle.version";
const PRESET: &str = "auricle.preset";
const ARCH: &str = "auricle.arch";
const LABELS: &str = "auricle.labels";
const RATE: &str = "auricle.sample_rate_hz";
const WINDOW: &str = "auricle.window";
const DECISION: &str = "auricle.decision";
const CONFIG: &str = "auricle.config";
const SEED: &str = "auricle.seed";
const DATA: &str = "auricle.data_sha256";
const SPLIT: &str = "auricle.split_sha256";
const TRAINER: &str = "auricle.trainer_version";

impl ModelMeta {
    /// The metadata as text properties, always in the same order.
    #[must_use]
    pub fn to_properties(&self) -> Vec<(String, String)> {
        let json = |value: Result<String, serde_json::Error>| {
            value.expect("plain structs of numbers and strings are valid JSON")
        };
        let Provenance { config, seed, data_sha256, split_sha256, trainer_version } =
            &self.provenance;
        [
            (VERSION, META_VERSION.to_string()),
            (PRESET, self.preset.clone()),
            (ARCH, json(serde_json::to_string(&self.arch))),
            (LABELS, json(serde_json::to_string(&self.labels))),
            (RATE, self.arch.sample_rate_hz.to_string()),
            (WINDOW, self.arch.window.to_string()),
            (DECISION, json(serde_json::to_string(&self.decision))),
            (CONFIG, config.clone()),
            (SEED, seed.to_string()),
            (DATA, data_sha256.clone()),
            (SPLIT, split_sha256.clone()),
            (TRAINER, trainer_version.clone()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// Reads what [`ModelMeta::to_properties`] wrote; other properties are ignored.
    ///
    /// # Errors
    /// Missing, malformed or contradictory properties.
    pub fn from_properties<'a>(
        properties: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<Self, MetaError> {
        if !properties.clone().any(|(name, _)| name.starts_with("auricle.")) {
            return Err(MetaError::NotOurs);
        }
        let get = |name: &'static str| {
            let mut found = properties.clone().filter(|(key, _)| *key == name);
            found.next().map(|(_, value)| value).ok_or(MetaError::Missing(name))
        };
        let version = get(VERSION)?;
        if version != META_VERSION.to_string() {
            return Err(MetaError::Version(version.chars().take(20).collect()));
        }
        let meta = Self {
            preset: get(PRESET)?.to_owned(),
            arch: parse_json(ARCH, get(ARCH)?)?,
            labels: parse_json(LABELS, get(LABELS)?)?,
            decision: parse_json(DECISION, get(DECISION)?)?,
            provenance: Provenance {
                config: get(CONFIG)?.to_owned(),
                seed: parse_json(SEED, get(SEED)?)?,
                data_sha256: get(DATA)?.to_owned(),
                split_sha256: get(SPLIT)?.to_owned(),
                trainer_version: get(TRAINER)?.to_owned(),
            },
        };
        meta.validate()?;
        let same = |property, expected: u32| match parse_json::<u32>(property, get(property)?)? {
            value if value == expected => Ok(()),
            value => Err(MetaError::Contradiction(format!(
                "`{property}` is {value} but the architecture says {expected}"
            ))),
        };
        same(RATE, meta.arch.sample_rate_hz)?;
        same(WINDOW, meta.arch.window)?;
        Ok(meta)
    }

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

fn parse_json<'a, T: Deserialize<'a>>(
    property: &'static str,
    text: &'a str,
) -> Result<T, MetaError> {
    serde_json::from_str(text)
        .map_err(|error| MetaError::Malformed { property, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::preset;
    use proptest::prelude::*;
    use std::vec;

    fn meta() -> ModelMeta {
        let labels: Vec<String> = ["go", "stop", SILENCE].map(str::to_owned).into();
        ModelMeta {
            preset: "nano".to_owned(),
            arch: preset("nano", 3).unwrap(),
            decision: DecisionDefaults::for_labels(&labels, 16_000),
            labels,
            provenance: Provenance { seed: u64::MAX, ..Provenance::default() },
        }
    }

    fn read(properties: &[(String, String)]) -> Result<ModelMeta, MetaError> {
        ModelMeta::from_properties(properties.iter().map(|(k, v)| (k.as_str(), v.as_str())))
    }

    #[test]
    fn properties_survive_the_round_trip() {
        let mut properties = meta().to_properties();
        properties.push(("producer".to_owned(), "somebody".to_owned()));
        assert_eq!(read(&properties).unwrap(), meta());
    }

    #[test]
    fn silence_is_never_reported() {
        assert_eq!(meta().decision.thresholds_q15()[2], NEVER);
    }

    #[test]
    fn tags_are_all_reported() {
        let mut meta = meta();
        meta.arch.task = Task::MultiLabel;
        let decision = DecisionDefaults::for_model(&meta.arch, &meta.labels);
        assert_eq!((decision.suppression, decision.thresholds), (0, vec![Some(0.5); 3]));
        meta.arch.task = Task::MultiClass;
        assert_eq!(DecisionDefaults::for_model(&meta.arch, &meta.labels), meta.decision);
    }

    #[test]
    fn settings_that_are_not_used_are_left_out() {
        let text = |decision: &DecisionDefaults| serde_json::to_string(decision).unwrap();
        let mut decision = meta().decision;
        let usual = r#"{"hop":2187,"smoothing":3,"warm_up":0,"suppression":16000,"thresholds":[0.6,0.6,null]}"#;
        assert_eq!(text(&decision), usual);
        assert_eq!(serde_json::from_str::<DecisionDefaults>(usual).unwrap(), decision);
        (decision.min_count, decision.release, decision.gate) = (2, 0.75, 1000);
        decision.cooldowns = vec![1, 2, 3];
        let again: DecisionDefaults = serde_json::from_str(&text(&decision)).unwrap();
        assert_eq!(again, decision);
        assert_eq!(again.classes().nth(1).map(|class| class.cooldown), Some(2));
        assert_eq!(again.settings(9).release, 3 << 13);
    }

    #[test]
    fn models_of_others_are_told_apart_from_broken_ones() {
        assert_eq!(read(&[]), Err(MetaError::NotOurs));
        for index in 0..meta().to_properties().len() {
            let mut properties = meta().to_properties();
            let (name, _) = properties.remove(index);
            assert!(matches!(read(&properties), Err(MetaError::Missing(n)) if n == name));
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let mut wrong = vec![meta(); 9];
        wrong[0].labels.pop();
        wrong[1].decision.thresholds.push(None);
        wrong[2].decision.thresholds[0] = Some(1.5);
        wrong[3].arch.window = 1;
        wrong[4].decision.min_count = 0;
        wrong[5].decision.release = 0.0;
        wrong[6].decision.release = 1.1;
        wrong[7].decision.cooldowns = vec![1, 2];
        wrong[8].decision.gate = FULL_SCALE + 1;
        for meta in wrong {
            let read = read(&meta.to_properties());
            assert!(matches!(read, Err(MetaError::Contradiction(_))), "{read:?}");
        }
    }

    proptest! {
        #[test]
        fn hostile_properties_are_errors_not_panics(index in 0..12usize, text in ".{0,60}") {
            let mut properties = meta().to_properties();
            properties[index].1 = text;
            let _ = read(&properties);
        }
    }
}
