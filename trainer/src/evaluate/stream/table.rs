//! The figures as text for people.

use std::fmt::{Result, Write as _};

use models::meta::DecisionDefaults;
use runtime::decision::GateLevel;

use super::curves;
use super::rates::{Rate, Verdict, hours_for};
use super::report::{Latency, Report};
use super::streams::Streams;
use crate::evaluate::metrics::Share;

/// What streams are made of.
#[must_use]
pub fn composition(streams: &Streams) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_composition(&mut out, streams);
    out
}

fn write_composition(out: &mut String, streams: &Streams) -> Result {
    let rate_hz = f64::from(streams.positives.track.rate_hz.max(1));
    writeln!(
        out,
        "{:<22} {:<9} {:>7} {:>12} {:>10}",
        "stream", "kind", "pieces", "distinct", "length"
    )?;
    let all = || std::iter::once(&streams.positives).chain(&streams.negatives);
    for listened in all() {
        let track = &listened.track;
        writeln!(
            out,
            "{:<22} {:<9} {:>7} {:>10.3} h {:>8.3} h",
            track.name,
            track.kind.name(),
            track.spans.len(),
            track.hours(),
            listened.length as f64 / rate_hz / 3600.0,
        )?;
    }
    let quiet: u64 = all().map(|listened| listened.posteriors.quiet()).sum();
    if quiet > 0 {
        let windows: usize = all().map(|listened| listened.posteriors.windows()).sum();
        let share = 100.0 * quiet as f64 / windows as f64;
        writeln!(out, "too quiet to be computed: {quiet} of {windows} windows ({share:.0} %)")?;
    }
    streams.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))
}

/// Settings of the decision core.
#[must_use]
pub fn decision(decision: &DecisionDefaults, labels: &[String], rate_hz: u32) -> String {
    let cooldowns = match cooldowns(decision, labels, rate_hz) {
        own if own.is_empty() => String::new(),
        own => format!("cooldowns: {}; ", own.join(", ")),
    };
    let thresholds = labels.iter().zip(&decision.thresholds);
    let thresholds: Vec<String> = thresholds
        .filter_map(|(label, threshold)| Some(format!("{label} {:.3}", (*threshold)?)))
        .collect();
    format!(
        "{}, {cooldowns}thresholds: {}\n",
        settings(decision, rate_hz).join(", "),
        thresholds.join(", "),
    )
}

/// The settings that all classes share: hop, smoothing and suppression, and of the others those that are used.
#[must_use]
pub fn settings(decision: &DecisionDefaults, rate_hz: u32) -> Vec<String> {
    let DecisionDefaults { hop, smoothing, min_count, release, suppression, .. } = *decision;
    let mut items = vec![
        format!("hop {:.0} ms", ms(hop, rate_hz)),
        format!("smoothing {smoothing}"),
        format!("suppression {:.0} ms", ms(suppression, rate_hz)),
    ];
    if min_count > 1 {
        items.push(format!("minimum count {min_count}"));
    }
    if release < 1.0 {
        items.push(format!("release at {release:.2} of the threshold"));
    }
    if decision.warm_up > 0 {
        items.push(format!("warm-up {} windows", decision.warm_up));
    }
    if let Some(db) = GateLevel::decibels(decision.gate) {
        items.push(format!("gate {db:.1} dB"));
    }
    items
}

/// The classes with a cooldown that is longer than the suppression.
#[must_use]
pub fn cooldowns(decision: &DecisionDefaults, labels: &[String], rate_hz: u32) -> Vec<String> {
    let own = labels.iter().zip(&decision.cooldowns);
    let longer = own.filter(|(_, cooldown)| **cooldown > decision.suppression);
    longer.map(|(label, cooldown)| format!("{label} {:.0} ms", ms(*cooldown, rate_hz))).collect()
}

/// Samples as milliseconds.
fn ms(samples: u32, rate_hz: u32) -> f64 {
    f64::from(samples) * 1000.0 / f64::from(rate_hz.max(1))
}

/// A rate with what its hours can carry.
#[must_use]
pub fn rate(rate: Rate) -> String {
    let (low, high) = rate.interval95();
    match rate.estimate() {
        _ if rate.hours <= 0.0 => "no hours, no rate".to_owned(),
        Some(estimate) => format!("{estimate:.2}/h (95 %: {low:.2} to {high:.2})"),
        None => format!("below {high:.2}/h (3/T); the hours carry no smaller rate"),
    }
}

/// What a count says about a limit, with the hours that it would take.
#[must_use]
pub fn verdict(rate: Rate, limit: f64) -> String {
    let needed = hours_for(limit);
    match rate.verdict(limit) {
        Verdict::Shown => "shown".to_owned(),
        Verdict::Refuted => "refuted: the whole interval lies above".to_owned(),
        Verdict::Open => "open: it lies inside the interval".to_owned(),
        Verdict::TooFewHours => format!(
            "cannot be stated from {:.2} h; it needs {needed:.1} h without a false accept",
            rate.hours
        ),
    }
}

