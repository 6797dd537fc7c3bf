//! Windows of a whole recording.

/// Where the segments of a recording begin whose posteriors are averaged: as many as windows fit into it, rounded up,
/// evenly spaced, `(len − window) / (n − 1)` samples apart.
///
/// So the authors of SampleCNN count them (Lee, Park, Kim and Nam, 2017): 9 of 1.23 s in 10 s, 12 of 2.46 s in 29 s.
pub fn segment_starts(len: usize, window: usize) -> impl ExactSizeIterator<Item = usize> {
    let count = len.div_ceil(window.max(1)).max(1);
    let room = len.saturating_sub(window);
    (0..count).map(move |index| (room * index) / (count - 1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn segments_are_spaced_evenly_and_counted_as_published() {
        let starts = |len, window| segment_starts(len, window).collect::<Vec<_>>();
        assert_eq!(starts(160_000, 19_683).len(), 9);
        assert_eq!(starts(29 * 16_000, 39_366).len(), 12);
        assert_eq!(starts(100, 100), [0]);
        assert_eq!(starts(50, 100), [0]);
        assert_eq!(starts(0, 100), [0]);
        assert_eq!(starts(101, 100), [0, 1]);
        assert_eq!(starts(400, 100), [0, 100, 200, 300]);
    }
}
