//! What a pipeline has done, and how fast.

use std::collections::VecDeque;
use std::time::Duration;

/// Windows whose times are kept.
const RECENT: usize = 1000;

/// Counts since the pipeline began, and the times of the last thousand windows.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Windows computed.
    pub windows: u64,
    /// Windows that a gate found too quiet to be computed.
    pub quiet: u64,
    /// Windows left out because the network was too slow.
    pub skipped: u64,
    /// Detections.
    pub events: u64,
    times: VecDeque<Duration>,
}

impl Stats {
    pub(super) fn add_window(&mut self, time: Duration) {
        self.windows += 1;
        if self.times.len() == RECENT {
            self.times.pop_front();
        }
        self.times.push_back(time);
    }

    /// Milliseconds within which the share `q` (0 to 1) of the recent windows was computed; 0 without windows.
    #[must_use]
    pub fn window_ms(&self, q: f64) -> f64 {
        let mut times: Vec<f64> = self.times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        quantile(&times, q)
    }

    /// These counts with those of a pipeline before this one.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        self.windows += before.windows;
        self.quiet += before.quiet;
        self.skipped += before.skipped;
        self.events += before.events;
        self
    }
}

/// The smallest of some values in ascending order that a share `q` (0 to 1) of them does not exceed; 0 of none.
#[must_use]
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_measured_values() {
        let times: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(quantile(&times, 0.5), 100.0);
        assert_eq!(quantile(&times, 0.99), 198.0);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn only_recent_times_count() {
        let mut stats = Stats { quiet: 2, ..Stats::default() };
        assert_eq!(stats.window_ms(0.5), 0.0);
        for ms in 0..1500 {
            stats.add_window(Duration::from_millis(ms));
        }
        assert_eq!(
            (stats.windows, stats.window_ms(0.0), stats.window_ms(1.0)),
            (1500, 500.0, 1499.0)
        );
        let both = stats.clone().after(&stats);
        assert_eq!((both.windows, both.quiet), (3000, 4));
    }
}
