//! How windows are cut and when a class counts as detected: the model's defaults, overridden by
//! the user.

use std::str::FromStr;

use models::arch::Streaming;
use models::meta::{DecisionDefaults, ModelMeta};

/// Longest hop or suppression, in samples: more than 18 hours at 16 kHz.
const MAX_SAMPLES: f64 = (1_u32 << 30) as f64;

/// Most posteriors that smoothing keeps in memory (windows averaged × classes).
const MAX_HISTORY: usize = 1 << 24;

/// What the user wants otherwise than the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Milliseconds between two windows; a hop near it at which windows share their work is taken.
    pub hop_ms: Option<f64>,
    /// Windows averaged.
    pub smoothing: Option<u16>,
    /// Thresholds of all or of single classes.
    pub thresholds: Vec<Threshold>,
    /// Milliseconds after a detection in which nothing else is detected.
    pub suppression_ms: Option<f64>,
    /// Windows at the start in which nothing is detected.
    pub warm_up: Option<u16>,
}

/// A threshold, written `0.7` for all reported classes or `label=0.7` for one class.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The class, or all that are reported.
    pub label: Option<String>,
    /// Smallest smoothed posterior of a detection, 0 to 1.
    pub value: f32,
}

impl FromStr for Threshold {
    type Err = DecisionError;

    fn from_str(text: &str) -> Result<Self, DecisionError> {
        let (label, number) = match text.rsplit_once('=') {
            Some((label, number)) => (Some(label.to_owned()), number),
            None => (None, text),
        };
        match number.parse() {
            Ok(value) if (0.0..=1.0).contains(&value) => Ok(Self { label, value }),
            _ => Err(DecisionError::Threshold { text: text.to_owned() }),
        }
    }
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
    /// A threshold for a class that the model does not have.
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
    /// the model never reports (silence) is reported once it is given a threshold of its own.
    ///
    /// # Errors
    /// The first override that does not fit the model.
    pub fn apply(&self, meta: &ModelMeta) -> Result<DecisionDefaults, DecisionError> {
        let rate_hz = meta.arch.sample_rate_hz;
        let mut decision = meta.decision.clone();
        if let Some(ms) = self.hop_ms {
            let wanted = samples("hop", ms, rate_hz)?.max(1);
            decision.hop = Streaming::near(&meta.arch, wanted).unwrap_or(wanted);
        }
        if f64::from(decision.hop) > MAX_SAMPLES {
            return Err(DecisionError::Hop { samples: decision.hop });
        }
        if let Some(ms) = self.suppression_ms {
            decision.suppression = samples("suppression", ms, rate_hz)?;
        }
        decision.smoothing = self.smoothing.unwrap_or(decision.smoothing);
        decision.warm_up = self.warm_up.unwrap_or(decision.warm_up);
        let most = (MAX_HISTORY / meta.labels.len().max(1)).max(1);
        if !(1..=most).contains(&usize::from(decision.smoothing)) {
            return Err(DecisionError::Smoothing { windows: decision.smoothing, most });
        }
        self.apply_thresholds(&mut decision, &meta.labels)?;
        Ok(decision)
    }

    fn apply_thresholds(
        &self,
        decision: &mut DecisionDefaults,
        labels: &[String],
    ) -> Result<(), DecisionError> {
        for Threshold { value, .. } in self.thresholds.iter().filter(|t| t.label.is_none()) {
            decision.thresholds.iter_mut().flatten().for_each(|threshold| *threshold = *value);
        }
        for Threshold { label, value } in &self.thresholds {
            let Some(label) = label else { continue };
            let class = labels.iter().position(|known| known == label);
            let Some(slot) = class.and_then(|class| decision.thresholds.get_mut(class)) else {
                let (label, labels) = (label.clone(), labels.to_vec());
                return Err(DecisionError::UnknownLabel { label, labels });
            };
            *slot = Some(*value);
        }
        Ok(())
    }
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
    fn what_is_no_threshold_is_refused() {
        for text in ["", "x", "1.5", "-0.1", "nan", "low=", "=", "low=2"] {
            let error = thresholds(&[text]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("threshold '{text}' is not")), "{error}");
        }
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
