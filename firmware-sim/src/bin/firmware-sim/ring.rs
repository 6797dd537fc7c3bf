//! Samples between the interrupts and the engine.

/// A first-in, first-out buffer of fixed size.
#[derive(Debug)]
pub(crate) struct Ring {
    samples: Vec<i16>,
    start: usize,
    filled: usize,
}

impl Ring {
    pub(crate) fn new(size: usize) -> Self {
        Self { samples: vec![0; size], start: 0, filled: 0 }
    }

    /// Takes as many samples as fit, and tells how many.
    pub(crate) fn write(&mut self, samples: &[i16]) -> usize {
        let size = self.samples.len();
        let taken = samples.len().min(size - self.filled);
        if taken == 0 {
            return 0;
        }
        let end = (self.start + self.filled) % size;
        let (now, wrapped) = samples[..taken].split_at(taken.min(size - end));
        self.samples[end..end + now.len()].copy_from_slice(now);
        self.samples[..wrapped.len()].copy_from_slice(wrapped);
        self.filled += taken;
        taken
    }

    /// Hands out the oldest samples that lie side by side, at most once around the ring; empty if
    /// there are none.
    pub(crate) fn read(&mut self) -> &[i16] {
        let size = self.samples.len();
        let count = self.filled.min(size - self.start);
        let range = self.start..self.start + count;
        self.filled -= count;
        self.start = if range.end == size { 0 } else { range.end };
        &self.samples[range]
    }

    pub(crate) fn clear(&mut self) {
        (self.start, self.filled) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_lost_or_reordered(size in 1..20usize, writes in prop::collection::vec(0..40usize, 1..40)) {
            let mut ring = Ring::new(size);
            let (mut sent, mut received) = (Vec::new(), Vec::new());
            for (turn, count) in writes.into_iter().enumerate() {
                let samples: Vec<i16> = (0..count).map(|i| (sent.len() + i) as i16).collect();
                let taken = ring.write(&samples);
                sent.extend_from_slice(&samples[..taken]);
                if turn % 3 > 0 {
                    received.extend_from_slice(ring.read());
                }
            }
            received.extend_from_slice(ring.read());
            received.extend_from_slice(ring.read());
            prop_assert!(ring.read().is_empty());
            prop_assert_eq!(received, sent);
        }
    }
}