impl Report<'_> {
    /// A table.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_table(&mut out);
        out
    }

    fn write_table(&self, out: &mut String) -> Result {
        writeln!(out, "{} on {}", self.model, self.title)?;
        let rate_hz = self.streams.positives.track.rate_hz;
        out.push_str(&decision(self.decision, &self.streams.labels, rate_hz));
        writeln!(out)?;
        out.push_str(&composition(self.streams));
        self.write_commands(out)?;
        self.write_false_accepts(out)?;
        self.write_classes(out)?;
        self.write_offsets(out)
    }

    fn write_commands(&self, out: &mut String) -> Result {
        let counts = self.counts(None);
        writeln!(out, "\ncommands           {}", counts.commands)?;
        writeln!(out, "hits               {}", counts.hits)?;
        writeln!(out, "wrong labels       {}", counts.wrong)?;
        writeln!(out, "misses             {}", counts.missed)?;
        writeln!(out, "not heard          {}", percent(counts.not_heard()))?;
        writeln!(out, "other detections   {}", self.measured.matched.others.len())?;
        if let Some(Latency { low, median, high }) = self.latency(None) {
            writeln!(
                out,
                "latency            {median:.0} ms after the word's end, median (5 %: {low:.0}, 95 %: {high:.0})"
            )?;
        }
        Ok(())
    }

    fn write_false_accepts(&self, out: &mut String) -> Result {
        writeln!(
            out,
            "\n{:<22} {:<9} {:>7} {:>10}  rate",
            "false accepts in", "kind", "count", "distinct"
        )?;
        for source in &self.measured.sources {
            let found = source.rate();
            writeln!(
                out,
                "{:<22} {:<9} {:>7} {:>8.3} h  {}",
                source.name,
                source.kind.name(),
                found.count,
                found.hours,
                rate(found)
            )?;
        }
        let totals = self.totals();
        for (name, found) in &totals {
            let (count, hours) = (found.count, found.hours);
            writeln!(out, "{:<22} {name:<9} {count:>7} {hours:>8.3} h  {}", "total", rate(*found))?;
        }
        for limit in &self.limits {
            writeln!(out, "\nat most {limit}/h")?;
            for (name, found) in &totals {
                writeln!(out, "  {name:<10} {}", verdict(*found, *limit))?;
            }
        }
        Ok(())
    }

    fn write_classes(&self, out: &mut String) -> Result {
        let labels = &self.streams.labels;
        let width =
            self.classes().map(|class| labels[class].chars().count()).max().unwrap_or(0).max(5);
        writeln!(
            out,
            "\n{:<width$} {:>9} {:>8} {:>5} {:>6} {:>7} {:>8} {:>14} {:>16}",
            "class",
            "threshold",
            "commands",
            "hits",
            "wrong",
            "misses",
            "recall",
            "latency median",
            "false accepts"
        )?;
        let falses = curves::false_accepts(self.streams, self.measured);
        for class in self.classes() {
            let counts = self.counts(Some(class));
            let latency = self.latency(Some(class));
            let latency = latency.map_or("-".to_owned(), |l| format!("{:.0} ms", l.median));
            writeln!(
                out,
                "{:<width$} {:>9.3} {:>8} {:>5} {:>6} {:>7} {:>6.1} % {latency:>14} {:>16}",
                labels[class],
                self.decision.thresholds[class].unwrap_or(1.0),
                counts.commands,
                counts.hits,
                counts.wrong,
                counts.missed,
                100.0 * counts.recall().value(),
                falses[class],
            )?;
        }
        Ok(())
    }

    fn write_offsets(&self, out: &mut String) -> Result {
        writeln!(out, "\nrecall by where in a hop the word begins")?;
        for (from, to, share) in self.offsets() {
            writeln!(out, "{from:>4.0} to {to:>3.0} ms  {}", percent(share))?;
        }
        Ok(())
    }
}

fn percent(share: Share) -> String {
    let (low, high) = share.interval95();
    let (value, low, high) = (100.0 * share.value(), 100.0 * low, 100.0 * high);
    format!("{value:.2} %  (95 %: {low:.2} to {high:.2}; {} of {})", share.hits, share.of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_not_used_are_left_out() {
        let labels = ["go", "stop"].map(str::to_owned);
        let usual = DecisionDefaults::for_labels(&labels, 16_000);
        let told = |settings: &DecisionDefaults| decision(settings, &labels, 16_000);
        let plain =
            "hop 137 ms, smoothing 3, suppression 1000 ms, thresholds: go 0.600, stop 0.600\n";
        assert_eq!(told(&usual), plain);
        let more = DecisionDefaults { min_count: 2, cooldowns: vec![32_000, 0], ..usual };
        let middle = "ms, minimum count 2, cooldowns: go 2000 ms; thresholds: go";
        assert!(told(&more).contains(middle), "{}", told(&more));
    }

    #[test]
    fn no_rate_is_told_that_the_hours_cannot_carry() {
        let quiet = Rate { count: 0, hours: 1.5 };
        assert_eq!(rate(quiet), "below 2.00/h (3/T); the hours carry no smaller rate");
        assert_eq!(
            verdict(quiet, 0.5),
            "cannot be stated from 1.50 h; it needs 6.0 h without a false accept"
        );
        assert_eq!(rate(Rate::default()), "no hours, no rate");
        assert_eq!(rate(Rate { count: 10, hours: 4.0 }), "2.50/h (95 %: 1.20 to 4.60)");
        assert_eq!(verdict(Rate { count: 0, hours: 7.0 }, 0.5), "shown");
    }
}
