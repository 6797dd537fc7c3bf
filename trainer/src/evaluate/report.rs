//! Figures as text for people and as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::metrics::{Confusion, Share};

/// What was measured.
#[derive(Clone, Debug)]
pub struct Report {
    /// Name of the model.
    pub model: String,
    /// Name of the part.
    pub split: String,
    /// The counts.
    pub confusion: Confusion,
    /// Mean of −ln(posterior of the true class).
    pub cross_entropy: f64,
}

impl Report {
    /// One JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let confusion = &self.confusion;
        let (accuracy, spoken) = (confusion.accuracy(), confusion.accuracy_without_silence());
        let classes: Vec<Value> = (0..confusion.labels.len())
            .map(|class| {
                let figures = confusion.class(class);
                json!({
                    "label": confusion.labels[class],
                    "clips": figures.clips,
                    "precision": figures.precision,
                    "recall": figures.recall,
                    "f1": figures.f1,
                })
            })
            .collect();
        json!({
            "model": self.model,
            "split": self.split,
            "clips": accuracy.of,
            "accuracy": accuracy.value(),
            "interval95": [accuracy.interval95().0, accuracy.interval95().1],
            "clips_without_silence": spoken.of,
            "accuracy_without_silence": spoken.value(),
            "interval95_without_silence": [spoken.interval95().0, spoken.interval95().1],
            "cross_entropy": self.cross_entropy,
            "classes": classes,
            "labels": confusion.labels,
            "confusion": confusion.counts,
        })
    }

    /// A table.
    #[must_use]
    pub fn table(&self) -> String {
        let confusion = &self.confusion;
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_table(&mut out, confusion);
        out
    }

    fn write_table(&self, out: &mut String, confusion: &Confusion) -> std::fmt::Result {
        let line = |share: Share| {
            let (low, high) = share.interval95();
            let (value, low, high) = (100.0 * share.value(), 100.0 * low, 100.0 * high);
            format!("{value:.2} %  (95 %: {low:.2} to {high:.2}; {} of {})", share.hits, share.of)
        };
        writeln!(out, "{} on {}", self.model, self.split)?;
        writeln!(out, "accuracy                  {}", line(confusion.accuracy()))?;
        writeln!(out, "accuracy without silence  {}", line(confusion.accuracy_without_silence()))?;
        writeln!(out, "cross-entropy             {:.4}\n", self.cross_entropy)?;
        let width = confusion.labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
        writeln!(
            out,
            "{:<width$} {:>6} {:>10} {:>7} {:>7}",
            "class", "clips", "precision", "recall", "F1"
        )?;
        for (class, label) in confusion.labels.iter().enumerate() {
            let figures = confusion.class(class);
            let percent = |value: Option<f64>| {
                value.map_or("-".to_owned(), |value| format!("{:.1}", 100.0 * value))
            };
            writeln!(
                out,
                "{label:<width$} {:>6} {:>10} {:>7} {:>7}",
                figures.clips,
                percent(figures.precision),
                percent(figures.recall),
                percent(figures.f1),
            )?;
        }
        writeln!(out, "\nconfusion (row: true class, column: decided class, in the same order)")?;
        for (label, row) in confusion.labels.iter().zip(&confusion.counts) {
            write!(out, "{label:<width$}")?;
            row.iter().try_for_each(|count| write!(out, " {count:>4}"))?;
            writeln!(out)?;
        }
        Ok(())
    }
}
