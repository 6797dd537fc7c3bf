//! A recording played at the speed of a microphone.

use std::time::{Duration, Instant};

use super::{Health, Source, SourceError};

/// Blocks a second that a paced source delivers.
const BLOCKS_PER_SECOND: u32 = 20;

/// Delivers a source's samples no sooner than a microphone would: a block of 50 ms is held back
/// until its last sample would have been heard.
#[derive(Debug)]
pub struct Paced<S> {
    source: S,
    /// Samples that the inner source has delivered, from `next` on still to be passed on.
    held: Vec<f32>,
    next: usize,
    delivered: u64,
    start: Option<Instant>,
}

impl<S: Source> Paced<S> {
    /// Paces `source` from the first call of [`Source::next_block`] on.
    pub fn new(source: S) -> Self {
        Self { source, held: Vec::new(), next: 0, delivered: 0, start: None }
    }
}

impl<S: Source> Source for Paced<S> {
    fn rate_hz(&self) -> u32 {
        self.source.rate_hz()
    }

    fn next_block(&mut self) -> Result<Option<&[f32]>, SourceError> {
        let start = *self.start.get_or_insert_with(Instant::now);
        if self.next == self.held.len() {
            let Some(block) = self.source.next_block()? else { return Ok(None) };
            self.held.clear();
            self.held.extend_from_slice(block);
            self.next = 0;
        }
        let rate_hz = self.source.rate_hz().max(1);
        let most = (rate_hz / BLOCKS_PER_SECOND).max(1) as usize;
        let end = self.held.len().min(self.next + most);
        self.delivered += (end - self.next) as u64;
        let due = Duration::from_secs_f64(self.delivered as f64 / f64::from(rate_hz));
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let block = &self.held[self.next..end];
        self.next = end;
        Ok(Some(block))
    }

    fn health(&self) -> Health {
        self.source.health()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One block of 1000 samples at 10 kHz.
    struct Once(Option<Vec<f32>>, Vec<f32>);

    impl Source for Once {
        fn rate_hz(&self) -> u32 {
            10_000
        }

        fn next_block(&mut self) -> Result<Option<&[f32]>, SourceError> {
            let Some(block) = self.0.take() else { return Ok(None) };
            self.1 = block;
            Ok(Some(&self.1))
        }
    }

    #[test]
    fn a_tenth_of_a_second_takes_that_long_and_arrives_whole() {
        let samples: Vec<f32> = (0..1000).map(|index| index as f32).collect();
        let mut source = Paced::new(Once(Some(samples.clone()), Vec::new()));
        let (start, mut heard) = (Instant::now(), Vec::new());
        while let Some(block) = source.next_block().unwrap() {
            assert!(block.len() <= 500);
            heard.extend_from_slice(block);
        }
        assert!(start.elapsed() >= Duration::from_millis(100));
        assert_eq!(heard, samples);
    }
}
