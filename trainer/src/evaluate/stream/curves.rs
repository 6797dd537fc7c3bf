//! What one threshold for all classes would give, for every threshold.

use models::meta::DecisionDefaults;
use models::stream::SettingsError;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::matching::Outcome;
use super::streams::{Averaged, Measured, Streams};
use crate::evaluate::metrics::Share;

/// Thresholds in thousandths; finer where a network trained with smoothed labels has its largest posteriors.
fn thousandths() -> impl Iterator<Item = u16> {
    (100..800).step_by(10).chain((800..=995).step_by(5))
}

/// Counts at one threshold, one entry a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The threshold.
    pub threshold: f32,
    /// Commands detected.
    pub hits: Vec<u64>,
    /// Detections in the negatives.
    pub false_accepts: Vec<u64>,
}

/// Points with rising threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Commands to be heard, one entry a class.
    pub commands: Vec<u64>,
    /// Hours of negatives.
    pub hours: f64,
    /// The points.
    pub points: Vec<Point>,
}

/// Counts of commands and of those detected, one entry a class.
#[must_use]
pub fn hits(streams: &Streams, measured: &Measured) -> Vec<Share> {
    let mut shares = vec![Share { hits: 0, of: 0 }; streams.labels.len()];
    for (class, outcome) in streams.commands().zip(&measured.matched.outcomes) {
        if let Some(share) = shares.get_mut(class) {
            share.of += 1;
            share.hits += u64::from(matches!(outcome, Outcome::Hit { .. }));
        }
    }
    shares
}

/// Detections in the negatives, one entry a class.
#[must_use]
pub fn false_accepts(streams: &Streams, measured: &Measured) -> Vec<u64> {
    let mut counts = vec![0; streams.labels.len()];
    for event in measured.sources.iter().flat_map(|source| &source.events) {
        if let Some(count) = counts.get_mut(usize::from(event.class)) {
            *count += 1;
        }
    }
    counts
}

/// Measures with every threshold in turn, the same for all reported classes; the other settings are
/// those of `decision`, with which the streams have been averaged.
///
/// # Errors
/// Settings that no detector can work with.
pub fn sweep(averaged: &Averaged<'_>, decision: &DecisionDefaults) -> Result<Curve, SettingsError> {
    let streams = averaged.streams;
    let thousandths: Vec<u16> = thousandths().collect();
    let point = |thousandth: &u16| {
        let threshold = f32::from(*thousandth) / 1000.0;
        let mut decision = decision.clone();
        decision.thresholds.iter_mut().flatten().for_each(|slot| *slot = threshold);
        let measured = averaged.measure(&decision)?;
        let hits = hits(streams, &measured).iter().map(|share| share.hits).collect();
        Ok(Point { threshold, hits, false_accepts: false_accepts(streams, &measured) })
    };
    let points = thousandths.par_iter().map(point).collect::<Result<Vec<_>, _>>()?;
    let mut commands = vec![0; streams.labels.len()];
    streams.commands().for_each(|class| commands[class] += 1);
    let hours = averaged.measure(decision)?.rate(None).hours;
    Ok(Curve { commands, hours, points })
}

/// One point of a curve: threshold, share of commands missed, false accepts an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trade {
    /// The threshold.
    pub threshold: f32,
    /// Share of commands that were not detected.
    pub missed: f64,
    /// Detections an hour of negatives.
    pub per_hour: f64,
}

impl Curve {
    /// The curve of a class, or of all together.
    #[must_use]
    pub fn trades(&self, class: Option<usize>) -> Vec<Trade> {
        let of = |counts: &[u64]| match class {
            Some(class) => counts.get(class).copied().unwrap_or(0) as f64,
            None => counts.iter().sum::<u64>() as f64,
        };
        let commands = of(&self.commands).max(1.0);
        let trade = |point: &Point| Trade {
            threshold: point.threshold,
            missed: 1.0 - of(&point.hits) / commands,
            per_hour: if self.hours > 0.0 { of(&point.false_accepts) / self.hours } else { 0.0 },
        };
        self.points.iter().map(trade).collect()
    }

    /// The curves of all classes that have commands, and of all together.
    #[must_use]
    pub fn json(&self, labels: &[String]) -> Value {
        let curve = |class: Option<usize>| -> Vec<Value> {
            let trades = self.trades(class).into_iter();
            trades
                .map(|trade| {
                    json!({
                        // As a decimal number, not as the nearest binary one.
                        "threshold": (f64::from(trade.threshold) * 1000.0).round() / 1000.0,
                        "missed": trade.missed,
                        "recall": 1.0 - trade.missed,
                        "false_accepts_per_hour": trade.per_hour,
                    })
                })
                .collect()
        };
        let heard = |class: &usize| self.commands[*class] > 0;
        let classes: serde_json::Map<String, Value> = (0..labels.len())
            .filter(heard)
            .map(|class| (labels[class].clone(), curve(Some(class)).into()))
            .collect();
        json!({ "hours": self.hours, "all": curve(None), "classes": classes })
    }
}
