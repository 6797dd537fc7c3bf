//! Learning rates.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// Share of the steps in which the one-cycle schedule rises.
const WARM_UP: f64 = 0.15;
/// The one-cycle schedule starts at this share of its peak.
const START: f64 = 1.0 / 25.0;
/// The one-cycle schedule ends at this share of its peak.
const END: f64 = 1e-3;

/// The learning rate of step `step` of `steps`: a cosine up to `peak`, then a cosine down.
///
/// Source: Smith and Topin, "Super-convergence" (2018).
#[must_use]
pub fn one_cycle(peak: f64, step: u64, steps: u64) -> f64 {
    let progress = step as f64 / steps.max(1) as f64;
    let cosine = |from: f64, to: f64, t: f64| {
        to + (from - to) * 0.5 * (1.0 + (PI * t.clamp(0.0, 1.0)).cos())
    };
    let share = if progress < WARM_UP {
        cosine(START, 1.0, progress / WARM_UP)
    } else {
        cosine(1.0, END, (progress - WARM_UP) / (1.0 - WARM_UP))
    };
    peak * share
}

/// Stages of the `paper` recipe.
const STAGES: u32 = 5;
/// Learning rate of a stage relative to the one before.
const STAGE_FACTOR: f64 = 0.2;
/// Epochs without improvement that end a stage.
const PATIENCE: u32 = 3;

/// Where the staged schedule of the `paper` recipe stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stages {
    stage: u32,
    best_loss: Option<f64>,
    bad_epochs: u32,
}

/// What follows from an epoch's validation loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The loss is the best so far.
    Improved,
    /// Go on.
    Continue,
    /// Go back to the best checkpoint and on with a fresh optimiser and a smaller learning rate.
    NextStage,
    /// The last stage is over.
    Finished,
}

impl Stages {
    /// The learning rate now.
    #[must_use]
    pub fn learning_rate(&self, first: f64) -> f64 {
        first * STAGE_FACTOR.powi(self.stage.cast_signed())
    }

    /// Takes an epoch's validation loss.
    pub fn report(&mut self, loss: f64) -> Verdict {
        if self.best_loss.is_none_or(|best| loss < best) {
            (self.best_loss, self.bad_epochs) = (Some(loss), 0);
            return Verdict::Improved;
        }
        self.bad_epochs += 1;
        if self.bad_epochs < PATIENCE {
            return Verdict::Continue;
        }
        (self.stage, self.bad_epochs) = (self.stage + 1, 0);
        if self.stage < STAGES { Verdict::NextStage } else { Verdict::Finished }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cycle_rises_then_falls() {
        let rate = |step| one_cycle(1.0, step, 1000);
        assert!((rate(0) - START).abs() < 1e-12);
        assert!((rate(150) - 1.0).abs() < 1e-12);
        assert!((rate(1000) - END).abs() < 1e-12);
        assert!(rate(75) > rate(0) && rate(500) < rate(150) && rate(900) < rate(500));
    }

    #[test]
    fn five_stages_of_three_bad_epochs() {
        let mut stages = Stages::default();
        assert_eq!(stages.report(1.0), Verdict::Improved);
        let mut rates = vec![stages.learning_rate(0.01)];
        loop {
            assert_eq!(stages.report(1.0), Verdict::Continue);
            assert_eq!(stages.report(2.0), Verdict::Continue);
            match stages.report(1.5) {
                Verdict::NextStage => rates.push(stages.learning_rate(0.01)),
                verdict => break assert_eq!(verdict, Verdict::Finished),
            }
        }
        let expected = [1e-2, 2e-3, 4e-4, 8e-5, 1.6e-5];
        assert_eq!(rates.len(), expected.len());
        for (rate, expected) in rates.iter().zip(expected) {
            assert!((rate / expected - 1.0).abs() < 1e-9);
        }
    }
}
