//! Figures of a model on streams.

use models::meta::DecisionDefaults;
use models::stream::{Event, to_f32};
use serde_json::{Value, json};

use super::curves::{self, Curve};
use super::matching::Outcome;
use super::rates::{Rate, Verdict, hours_for};
use super::streams::{FalseAccepts, Measured, Streams};
use super::track::Kind;
use crate::evaluate::metrics::Share;

/// Parts of a hop that a command may begin at.
const OFFSETS: u64 = 8;

/// Everything that was measured.
#[derive(Debug)]
pub struct Report<'a> {
    /// Name of the model.
    pub model: String,
    /// What the streams are made of: the part's name and the seed, or a recording.
    pub title: String,
    /// The streams.
    pub streams: &'a Streams,
    /// The settings.
    pub decision: &'a DecisionDefaults,
    /// What they give.
    pub measured: &'a Measured,
    /// What other thresholds would give.
    pub curve: &'a Curve,
    /// False accepts an hour that a verdict is wanted for.
    pub limits: Vec<f64>,
}

/// Counts of commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commands.
    pub commands: u64,
    /// Detected.
    pub hits: u64,
    /// Detected as another class.
    pub wrong: u64,
    /// Not detected at all.
    pub missed: u64,
}

impl Counts {
    /// Commands that were not detected as what they are.
    #[must_use]
    pub const fn not_heard(&self) -> Share {
        Share { hits: self.commands - self.hits, of: self.commands }
    }

    /// Commands that were.
    #[must_use]
    pub const fn recall(&self) -> Share {
        Share { hits: self.hits, of: self.commands }
    }
}

/// Milliseconds from the end of a command to its detection: 5 %, half and 95 % are sooner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// 5 % are sooner.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// 95 % are sooner.
    pub high: f64,
}

