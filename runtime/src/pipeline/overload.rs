//! Which windows are left out when the network is slower than the stream.

/// Seconds of sound that may wait before windows are skipped: short delays, such as of a busy computer, cost nothing.
const LATE_S: f64 = 1.0;
/// Seconds of sound that may wait before sound itself is given up.
const FAR_S: f64 = 3.0;

/// What to leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relief {
    /// Nothing.
    None,
    /// The next so many windows; the stream goes on without a break.
    Windows(u64),
    /// So many samples: a stream whose windows share their work saves little where single windows are skipped.
    Samples(u64),
}

/// Skips exactly what the stream is late by, after each window anew. Where every window takes two and a half hops,
/// that is one or two windows after each that is computed, in turn: the gaps are even by themselves.
#[derive(Clone, Debug)]
pub(super) struct Overload {
    hop: u64,
    /// Most windows skipped in a row before one is computed again: a window's length of sound is never passed
    /// over without a look.
    most: u64,
    late: u64,
    far: u64,
    /// Samples that wait, less those that have been left out since.
    behind: u64,
}

impl Overload {
    pub(super) fn new(rate_hz: u32, window: u32, hop: u32) -> Self {
        let samples = |seconds: f64| (seconds * f64::from(rate_hz)) as u64;
        let most = u64::from(window.div_ceil(hop.max(1))).max(1);
        let (late, far) = (samples(LATE_S), samples(FAR_S));
        Self { hop: u64::from(hop.max(1)), most, late, far, behind: 0 }
    }

    /// Tells how many samples wait.
    pub(super) fn tell(&mut self, behind: u64) {
        self.behind = behind;
    }

    /// What to leave out behind a window that ends before sample `position`.
    pub(super) fn relief(&mut self, position: u64) -> Relief {
        let excess = self.behind.saturating_sub(self.late);
        if excess == 0 {
            return Relief::None;
        }
        if self.behind <= self.far {
            let windows = excess.div_ceil(self.hop).min(self.most);
            self.behind = self.behind.saturating_sub(windows * self.hop);
            return Relief::Windows(windows);
        }
        self.behind = self.late;
        // Windows stay on their grid: they begin at multiples of the hop.
        Relief::Samples((position + excess).next_multiple_of(self.hop) - position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE_HZ: u32 = 1000;
    const HOP: u32 = 100;

    /// Which windows are computed of a stream of `hops` hops, where a window takes `cost` hops to compute and
    /// `passed` to skip; and how late the stream is at most, in hops.
    fn computed(hops: u64, cost: f64, passed: f64) -> (Vec<u64>, f64) {
        let mut overload = Overload::new(RATE_HZ, RATE_HZ, HOP);
        let (mut now, mut worst, mut skip, mut windows) = (0.0_f64, 0.0_f64, 0, Vec::new());
        let mut hop = 0;
        while hop < hops {
            now = now.max((hop + 1) as f64);
            if skip > 0 {
                (skip, now, hop) = (skip - 1, now + passed, hop + 1);
                continue;
            }
            now += cost;
            windows.push(hop);
            hop += 1;
            worst = worst.max(now - hop as f64);
            overload.tell(((now - hop as f64) * f64::from(HOP)) as u64);
            match overload.relief(hop * u64::from(HOP)) {
                Relief::None => {}
                Relief::Windows(count) => skip = count,
                Relief::Samples(samples) => hop += samples / u64::from(HOP),
            }
        }
        (windows, worst)
    }

    #[test]
    fn a_fast_network_computes_every_window() {
        assert_eq!(computed(1000, 0.99, 0.0).0.len(), 1000);
    }

    #[test]
    fn a_single_delay_costs_nothing() {
        let mut overload = Overload::new(RATE_HZ, RATE_HZ, HOP);
        overload.tell(1000);
        assert_eq!(overload.relief(5000), Relief::None);
        overload.tell(1001);
        assert_eq!(overload.relief(5000), Relief::Windows(1));
        assert_eq!(overload.relief(5000), Relief::None, "it has been made good");
        overload.tell(3050);
        assert_eq!(overload.relief(5050), Relief::Samples(2050));
    }

    proptest! {
        #[test]
        fn windows_are_skipped_evenly_and_the_stream_stays_near(cost in 1.0..8.0_f64) {
            let (windows, worst) = computed(4000, cost, 0.0);
            let settled: Vec<u64> = windows.iter().copied().filter(|hop| *hop > 200).collect();
            let gaps: Vec<u64> = settled.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let (least, most) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
            prop_assert!(most - least <= 1, "gaps of {least} to {most}");
            // As many as there is time for, in which a second of being late is included.
            let count = settled.len() as f64 - 3800.0 / cost;
            prop_assert!((-3.0..14.0).contains(&count), "{count} more than there is time for");
            prop_assert!(worst <= 10.0 + 2.0 * cost);
        }

        #[test]
        fn where_skipping_saves_nothing_sound_is_given_up(cost in 1.01..12.0_f64) {
            let (windows, worst) = computed(4000, cost, cost);
            prop_assert!(worst <= 31.0 + 12.0 * cost, "{worst}");
            prop_assert!(windows.last().is_some_and(|last| *last > 3700));
        }
    }
}
