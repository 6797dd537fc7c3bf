//! One model beside another on the same clips.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::metrics::{Confusion, Share};
use super::predict::{Predictions, argmax};
use crate::quantize::noise::LayerNoise;

/// What a model gives up against another one.
#[derive(Clone, Debug)]
pub struct Drop {
    /// Name of the other model.
    pub other: String,
    /// Accuracy of both: the model, the other one.
    pub accuracy: [Share; 2],
    /// Recall of both, class by class.
    pub recall: Vec<[Option<f64>; 2]>,
    /// Clips that both decide alike.
    pub agreement: Share,
    /// Largest difference of a posterior.
    pub largest_difference: f32,
    /// Mean difference of a posterior.
    pub mean_difference: f64,
    /// Precision layer by layer, where the other one is the network in floating point.
    pub noise: Vec<LayerNoise>,
}

impl Drop {
    /// Compares predictions for the same clips and classes.
    ///
    /// # Panics
    /// If they are not.
    #[must_use]
    pub fn new(other: String, labels: &[String], own: &Predictions, others: &Predictions) -> Self {
        let confusions = [own, others].map(|predictions| Confusion::new(labels, predictions));
        let rows = || own.posteriors.iter().zip(&others.posteriors);
        let alike = rows().filter(|(a, b)| argmax(a) == argmax(b)).count();
        let differences = || rows().flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).abs()));
        let sum: f64 = differences().map(f64::from).sum();
        let recall = |class| [0, 1].map(|model: usize| confusions[model].class(class).recall);
        Self {
            other,
            accuracy: confusions.each_ref().map(Confusion::accuracy),
            recall: (0..labels.len()).map(recall).collect(),
            agreement: Share { hits: alike as u64, of: own.len() as u64 },
            largest_difference: differences().fold(0.0, f32::max),
            mean_difference: sum / differences().count().max(1) as f64,
            noise: Vec::new(),
        }
    }

    /// Percentage points of accuracy that the model has less than the other one.
    #[must_use]
    pub fn points(&self) -> f64 {
        100.0 * (self.accuracy[1].value() - self.accuracy[0].value())
    }

    /// One JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "other": self.other,
            "other_accuracy": self.accuracy[1].value(),
            "points": self.points(),
            "agreement": self.agreement.value(),
            "largest_difference": self.largest_difference,
            "mean_difference": self.mean_difference,
            "recall": self.recall,
            "layers": self.noise,
        })
    }

    /// A table.
    #[must_use]
    pub fn table(&self, labels: &[String]) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_table(&mut out, labels);
        out
    }

    fn write_table(&self, out: &mut String, labels: &[String]) -> std::fmt::Result {
        let [own, other] = self.accuracy.map(|share| 100.0 * share.value());
        writeln!(out, "\nagainst {}", self.other)?;
        writeln!(
            out,
            "accuracy      {own:.2} % and {other:.2} %: {:.2} points less",
            self.points()
        )?;
        let Share { hits, of } = self.agreement;
        writeln!(out, "same decision {:.2} %  ({hits} of {of})", 100.0 * self.agreement.value())?;
        writeln!(
            out,
            "posteriors    differ by {:.4} on average, {:.4} at most",
            self.mean_difference, self.largest_difference
        )?;
        let changed = labels.iter().zip(&self.recall).filter(|(_, [own, other])| own != other);
        for (label, [own, other]) in changed {
            let [own, other] = [own, other].map(|recall| 100.0 * recall.unwrap_or(0.0));
            writeln!(out, "recall of {label}: {own:.1} % and {other:.1} %")?;
        }
        if self.noise.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nlayer       bits  signal to quantisation noise, the worst first")?;
        let mut layers: Vec<&LayerNoise> = self.noise.iter().collect();
        layers.sort_by(|a, b| a.sqnr_db.total_cmp(&b.sqnr_db));
        for LayerNoise { layer, bits, sqnr_db } in layers {
            writeln!(out, "{layer:<11} {bits:>4}  {sqnr_db:>5.1} dB")?;
        }
        Ok(())
    }
}
