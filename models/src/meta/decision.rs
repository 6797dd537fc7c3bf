//! How a model decides on a stream unless the user says otherwise.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{SILENCE, UNKNOWN};
use crate::arch::{ArchSpec, Streaming, Task};
use crate::stream::{self, ClassSettings, NEVER, Q15, Settings};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::preset;
    use std::borrow::ToOwned as _;
    use std::vec;

    fn labels() -> Vec<String> {
        ["go", "stop", SILENCE].map(str::to_owned).into()
    }

    fn decision() -> DecisionDefaults {
        DecisionDefaults::for_labels(&labels(), 16_000)
    }

    #[test]
    fn silence_is_never_reported() {
        assert_eq!(decision().thresholds_q15()[2], NEVER);
    }

    #[test]
    fn tags_are_all_reported() {
        let mut arch = preset("nano", 3).unwrap();
        assert_eq!(DecisionDefaults::for_model(&arch, &labels()), decision());
        arch.task = Task::MultiLabel;
        let tags = DecisionDefaults::for_model(&arch, &labels());
        assert_eq!((tags.suppression, tags.thresholds), (0, vec![Some(0.5); 3]));
    }

    #[test]
    fn settings_that_are_not_used_are_left_out() {
        let text = |decision: &DecisionDefaults| serde_json::to_string(decision).unwrap();
        let mut decision = decision();
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
}
