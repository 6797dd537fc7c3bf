//! Figures of tags as text for people and as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::predict::Predictions;
use super::column;
use super::decisions::{Counts, Decisions};
use super::ranking::{macro_pr_auc, macro_roc_auc, pr_auc, roc_auc};
use super::thresholds::USUAL;

/// What was measured.
#[derive(Clone, Debug)]
pub struct TagReport<'a> {
    /// Name of the model.
    pub model: String,
    /// Name of the part.
    pub split: String,
    /// The tags.
    pub labels: &'a [String],
    /// The model's threshold for each of them.
    pub thresholds: &'a [Option<f32>],
    /// What the model says of the clips.
    pub predictions: &'a Predictions,
    /// Another model on the same clips.
    pub against: Option<Against<'a>>,
}

/// Another model and what it says of the same clips.
#[derive(Clone, Debug)]
pub struct Against<'a> {
    /// Its name.
    pub other: String,
    /// What it says.
    pub predictions: &'a Predictions,
}

impl Against<'_> {
    /// Largest and mean difference of a posterior.
    #[must_use]
    pub fn differences(&self, own: &Predictions) -> (f32, f64) {
        let rows = own.posteriors.iter().zip(&self.predictions.posteriors);
        let differences: Vec<f32> =
            rows.flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).abs())).collect();
        let sum: f64 = differences.iter().copied().map(f64::from).sum();
        let largest = differences.iter().copied().fold(0.0, f32::max);
        (largest, sum / differences.len().max(1) as f64)
    }
}

impl TagReport<'_> {
    /// Decisions at the usual threshold, and at the model's own.
    fn decisions(&self) -> [Decisions; 2] {
        let usual = vec![Some(USUAL); self.labels.len()];
        [&usual, self.thresholds].map(|thresholds| Decisions::new(self.predictions, thresholds))
    }

    /// One JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let [usual, own] = self.decisions();
        let scores = |decisions: &Decisions| {
            json!({
                "instance_f1": decisions.instance_f1,
                "micro_f1": decisions.micro_f1(),
                "macro_f1": decisions.macro_f1(),
            })
        };
        let tags: Vec<Value> = (0..self.labels.len())
            .map(|tag| {
                let (clips, counts) = (column(self.predictions, tag), own.tags[tag]);
                json!({
                    "label": self.labels[tag],
                    "clips": counts.clips,
                    "roc_auc": roc_auc(&clips),
                    "pr_auc": pr_auc(&clips),
                    "threshold": self.thresholds[tag],
                    "precision": counts.precision(),
                    "recall": counts.recall(),
                    "f1": counts.f1(),
                })
            })
            .collect();
        let mut report = json!({
            "model": self.model,
            "split": self.split,
            "clips": self.predictions.len(),
            "roc_auc": macro_roc_auc(self.predictions),
            "pr_auc": macro_pr_auc(self.predictions),
            "cross_entropy": self.predictions.cross_entropy(),
            "at_0.5": scores(&usual),
            "at_thresholds": scores(&own),
            "tags": tags,
            "labels": self.labels,
        });
        if let Some(against) = &self.against {
            let (largest, mean) = against.differences(self.predictions);
            report["against"] = json!({
                "other": against.other,
                "other_roc_auc": macro_roc_auc(against.predictions),
                "other_pr_auc": macro_pr_auc(against.predictions),
                "largest_difference": largest,
                "mean_difference": mean,
            });
        }
        report
    }

    /// A table.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_table(&mut out);
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        let percent = |value: Option<f64>| {
            value.map_or("-".to_owned(), |value| format!("{:.2}", 100.0 * value))
        };
        let area = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let [usual, own] = self.decisions();
        let predictions = self.predictions;
        writeln!(out, "{} on {} ({} clips)", self.model, self.split, predictions.len())?;
        writeln!(out, "ROC-AUC, mean of the tags  {}", area(macro_roc_auc(predictions)))?;
        writeln!(out, "PR-AUC, mean of the tags   {}", area(macro_pr_auc(predictions)))?;
        writeln!(out, "cross-entropy              {:.4}\n", predictions.cross_entropy())?;
        writeln!(out, "{:<26} {:>8} {:>8} {:>8}", "F in per cent", "instance", "micro", "macro")?;
        for (name, scores) in [("thresholds of 0.5", &usual), ("the model's thresholds", &own)] {
            let [instance, micro, mean] =
                [scores.instance_f1, scores.micro_f1(), scores.macro_f1()].map(percent);
            writeln!(out, "{name:<26} {instance:>8} {micro:>8} {mean:>8}")?;
        }
        let width = self.labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).max(3);
        writeln!(
            out,
            "\n{:<width$} {:>6} {:>8} {:>8} {:>9} {:>9} {:>7} {:>7}",
            "tag", "clips", "ROC-AUC", "PR-AUC", "threshold", "precision", "recall", "F"
        )?;
        for (tag, (label, counts)) in self.labels.iter().zip(&own.tags).enumerate() {
            let clips = column(predictions, tag);
            let [roc, pr] = [roc_auc(&clips), pr_auc(&clips)].map(area);
            let threshold = self.thresholds[tag].map_or("-".to_owned(), |t| format!("{t:.3}"));
            let [precision, recall, f1] =
                [Counts::precision, Counts::recall, Counts::f1].map(|of| percent(of(counts)));
            writeln!(
                out,
                "{label:<width$} {:>6} {roc:>8} {pr:>8} {threshold:>9} {precision:>9} {recall:>7} {f1:>7}",
                counts.clips
            )?;
        }
        let Some(against) = &self.against else { return Ok(()) };
        let (largest, mean) = against.differences(predictions);
        writeln!(out, "\nagainst {}", against.other)?;
        let areas = [predictions, against.predictions].map(|p| area(macro_roc_auc(p)));
        writeln!(out, "ROC-AUC     {} and {}", areas[0], areas[1])?;
        writeln!(out, "posteriors  differ by {mean:.4} on average, {largest:.4} at most")
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::predictions;
    use super::*;

    #[test]
    fn figures_are_told_for_people_and_programs() {
        let rows: [(&[f32], &[bool]); 3] = [
            (&[0.4, 0.1], &[true, false]),
            (&[0.3, 0.9], &[true, true]),
            (&[0.2, 0.2], &[false, false]),
        ];
        let (own, labels) = (predictions(&rows), ["dog".to_owned(), "rain".to_owned()]);
        let mut others = own.clone();
        others.posteriors[0][0] = 0.7;
        let against = Against { other: "b".to_owned(), predictions: &others };
        let report = TagReport {
            model: "a".to_owned(),
            split: "test".to_owned(),
            labels: &labels,
            thresholds: &[Some(0.25), Some(0.5)],
            predictions: &own,
            against: Some(against),
        };
        let json = report.json();
        assert_eq!((&json["roc_auc"], &json["clips"]), (&json!(1.0), &json!(3)));
        assert_eq!(json["at_thresholds"]["instance_f1"], 1.0);
        assert_eq!(json["at_0.5"]["micro_f1"], 0.5);
        assert_eq!((&json["tags"][0]["f1"], &json["tags"][0]["clips"]), (&json!(1.0), &json!(2)));
        assert!((json["against"]["largest_difference"].as_f64().unwrap() - 0.3).abs() < 1e-6);
        let table = report.table();
        for wanted in ["mean of the tags  1.0000", "the model's thresholds", "dog ", "against b"] {
            assert!(table.contains(wanted), "{wanted}: {table}");
        }
    }
}
