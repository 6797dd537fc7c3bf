//! A bounded queue between a capture callback and the thread that classifies.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Samples on their way from a callback, in order, with the gaps between them.
///
/// Nothing is lost as long as the reader keeps up on average: when the queue is full, the callback
/// waits for room for a bounded time. Only then it drops its samples, and the reader finds as many
/// zeros in their place, so that the time line stays true.
#[derive(Debug)]
pub(super) struct SampleQueue {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    samples: VecDeque<f32>,
    gaps: VecDeque<Gap>,
    /// Samples written and read so far, gaps not included.
    written: u64,
    read: u64,
    lost: u64,
    fault: Option<String>,
    closed: bool,
}

/// Lost samples.
#[derive(Debug)]
struct Gap {
    /// Samples written before it.
    at: u64,
    samples: u64,
}

impl SampleQueue {
    /// A queue for at most `capacity` samples.
    pub(super) fn new(capacity: usize) -> Self {
        let samples = VecDeque::with_capacity(capacity);
        let state = Mutex::new(State { samples, ..State::default() });
        Self { state, changed: Condvar::new(), capacity }
    }

    /// Appends samples; where there is no room for all of them within `patience`, those that do
    /// not fit become a gap.
    pub(super) fn push(&self, samples: &[f32], patience: Duration) {
        let mut state = self.lock();
        let deadline = Instant::now() + patience;
        while state.samples.len() + samples.len() > self.capacity && !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wait(state, left);
        }
        let room = self.capacity.saturating_sub(state.samples.len());
        let (taken, lost) = samples.split_at(samples.len().min(room));
        state.samples.extend(taken);
        state.written += taken.len() as u64;
        state.add_gap(lost.len() as u64);
        drop(state);
        self.changed.notify_all();
    }

    /// Appends a gap of samples that were lost before they came here.
    pub(super) fn push_gap(&self, samples: u64) {
        self.lock().add_gap(samples);
        self.changed.notify_all();
    }

    /// Ends the stream with an error once everything before it has been read.
    pub(super) fn fail(&self, reason: String) {
        self.lock().fault.get_or_insert(reason);
        self.changed.notify_all();
    }

    /// Tells the writer that nobody reads any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.samples.clear();
        drop(state);
        self.changed.notify_all();
    }

    /// Samples lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// Moves at most `most` samples, or the zeros of a gap, to `out`. Waits for `patience` at
    /// most; `out` stays as it is where nothing comes.
    ///
    /// # Errors
    /// What [`SampleQueue::fail`] was told, once all samples before it have been read.
    pub(super) fn pop(
        &self,
        out: &mut Vec<f32>,
        most: usize,
        patience: Duration,
    ) -> Result<(), String> {
        let mut state = self.lock();
        let deadline = Instant::now() + patience;
        while state.samples.is_empty() && state.gaps.is_empty() {
            if let Some(fault) = &state.fault {
                return Err(fault.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            state = self.wait(state, left);
        }
        state.take(out, most);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    fn add_gap(&mut self, samples: u64) {
        if samples == 0 || self.closed {
            return;
        }
        self.lost += samples;
        let at = self.written;
        match self.gaps.back_mut() {
            Some(last) if last.at == at => last.samples += samples,
            _ => self.gaps.push_back(Gap { at, samples }),
        }
    }

    fn take(&mut self, out: &mut Vec<f32>, most: usize) {
        let read = self.read;
        if let Some(gap) = self.gaps.front_mut().filter(|gap| gap.at == read) {
            let zeros = gap.samples.min(most as u64);
            gap.samples -= zeros;
            if gap.samples == 0 {
                self.gaps.pop_front();
            }
            out.resize(out.len() + zeros as usize, 0.0);
            return;
        }
        let before_gap = self.gaps.front().map_or(u64::MAX, |gap| gap.at - read);
        let before_gap = usize::try_from(before_gap).unwrap_or(usize::MAX);
        let count = self.samples.len().min(most).min(before_gap);
        out.extend(self.samples.drain(..count));
        self.read += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    const NOW: Duration = Duration::ZERO;

    fn drain(queue: &SampleQueue, most: usize) -> Vec<f32> {
        let mut out = Vec::new();
        loop {
            let before = out.len();
            queue.pop(&mut out, most, NOW).unwrap();
            if out.len() == before {
                return out;
            }
        }
    }

    #[test]
    fn what_does_not_fit_becomes_zeros_in_its_place() {
        let queue = SampleQueue::new(4);
        queue.push(&[1.0, 2.0, 3.0], NOW);
        queue.push(&[4.0, 5.0, 6.0], NOW);
        queue.push(&[7.0], NOW);
        let mut out = Vec::new();
        queue.pop(&mut out, 2, NOW).unwrap();
        queue.push(&[8.0, 9.0], NOW);
        out.extend(drain(&queue, 2));
        assert_eq!(out, [1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 8.0, 9.0]);
        assert_eq!(queue.lost(), 3);
    }

    #[test]
    fn a_full_queue_waits_for_its_reader() {
        let queue = Arc::new(SampleQueue::new(8));
        let writer = Arc::clone(&queue);
        let thread = std::thread::spawn(move || {
            for block in 0..100 {
                writer.push(&[block as f32; 5], Duration::from_secs(60));
            }
            writer.fail("the end".to_owned());
        });
        let mut out = Vec::new();
        let end = loop {
            if let Err(end) = queue.pop(&mut out, 3, Duration::from_secs(60)) {
                break end;
            }
        };
        thread.join().unwrap();
        let expected: Vec<f32> = (0..500).map(|index| (index / 5) as f32).collect();
        assert_eq!((out, queue.lost(), end.as_str()), (expected, 0, "the end"));
    }

    #[test]
    fn an_empty_queue_does_not_block_for_ever_and_a_closed_one_not_at_all() {
        let queue = SampleQueue::new(4);
        let mut out = Vec::new();
        queue.pop(&mut out, 4, Duration::from_millis(1)).unwrap();
        assert!(out.is_empty());
        queue.push(&[1.0; 4], NOW);
        queue.close();
        queue.push(&[1.0; 40], Duration::from_secs(600));
        assert_eq!(queue.lost(), 0);
    }

    proptest! {
        #[test]
        fn the_time_line_stays_true(
            blocks in prop::collection::vec((0..20_usize, 0..20_usize, 0..5_u64), 0..40),
        ) {
            let queue = SampleQueue::new(16);
            let (mut out, mut sent) = (Vec::new(), 0_u64);
            for (write, read, gap) in blocks {
                queue.push_gap(gap);
                sent += gap;
                let block: Vec<f32> = (0..write as u64).map(|i| (sent + i + 1) as f32).collect();
                queue.push(&block, NOW);
                sent += write as u64;
                queue.pop(&mut out, read, NOW).unwrap();
            }
            out.extend(drain(&queue, 7));
            prop_assert_eq!(out.len() as u64, sent);
            let lost = out.iter().filter(|sample| **sample == 0.0).count() as u64;
            prop_assert_eq!(lost, queue.lost());
            for (index, sample) in out.iter().enumerate() {
                prop_assert!(*sample == 0.0 || *sample == (index + 1) as f32);
            }
        }
    }
}
