//! How windows are cut and when a class counts as detected: the model's defaults, overridden by
//! the user.

mod flags;
mod hop;
mod values;

use models::arch::{ArchSpec, Streaming};
use models::meta::{DecisionDefaults, ModelMeta, USUAL_THRESHOLD};
use models::stream::from_f32;

pub use flags::DecisionFlags;
pub use values::{Cooldown, GateLevel, Threshold};

/// Longest hop or suppression, in samples: more than 18 hours at 16 kHz.
const MAX_SAMPLES: f64 = (1_u32 << 30) as f64;

/// Most posteriors that smoothing keeps in memory (windows averaged × classes).
const MAX_HISTORY: usize = 1 << 24;

/// What the user wants otherwise than the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Milliseconds between two windows; a hop near it at which windows share their work is taken.
    pub hop_ms: Option<f64>,
    /// Labels of the only classes to be detected; none for those of the model.
    pub only: Vec<String>,
    /// Windows averaged.
    pub smoothing: Option<u16>,
    /// Thresholds of all or of single classes.
    pub thresholds: Vec<Threshold>,
    /// Windows in succession that must reach the threshold.
    pub min_count: Option<u16>,
    /// Share of its threshold below which a detected class must fall.
    pub release: Option<f32>,
    /// Milliseconds after a detection in which nothing else is detected.
    pub suppression_ms: Option<f64>,
    /// Milliseconds after a detection in which the same class is not detected again, of all or of single
    /// classes.
    pub cooldowns: Vec<Cooldown>,
    /// Windows at the start in which nothing is detected.
    pub warm_up: Option<u16>,
    /// Level below which windows are not computed.
    pub gate: Option<GateLevel>,
}

/// Why an override is refused. Each prints as one line.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecisionError {
    /// Not a threshold.
    #[error(
        "threshold '{text}' is not a number from 0 to 1; write 0.7, or label=0.7 for one class"
    )]
    Threshold {
        /// The text given.
        text: String,
    },
    /// Not a cooldown.
    #[error(
        "cooldown '{text}' is not a number of milliseconds; write 1500, or label=1500 for one class"
    )]
    Cooldown {
        /// The text given.
        text: String,
    },
    /// Not the level of a gate.
    #[error("gate '{text}' is not a level from -90 to 0 dB; write -60, or off")]
    Gate {
        /// The text given.
        text: String,
    },
    /// No windows that must reach the threshold.
    #[error("a minimum count of 0 windows is not at least 1")]
    MinCount,
    /// A release at which a class is never free again, or one above its threshold.
    #[error("a release of {share} is not more than 0 and at most 1")]
    Release {
        /// The share given.
        share: f32,
    },
    /// A threshold or cooldown for a class that the model does not have.
    #[error("the model has no class '{label}'{}", hint(label, labels))]
    UnknownLabel {
        /// The label given.
        label: String,
        /// The model's labels.
        labels: Vec<String>,
    },
    /// A length of time that is none.
    #[error("{what} of {ms} ms is not in 0 to {} ms", (MAX_SAMPLES / 1000.0 / f64::from(*rate_hz) * 1e6).floor())]
    Duration {
        /// Which length.
        what: &'static str,
        /// The length given, in milliseconds.
        ms: f64,
        /// The model's sample rate, in Hz.
        rate_hz: u32,
    },
    /// Smoothing over no windows or too many.
    #[error("smoothing over {windows} windows is not in 1 to {most}")]
    Smoothing {
        /// Windows asked for.
        windows: u16,
        /// Most windows for this model.
        most: usize,
    },
    /// A hop in the model's metadata that is too long to be one.
    #[error("the model's hop of {samples} samples is absurd; give another with --hop")]
    Hop {
        /// The model's hop.
        samples: u32,
    },
}

/// The one of some words that is most like `word`, if any is like it at all.
pub fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR: f64 = 0.7;
    let rated = words.map(|other| (strsim::jaro_winkler(word, other), other));
    let best = rated.max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(likeness, _)| *likeness >= NEAR).map(|(_, other)| other)
}

/// The nearest label, and all of them where they are few.
fn hint(label: &str, labels: &[String]) -> String {
    const FEW: usize = 50;
    let nearest = nearest(label, labels.iter().map(String::as_str));
    let mut text = nearest.map_or_else(String::new, |label| format!("; did you mean '{label}'?"));
    if labels.len() <= FEW {
        text.push_str(if text.is_empty() { "; it has: " } else { " It has: " });
        text.push_str(&labels.join(", "));
    }
    text
}

impl Overrides {
    /// The model's decision defaults with these overrides.
    ///
    /// A threshold of one class wins over one of all classes, whatever their order. A class that
    /// the model never reports (silence) is reported once it is given a threshold of its own, or named as one of
    /// the only classes.
    ///
    /// # Errors
    /// The first override that does not fit the model.
    pub fn apply(&self, meta: &ModelMeta) -> Result<DecisionDefaults, DecisionError> {
        self.apply_to(meta.decision.clone(), &meta.arch, &meta.labels)
    }

