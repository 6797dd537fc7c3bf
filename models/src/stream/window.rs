//! Rolling windows over a stream of samples.

/// Cuts a stream into windows of fixed length, one every hop.
///
/// The first window ends when `window` samples have arrived since the reset, the next one `hop`
/// samples later, and so on: windows lie on a grid anchored at the first sample after a reset, however
/// the stream is cut into pushes. No window is made before it is full of real samples.
///
/// `B` is the memory: at least `window` elements, handed in by the caller.
#[derive(Clone, Debug)]
pub struct RollingWindows<B> {
    buffer: B,
    window: usize,
    hop: usize,
    /// Samples of the next window that have arrived. Negative while samples between two windows
    /// (hop longer than the window) are skipped.
    filled: i64,
    position: u64,
}

impl<B> RollingWindows<B> {
    /// Windows of `window` samples every `hop` samples, kept in `buffer`.
    ///
    /// # Panics
    /// If `window` or `hop` is 0 or the buffer is shorter than the window.
    #[must_use]
    pub fn new<T>(buffer: B, window: usize, hop: usize) -> Self
    where
        B: AsRef<[T]>,
    {
        assert!(window > 0 && hop > 0, "window and hop are at least 1 sample");
        assert!(buffer.as_ref().len() >= window, "the buffer holds a window");
        Self { buffer, window, hop, filled: 0, position: 0 }
    }

    /// Samples since the last reset.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Samples until the next window ends.
    #[must_use]
    pub const fn missing(&self) -> usize {
        (self.window as i64 - self.filled) as usize
    }

    /// Forgets all samples and starts the grid anew at the next one.
    pub fn reset(&mut self) {
        (self.filled, self.position) = (0, 0);
    }

    /// Takes samples and calls `each(window, end)` for every window that they complete, `end`
    /// being the position just after the window's last sample.
    ///
    /// # Errors
    /// The first error of `each`; the samples after that window are not taken.
    pub fn push<T: Copy, E>(
        &mut self,
        mut samples: &[T],
        mut each: impl FnMut(&[T], u64) -> Result<(), E>,
    ) -> Result<(), E>
    where
        B: AsRef<[T]> + AsMut<[T]>,
    {
        while !samples.is_empty() {
            let taken = self.take(samples);
            samples = &samples[taken..];
            self.position += taken as u64;
            if self.filled == self.window as i64 {
                let end = self.position;
                let done = each(&self.buffer.as_ref()[..self.window], end);
                self.advance();
                done?;
            }
        }
        Ok(())
    }

    /// Skips or copies samples up to the end of the next window and tells how many.
    fn take<T: Copy>(&mut self, samples: &[T]) -> usize
    where
        B: AsMut<[T]>,
    {
        if self.filled < 0 {
            let missing = usize::try_from(self.filled.unsigned_abs()).unwrap_or(usize::MAX);
            let skipped = samples.len().min(missing);
            self.filled += skipped as i64;
            return skipped;
        }
        let start = self.filled as usize;
        let taken = samples.len().min(self.window - start);
        self.buffer.as_mut()[start..start + taken].copy_from_slice(&samples[..taken]);
        self.filled += taken as i64;
        taken
    }

    /// Moves the samples that the next window shares to the front.
    fn advance<T: Copy>(&mut self)
    where
        B: AsMut<[T]>,
    {
        if self.hop < self.window {
            self.buffer.as_mut().copy_within(self.hop..self.window, 0);
        }
        self.filled = self.window as i64 - self.hop as i64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::convert::Infallible;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn windows(chunks: &[&[u32]], window: usize, hop: usize) -> Vec<(Vec<u32>, u64)> {
        let mut rolling = RollingWindows::new(vec![u32::MAX; window], window, hop);
        let mut found = Vec::new();
        for chunk in chunks {
            rolling
                .push(chunk, |samples, end| {
                    found.push((samples.to_vec(), end));
                    Ok::<_, Infallible>(())
                })
                .unwrap();
        }
        found
    }

    #[test]
    fn no_window_before_it_is_full() {
        assert!(windows(&[&[1, 2, 3]], 4, 1).is_empty());
        assert_eq!(windows(&[&[1, 2, 3, 4]], 4, 1), [(vec![1, 2, 3, 4], 4)]);
    }

    proptest! {
        #[test]
        fn windows_are_slices_of_the_stream(
            len in 0..200usize, window in 1..30usize, hop in 1..50usize,
            cuts in prop::collection::vec(0..40usize, 0..30),
        ) {
            let stream: Vec<u32> = (0..len as u32).collect();
            let mut expected = Vec::new();
            let mut end = window;
            while end <= len {
                expected.push((stream[end - window..end].to_vec(), end as u64));
                end += hop;
            }
            let mut chunks: Vec<&[u32]> = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts {
                let (chunk, tail) = rest.split_at(cut.min(rest.len()));
                chunks.push(chunk);
                rest = tail;
            }
            chunks.push(rest);
            prop_assert_eq!(windows(&chunks, window, hop), expected);
        }
    }

    #[test]
    fn a_reset_starts_the_grid_anew() {
        let mut rolling = RollingWindows::new(vec![0u8; 3], 3, 2);
        rolling.push(&[1, 2, 3, 4], |_, _| Ok::<_, Infallible>(())).unwrap();
        rolling.reset();
        let mut ends = Vec::new();
        rolling
            .push(&[5, 6, 7], |samples, end| {
                ends.push((samples.to_vec(), end));
                Ok::<_, Infallible>(())
            })
            .unwrap();
        assert_eq!(ends, [(vec![5, 6, 7], 3)]);
    }
}
