//! What a driver learns from the sample counters of its interrupts.

use std::ops::Range;

/// Keeps track of the counters.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    /// Counter that the next interrupt should begin with.
    expected: u64,
    /// The last samples that were missing.
    missed: Range<u64>,
}

/// Something that a counter told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) kind: GapKind,
    /// The first sample concerned, counted from the start of the recording.
    pub(crate) sample: u64,
    /// How many samples: they were bridged with zeros if missing, discarded otherwise.
    pub(crate) samples: u64,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GapKind {
    /// Samples did not come.
    Missing,
    /// Samples came a second time.
    Repeated,
    /// Samples came after they had been given up.
    Late,
}

/// What to do with an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) gap: Option<Gap>,
    /// Zeros that stand in for samples that did not come.
    pub(crate) zeros: u64,
    /// Samples at the interrupt's start that are to be discarded.
    pub(crate) discarded: usize,
}

impl Sequence {
    /// Samples so far, those included that did not come.
    pub(crate) const fn expected(&self) -> u64 {
        self.expected
    }

    /// Takes the counter of an interrupt's first sample and the number of its samples.
    pub(crate) fn arrive(&mut self, sample: u64, len: usize) -> Arrival {
        let end = sample.saturating_add(len as u64);
        let mut arrival = Arrival { gap: None, zeros: 0, discarded: 0 };
        if sample > self.expected {
            arrival.zeros = sample - self.expected;
            self.missed = self.expected..sample;
            let (sample, samples) = (self.expected, arrival.zeros);
            arrival.gap = Some(Gap { kind: GapKind::Missing, sample, samples });
        } else if sample < self.expected {
            let samples = self.expected.min(end) - sample;
            let late = self.missed.contains(&sample);
            let kind = if late { GapKind::Late } else { GapKind::Repeated };
            // Not more than the interrupt has.
            arrival.discarded = samples as usize;
            arrival.gap = Some(Gap { kind, sample, samples });
        }
        self.expected = self.expected.max(end);
        arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind, first sample, samples; then zeros and discarded samples.
    type Found = (Option<(GapKind, u64, u64)>, u64, usize);

    fn arrivals(counters: &[(u64, usize)]) -> Vec<Found> {
        let mut sequence = Sequence::default();
        let arrivals = counters.iter().map(|(sample, len)| sequence.arrive(*sample, *len));
        arrivals
            .map(|a| (a.gap.map(|g| (g.kind, g.sample, g.samples)), a.zeros, a.discarded))
            .collect()
    }

    #[test]
    fn each_kind_is_told_apart() {
        use GapKind::{Late, Missing, Repeated};
        assert_eq!(
            arrivals(&[(0, 10), (10, 10), (10, 10), (30, 10), (20, 10), (40, 4)]),
            [
                (None, 0, 0),
                (None, 0, 0),
                (Some((Repeated, 10, 10)), 0, 10),
                (Some((Missing, 20, 10)), 10, 0),
                (Some((Late, 20, 10)), 0, 10),
                (None, 0, 0),
            ]
        );
    }

    #[test]
    fn what_overlaps_is_used_as_far_as_it_is_new() {
        let found = arrivals(&[(0, 10), (6, 10), (16, 1)]);
        assert_eq!(found[1], (Some((GapKind::Repeated, 6, 4)), 0, 4));
        assert_eq!(found[2], (None, 0, 0));
    }

    #[test]
    fn absurd_counters_do_not_overflow() {
        let found = arrivals(&[(u64::MAX, 10), (0, 10)]);
        assert_eq!(found[0], (Some((GapKind::Missing, 0, u64::MAX)), u64::MAX, 0));
        assert_eq!(found[1], (Some((GapKind::Late, 0, 10)), 0, 10));
    }
}