    /// These settings of a network with these labels, with these overrides.
    ///
    /// # Errors
    /// As [`Overrides::apply`].
    pub fn apply_to(
        &self,
        mut decision: DecisionDefaults,
        arch: &ArchSpec,
        labels: &[String],
    ) -> Result<DecisionDefaults, DecisionError> {
        let rate_hz = arch.sample_rate_hz;
        if let Some(ms) = self.hop_ms {
            let wanted = samples("hop", ms, rate_hz)?.max(1);
            decision.hop = Streaming::near(arch, wanted).unwrap_or(wanted);
        }
        if f64::from(decision.hop) > MAX_SAMPLES {
            return Err(DecisionError::Hop { samples: decision.hop });
        }
        if let Some(ms) = self.suppression_ms {
            decision.suppression = samples("suppression", ms, rate_hz)?;
        }
        decision.smoothing = self.smoothing.unwrap_or(decision.smoothing);
        decision.warm_up = self.warm_up.unwrap_or(decision.warm_up);
        decision.gate = self.gate.map_or(decision.gate, GateLevel::mean_square);
        decision.min_count = self.min_count.unwrap_or(decision.min_count);
        if decision.min_count == 0 {
            return Err(DecisionError::MinCount);
        }
        decision.release = self.release.unwrap_or(decision.release);
        if from_f32(decision.release) == 0 || decision.release > 1.0 {
            return Err(DecisionError::Release { share: decision.release });
        }
        let most = (MAX_HISTORY / labels.len().max(1)).max(1);
        if !(1..=most).contains(&usize::from(decision.smoothing)) {
            return Err(DecisionError::Smoothing { windows: decision.smoothing, most });
        }
        self.apply_thresholds(&mut decision, labels)?;
        self.apply_cooldowns(&mut decision, labels, rate_hz)?;
        Ok(decision)
    }

    fn apply_thresholds(
        &self,
        decision: &mut DecisionDefaults,
        labels: &[String],
    ) -> Result<(), DecisionError> {
        if !self.only.is_empty() {
            let own = std::mem::replace(&mut decision.thresholds, vec![None; labels.len()]);
            for label in &self.only {
                let class = class(label, labels)?;
                let threshold = own.get(class).copied().flatten().unwrap_or(USUAL_THRESHOLD);
                decision.thresholds[class] = Some(threshold);
            }
        }
        for Threshold { value, .. } in self.thresholds.iter().filter(|t| t.label.is_none()) {
            decision.thresholds.iter_mut().flatten().for_each(|threshold| *threshold = *value);
        }
        for Threshold { label, value } in &self.thresholds {
            let Some(label) = label else { continue };
            let class = class(label, labels)?;
            if let Some(slot) = decision.thresholds.get_mut(class) {
                *slot = Some(*value);
            }
        }
        Ok(())
    }

    fn apply_cooldowns(
        &self,
        decision: &mut DecisionDefaults,
        labels: &[String],
        rate_hz: u32,
    ) -> Result<(), DecisionError> {
        if !self.cooldowns.is_empty() {
            decision.cooldowns.resize(labels.len(), 0);
        }
        for Cooldown { ms, .. } in self.cooldowns.iter().filter(|c| c.label.is_none()) {
            decision.cooldowns.fill(samples("cooldown", *ms, rate_hz)?);
        }
        for Cooldown { label, ms } in &self.cooldowns {
            let Some(label) = label else { continue };
            decision.cooldowns[class(label, labels)?] = samples("cooldown", *ms, rate_hz)?;
        }
        Ok(())
    }
}

/// The class of a label.
fn class(label: &str, labels: &[String]) -> Result<usize, DecisionError> {
    labels.iter().position(|known| known == label).ok_or_else(|| DecisionError::UnknownLabel {
        label: label.to_owned(),
        labels: labels.to_vec(),
    })
}

