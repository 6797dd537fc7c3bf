//! Values of single settings, as they are written.

use std::str::FromStr;

use models::stream::FULL_SCALE;

use super::DecisionError;

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
        let (label, number) = of_label(text);
        match number.parse() {
            Ok(value) if (0.0..=1.0).contains(&value) => Ok(Self { label, value }),
            _ => Err(DecisionError::Threshold { text: text.to_owned() }),
        }
    }
}

/// A cooldown, written `1500` for all classes or `label=1500` for one class.
#[derive(Clone, Debug, PartialEq)]
pub struct Cooldown {
    /// The class, or all.
    pub label: Option<String>,
    /// Milliseconds.
    pub ms: f64,
}

impl FromStr for Cooldown {
    type Err = DecisionError;

    fn from_str(text: &str) -> Result<Self, DecisionError> {
        let (label, number) = of_label(text);
        match number.parse() {
            Ok(ms) => Ok(Self { label, ms }),
            Err(_) => Err(DecisionError::Cooldown { text: text.to_owned() }),
        }
    }
}

/// `label=number` or a number alone.
fn of_label(text: &str) -> (Option<String>, &str) {
    match text.rsplit_once('=') {
        Some((label, number)) => (Some(label.to_owned()), number),
        None => (None, text),
    }
}

/// A gate's level, written in decibels below full scale, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateLevel(u32);

/// The lowest level of a gate: one step of a 16-bit sample.
const LOWEST_DB: f64 = -90.0;

impl GateLevel {
    /// The level as a mean square of samples; 0 is off.
    #[must_use]
    pub const fn mean_square(self) -> u32 {
        self.0
    }

    /// The level in decibels that a mean square stands for, if it is not off.
    #[must_use]
    pub fn decibels(mean_square: u32) -> Option<f64> {
        let share = f64::from(mean_square) / f64::from(FULL_SCALE);
        (mean_square > 0).then(|| 10.0 * share.log10())
    }
}

impl FromStr for GateLevel {
    type Err = DecisionError;

    fn from_str(text: &str) -> Result<Self, DecisionError> {
        match text.parse() {
            Ok(db) if (LOWEST_DB..=0.0).contains(&db) => {
                let share = 10.0f64.powf(db / 10.0);
                Ok(Self((share * f64::from(FULL_SCALE)).round() as u32))
            }
            _ if text == "off" => Ok(Self(0)),
            _ => Err(DecisionError::Gate { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_threshold_is_refused() {
        for text in ["", "x", "1.5", "-0.1", "nan", "low=", "=", "low=2"] {
            let error = text.parse::<Threshold>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("threshold '{text}' is not")), "{error}");
        }
    }

    #[test]
    fn levels_are_mean_squares() {
        let level = |text: &str| text.parse::<GateLevel>().map(GateLevel::mean_square);
        assert_eq!(level("0"), Ok(FULL_SCALE));
        assert_eq!(level("-90"), Ok(1));
        assert_eq!(level("-60"), Ok(1074));
        assert_eq!(level("off"), Ok(0));
        assert_eq!(GateLevel::decibels(0), None);
        assert!((GateLevel::decibels(1074).unwrap() + 60.0).abs() < 0.01);
        for text in ["", "on", "1", "-91", "nan", "-60dB"] {
            let error = level(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("gate '{text}' is not")), "{error}");
        }
    }
}
