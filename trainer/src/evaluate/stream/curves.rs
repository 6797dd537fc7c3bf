//! What one threshold for all classes would give, for every threshold.

use models::meta::DecisionDefaults;
use models::stream::SettingsError;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::matching::Outcome;
use super::rates::Rate;
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

/// One point of a curve: threshold, share of commands missed, false accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trade {
    /// The threshold.
    pub threshold: f32,
    /// Share of commands that were not detected.
    pub missed: f64,
    /// Detections in the hours of negatives.
    pub false_accepts: Rate,
}

impl Curve {
    /// The curve of a class, or of all together.
    #[must_use]
    pub fn trades(&self, class: Option<usize>) -> Vec<Trade> {
        let of = |counts: &[u64]| match class {
            Some(class) => counts.get(class).copied().unwrap_or(0),
            None => counts.iter().sum::<u64>(),
        };
        let commands = of(&self.commands).max(1) as f64;
        let trade = |point: &Point| Trade {
            threshold: point.threshold,
            missed: 1.0 - of(&point.hits) as f64 / commands,
            false_accepts: Rate { count: of(&point.false_accepts), hours: self.hours },
        };
        self.points.iter().map(trade).collect()
    }

    /// The curves of all classes that have commands, and of all together. A threshold without false accepts has no rate:
    /// so many hours carry none below [`Rate::smallest`].
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
                        "false_accepts": trade.false_accepts.count,
                        "hours": trade.false_accepts.hours,
                        "false_accepts_per_hour": trade.false_accepts.estimate(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_false_accept_is_no_rate() {
        let point = |threshold, hits: [u64; 2], false_accepts: [u64; 2]| Point {
            threshold,
            hits: hits.into(),
            false_accepts: false_accepts.into(),
        };
        let points = vec![point(0.3, [9, 10], [3, 0]), point(0.8, [5, 8], [0, 0])];
        let curve = Curve { commands: vec![10, 10], hours: 2.0, points };
        let json = curve.json(&["go".to_owned(), "stop".to_owned()]);
        let told = |point: &Value| {
            let keys = ["false_accepts", "hours", "false_accepts_per_hour"];
            keys.map(|key| point[key].as_f64())
        };
        assert_eq!(told(&json["all"][0]), [Some(3.0), Some(2.0), Some(1.5)]);
        assert_eq!(told(&json["all"][1]), [Some(0.0), Some(2.0), None]);
        assert_eq!(told(&json["classes"]["go"][0]), [Some(3.0), Some(2.0), Some(1.5)]);
        assert_eq!(told(&json["classes"]["stop"][0]), [Some(0.0), Some(2.0), None]);
        assert!(json["all"][1]["false_accepts_per_hour"].is_null());
        assert_eq!(json["classes"]["go"][0]["recall"], 0.9);
        let silent = Curve { hours: 0.0, ..curve };
        assert_eq!(silent.trades(None)[0].false_accepts.estimate(), None);
    }
}