/// Milliseconds as the nearest number of samples.
fn samples(what: &'static str, ms: f64, rate_hz: u32) -> Result<u32, DecisionError> {
    let samples = (ms / 1000.0 * f64::from(rate_hz)).round();
    match (0.0..=MAX_SAMPLES).contains(&samples) {
        true => Ok(samples as u32),
        false => Err(DecisionError::Duration { what, ms, rate_hz }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny_model::tiny_meta;

    fn thresholds(texts: &[&str]) -> Result<Vec<Option<f32>>, DecisionError> {
        let thresholds = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        let overrides = Overrides { thresholds, ..Overrides::default() };
        overrides.apply(&tiny_meta()).map(|decision| decision.thresholds)
    }

    #[test]
    fn without_overrides_the_model_decides() {
        assert_eq!(Overrides::default().apply(&tiny_meta()).unwrap(), tiny_meta().decision);
    }

    #[test]
    fn times_are_rounded_to_samples() {
        let overrides = Overrides {
            hop_ms: Some(10.03),
            suppression_ms: Some(0.0),
            smoothing: Some(5),
            warm_up: Some(9),
            ..Overrides::default()
        };
        let decision = overrides.apply(&tiny_meta()).unwrap();
        assert_eq!((decision.hop, decision.suppression), (160, 0));
        assert_eq!((decision.smoothing, decision.warm_up), (5, 9));
        let overrides = Overrides { hop_ms: Some(0.0), ..Overrides::default() };
        assert_eq!(overrides.apply(&tiny_meta()).unwrap().hop, 1);
        for ms in [-1.0, f64::NAN, f64::INFINITY, 1e12] {
            let overrides = Overrides { hop_ms: Some(ms), ..Overrides::default() };
            let error = overrides.apply(&tiny_meta()).unwrap_err().to_string();
            assert!(error.ends_with(" ms is not in 0 to 67108864 ms"), "{error}");
        }
    }

    #[test]
    fn one_class_wins_over_all_reported_ones() {
        assert_eq!(thresholds(&["0.8"]).unwrap(), [Some(0.8), Some(0.8), None]);
        let expected = [Some(0.8), Some(0.9), Some(0.5)];
        assert_eq!(thresholds(&["high=0.9", "0.8", "_silence_=0.5"]).unwrap(), expected);
    }

    #[test]
    fn only_named_classes_are_detected() {
        let thresholds = |only: &[&str], thresholds: &[&str]| {
            let only = only.iter().map(|&label| label.to_owned()).collect();
            let thresholds = thresholds.iter().map(|text| text.parse().unwrap()).collect();
            let overrides = Overrides { only, thresholds, ..Overrides::default() };
            overrides.apply(&tiny_meta()).map(|decision| decision.thresholds)
        };
        let own = tiny_meta().decision.thresholds[1];
        assert_eq!(thresholds(&["high"], &[]).unwrap(), [None, own, None]);
        assert_eq!(thresholds(&["high"], &["0.9"]).unwrap(), [None, Some(0.9), None]);
        assert_eq!(thresholds(&["_silence_"], &[]).unwrap(), [None, None, Some(0.6)]);
        assert_eq!(thresholds(&["high"], &["low=0.7"]).unwrap(), [Some(0.7), own, None]);
        let error = thresholds(&["hihg"], &[]).unwrap_err().to_string();
        assert!(error.contains("did you mean 'high'?"), "{error}");
    }

    #[test]
    fn unknown_labels_are_answered_with_the_known_ones() {
        let error = thresholds(&["hihg=0.5"]).unwrap_err().to_string();
        let expected =
            "the model has no class 'hihg'; did you mean 'high'? It has: low, high, _silence_";
        assert_eq!(error, expected);
        let error = thresholds(&["zz=0.5"]).unwrap_err().to_string();
        assert_eq!(error, "the model has no class 'zz'; it has: low, high, _silence_");
    }

    #[test]
    fn cooldowns_are_the_classes_own() {
        let apply = |texts: &[&str]| {
            let cooldowns = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
            let overrides = Overrides { cooldowns, ..Overrides::default() };
            overrides.apply(&tiny_meta()).map(|decision| decision.cooldowns)
        };
        assert!(apply(&[]).unwrap().is_empty());
        assert_eq!(apply(&["high=1000"]).unwrap(), [0, 16_000, 0]);
        assert_eq!(apply(&["high=1", "2"]).unwrap(), [32, 16, 32]);
        let error = apply(&["hig=1"]).unwrap_err().to_string();
        assert!(error.contains("did you mean 'high'?"), "{error}");
        let error = apply(&["high=x"]).unwrap_err().to_string();
        assert!(error.starts_with("cooldown 'high=x' is not"), "{error}");
        assert!(matches!(apply(&["-1"]), Err(DecisionError::Duration { what: "cooldown", .. })));
    }

    #[test]
    fn counts_and_releases_are_bounded() {
        let apply = |min_count, release| {
            Overrides { min_count, release, ..Overrides::default() }.apply(&tiny_meta())
        };
        let decision = apply(Some(3), Some(0.5)).unwrap();
        assert_eq!((decision.min_count, decision.release), (3, 0.5));
        assert_eq!(apply(Some(0), None), Err(DecisionError::MinCount));
        for share in [0.0, -1.0, 1.01, f32::NAN] {
            let error = apply(None, Some(share)).unwrap_err().to_string();
            assert!(error.starts_with("a release of "), "{error}");
        }
    }

    #[test]
    fn smoothing_is_bounded() {
        let overrides = Overrides { smoothing: Some(0), ..Overrides::default() };
        let error = overrides.apply(&tiny_meta()).unwrap_err();
        assert!(matches!(error, DecisionError::Smoothing { windows: 0, .. }));
        let mut meta = tiny_meta();
        meta.decision.smoothing = u16::MAX;
        meta.labels = vec![String::new(); 60_000];
        assert!(Overrides::default().apply(&meta).is_err());
    }
}