impl Report<'_> {
    fn rate_hz(&self) -> f64 {
        f64::from(self.streams.positives.track.rate_hz.max(1))
    }

    /// Counts of a class, or of all.
    #[must_use]
    pub fn counts(&self, class: Option<usize>) -> Counts {
        let mut counts = Counts::default();
        for (own, outcome) in self.streams.commands().zip(&self.measured.matched.outcomes) {
            if class.is_some_and(|class| class != own) {
                continue;
            }
            counts.commands += 1;
            match outcome {
                Outcome::Hit { .. } => counts.hits += 1,
                Outcome::Wrong { .. } => counts.wrong += 1,
                Outcome::Missed => counts.missed += 1,
            }
        }
        counts
    }

    /// How soon commands of a class, or all, are detected; `None` where none are.
    #[must_use]
    pub fn latency(&self, class: Option<usize>) -> Option<Latency> {
        let outcomes = self.streams.commands().zip(&self.measured.matched.outcomes);
        let own = outcomes.filter(|(own, _)| class.is_none_or(|class| class == *own));
        let mut samples: Vec<i64> = own
            .filter_map(|(_, outcome)| match outcome {
                Outcome::Hit { latency } => Some(*latency),
                _ => None,
            })
            .collect();
        samples.sort_unstable();
        let at = |share: f64| {
            let index = (share * samples.len().saturating_sub(1) as f64).round() as usize;
            samples.get(index).map(|samples| *samples as f64 * 1000.0 / self.rate_hz())
        };
        Some(Latency { low: at(0.05)?, median: at(0.5)?, high: at(0.95)? })
    }

    /// Commands detected by where in a hop they begin: from, to (milliseconds), share.
    #[must_use]
    pub fn offsets(&self) -> Vec<(f64, f64, Share)> {
        let hop = u64::from(self.decision.hop.max(1));
        let mut shares = [Share { hits: 0, of: 0 }; OFFSETS as usize];
        let commands = self.streams.positives.track.commands();
        for ((span, _), outcome) in commands.zip(&self.measured.matched.outcomes) {
            let share = &mut shares[(span.range.start % hop * OFFSETS / hop) as usize];
            share.of += 1;
            share.hits += u64::from(matches!(outcome, Outcome::Hit { .. }));
        }
        let ms = |eighths: usize| {
            eighths as f64 * hop as f64 * 1000.0 / (OFFSETS as f64 * self.rate_hz())
        };
        let bins = shares.into_iter().enumerate();
        bins.map(|(index, share)| (ms(index), ms(index + 1), share)).collect()
    }

    /// Classes that are detected.
    pub fn classes(&self) -> impl Iterator<Item = usize> {
        (0..self.streams.labels.len())
            .filter(|class| self.decision.thresholds.get(*class).copied().flatten().is_some())
    }

    /// Rates of real, synthetic and all sources, where there are any.
    #[must_use]
    pub fn totals(&self) -> Vec<(&'static str, Rate)> {
        let kinds = [Kind::Real, Kind::Synthetic];
        let has = |kind: &Kind| self.measured.sources.iter().any(|source| source.kind == *kind);
        let mut totals: Vec<_> = kinds
            .into_iter()
            .filter(has)
            .map(|kind| (kind.name(), self.measured.rate(Some(kind))))
            .collect();
        if totals.len() > 1 {
            totals.push(("all", self.measured.rate(None)));
        }
        totals
    }

    /// One JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let (counts, decision) = (self.counts(None), self.decision);
        let totals = self.totals();
        let total = |(name, rate): &(&str, Rate)| ((*name).to_owned(), rate_json(*rate));
        let verdicts = self.limits.iter().flat_map(|limit| {
            totals.iter().map(move |(name, rate)| {
                json!({
                    "sources": name,
                    "false_accepts_per_hour": limit,
                    "verdict": verdict_name(rate.verdict(*limit)),
                    "hours": rate.hours,
                    "hours_needed": hours_for(*limit),
                })
            })
        });
        json!({
            "model": self.model,
            "streams": self.title,
            "decision": decision,
            "composition": self.composition(),
            "notes": self.streams.notes,
            "commands": counts_json(counts),
            "latency_ms": self.latency(None).map(latency_json),
            "other_events_among_commands": self.measured.matched.others.len(),
            "events_among_commands": self.events_json(&self.measured.events),
            "offsets": self.offsets().iter().map(offset_json).collect::<Vec<_>>(),
            "classes": self.classes().map(|class| self.class_json(class)).collect::<Vec<_>>(),
            "sources": self.measured.sources.iter().map(|s| self.source_json(s)).collect::<Vec<_>>(),
            "totals": totals.iter().map(total).collect::<serde_json::Map<_, _>>(),
            "verdicts": verdicts.collect::<Vec<_>>(),
            "curves": self.curve.json(&self.streams.labels),
        })
    }

    fn composition(&self) -> Vec<Value> {
        let all = std::iter::once(&self.streams.positives).chain(&self.streams.negatives);
        all.map(|listened| {
            let track = &listened.track;
            json!({
                "source": track.name,
                "kind": track.kind.name(),
                "pieces": track.spans.len(),
                "commands": track.commands().count(),
                "distinct_seconds": track.hours() * 3600.0,
                "seconds": listened.length as f64 / self.rate_hz(),
                "windows": listened.posteriors.windows(),
                "quiet_windows": listened.posteriors.quiet(),
            })
        })
        .collect()
    }

    fn class_json(&self, class: usize) -> Value {
        let falses = curves::false_accepts(self.streams, self.measured);
        let count = falses.get(class).copied().unwrap_or(0);
        let rate = Rate { count, hours: self.measured.rate(None).hours };
        json!({
            "label": self.streams.labels[class],
            "threshold": self.decision.thresholds[class],
            "commands": counts_json(self.counts(Some(class))),
            "latency_ms": self.latency(Some(class)).map(latency_json),
            "false_accepts": rate_json(rate),
        })
    }

    fn events_json(&self, events: &[Event]) -> Vec<Value> {
        let event = |event: &Event| {
            json!({
                "end": event.end as f64 / self.rate_hz(),
                "label": self.streams.labels.get(usize::from(event.class)),
                "confidence": to_f32(event.confidence),
            })
        };
        events.iter().map(event).collect()
    }

    fn source_json(&self, source: &FalseAccepts) -> Value {
        let mut json = rate_json(source.rate());
        json["source"] = source.name.clone().into();
        json["kind"] = source.kind.name().into();
        json["events"] = self.events_json(&source.events).into();
        json
    }
}

fn counts_json(counts: Counts) -> Value {
    let Counts { commands, hits, wrong, missed } = counts;
    let not_heard = counts.not_heard();
    let (low, high) = not_heard.interval95();
    json!({
        "count": commands,
        "hits": hits,
        "wrong": wrong,
        "missed": missed,
        "not_heard": not_heard.value(),
        "not_heard_interval95": [low, high],
    })
}

fn latency_json(latency: Latency) -> Value {
    json!({ "p5": latency.low, "median": latency.median, "p95": latency.high })
}

fn offset_json((from, to, share): &(f64, f64, Share)) -> Value {
    let (low, high) = share.interval95();
    json!({
        "from_ms": from, "to_ms": to, "commands": share.of, "hits": share.hits,
        "recall": share.value(), "interval95": [low, high],
    })
}

fn rate_json(rate: Rate) -> Value {
    let (low, high) = rate.interval95();
    json!({
        "count": rate.count,
        "hours": rate.hours,
        "per_hour": rate.estimate(),
        "interval95": [low, high.is_finite().then_some(high)],
    })
}

/// The word for a verdict.
#[must_use]
pub const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Shown => "shown",
        Verdict::Refuted => "refuted",
        Verdict::Open => "open",
        Verdict::TooFewHours => "too few hours",
    }
}
