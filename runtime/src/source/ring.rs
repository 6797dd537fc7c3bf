//! A bounded, lock-free ring between the thread that captures sound and the thread that classifies it.
//!
//! Neither side ever waits for the other one's lock: the ring itself is [`rtrb`]'s, single producer, single consumer. A
//! reader that has nothing to read sleeps until the writer wakes it. Gaps travel through a second, short ring with their
//! place in the stream.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};

/// Gaps that may wait to be read. Where there are more, samples are given up until one is read.
const GAPS: usize = 64;
/// How often a writer looks for room.
const LOOK: Duration = Duration::from_millis(1);

/// A ring for at most `capacity` samples.
///
/// Nothing is lost as long as the reader keeps up on average: when the ring is full, the writer waits for room
/// for a bounded time. Only then it drops its samples, and the reader finds as many zeros in their place, so that the time
/// line stays true.
#[must_use]
pub fn ring(capacity: usize) -> (RingWriter, RingReader) {
    let (write, read) = RingBuffer::new(capacity);
    let (write_gap, read_gap) = RingBuffer::new(GAPS);
    let shared = Arc::new(Shared::default());
    let writer = RingWriter {
        samples: write,
        gaps: write_gap,
        shared: Arc::clone(&shared),
        written: 0,
        pending: 0,
    };
    (writer, RingReader { samples: read, gaps: read_gap, gap: None, read: 0, passed: 0, shared })
}

/// What both sides see.
#[derive(Debug, Default)]
struct Shared {
    /// Samples handed over, those in gaps included.
    time: AtomicU64,
    lost: AtomicU64,
    overruns: AtomicU64,
    fault: OnceLock<String>,
    /// Who reads, as soon as somebody has waited.
    reader: OnceLock<Thread>,
}

impl Shared {
    fn wake(&self) {
        if let Some(reader) = self.reader.get() {
            reader.unpark();
        }
    }
}

/// Lost samples.
#[derive(Debug)]
struct Gap {
    /// Samples written before it, gaps not included.
    at: u64,
    samples: u64,
}

/// The side of the thread that captures.
#[derive(Debug)]
pub struct RingWriter {
    samples: Producer<f32>,
    gaps: Producer<Gap>,
    shared: Arc<Shared>,
    written: u64,
    /// Samples of a gap at the end of what was written that is not in `gaps` yet.
    pending: u64,
}

impl RingWriter {
    /// Appends samples; where there is no room for all of them within `patience`, those that do not fit become
    /// a gap.
    pub fn push(&mut self, samples: &[f32], patience: Duration) {
        let deadline = Instant::now() + patience;
        while (self.samples.slots() < samples.len() || !self.hand_over_gap()) && !self.is_closed() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(LOOK));
        }
        // Behind a gap that could not be handed over, samples would be in the wrong place.
        let room = if self.hand_over_gap() { self.samples.slots() } else { 0 };
        let (fit, lost) = samples.split_at(samples.len().min(room));
        if let Ok(chunk) = self.samples.write_chunk_uninit(fit.len()) {
            self.written += chunk.fill_from_iter(fit.iter().copied()) as u64;
        }
        self.shared.time.fetch_add(fit.len() as u64, Ordering::Relaxed);
        self.push_gap(lost.len() as u64);
        self.shared.wake();
    }

    /// Appends a gap of samples that were lost before they came here.
    pub fn push_gap(&mut self, samples: u64) {
        if samples == 0 || self.is_closed() {
            return;
        }
        if self.pending == 0 {
            self.shared.overruns.fetch_add(1, Ordering::Relaxed);
        }
        self.pending += samples;
        self.shared.lost.fetch_add(samples, Ordering::Relaxed);
        self.shared.time.fetch_add(samples, Ordering::Relaxed);
        self.shared.wake();
    }

    /// Whether nobody reads any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.samples.is_abandoned()
    }

    /// What ends the stream from another thread than the writer's.
    #[must_use]
    pub fn end(&self) -> RingEnd {
        RingEnd(Arc::clone(&self.shared))
    }

    /// Whether no gap waits to be handed over, after having tried.
    fn hand_over_gap(&mut self) -> bool {
        if self.pending == 0 {
            return true;
        }
        let gap = Gap { at: self.written, samples: self.pending };
        let done = self.gaps.push(gap).is_ok();
        if done {
            self.pending = 0;
        }
        done
    }
}

impl Drop for RingWriter {
    fn drop(&mut self) {
        self.hand_over_gap();
        self.shared.wake();
    }
}

/// Ends a stream.
#[derive(Clone, Debug)]
pub struct RingEnd(Arc<Shared>);

impl RingEnd {
    /// Ends the stream with a reason, once everything before it has been read. The first reason counts.
    pub fn fail(&self, reason: String) {
        let _ = self.0.fault.set(reason);
        self.0.wake();
    }
}

/// Why there is nothing more to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RingClosed {
    /// The writer is gone.
    Ended,
    /// [`RingEnd::fail`] was told this.
    Failed(String),
}

/// The side of the thread that classifies.
#[derive(Debug)]
pub struct RingReader {
    samples: Consumer<f32>,
    gaps: Consumer<Gap>,
    /// The next gap, as far as it has not been read.
    gap: Option<Gap>,
    /// Samples read, without and with gaps.
    read: u64,
    passed: u64,
    shared: Arc<Shared>,
}

impl RingReader {
    /// Appends at most `most` samples, or the zeros of a gap, to `out`. Waits for `patience` at most; `out` stays as
    /// it is where nothing comes.
    ///
    /// # Errors
    /// The end, once all samples before it have been read.
    pub fn pop(
        &mut self,
        out: &mut Vec<f32>,
        most: usize,
        patience: Duration,
    ) -> Result<(), RingClosed> {
        let deadline = Instant::now() + patience;
        loop {
            // Looked at before the rings: what was written before the end is then seen there.
            let fault = self.shared.fault.get().cloned();
            let ended = self.samples.is_abandoned();
            let before = out.len();
            self.take(out, most);
            if out.len() > before || most == 0 {
                return Ok(());
            }
            if let Some(reason) = fault {
                return Err(RingClosed::Failed(reason));
            }
            if ended {
                return Err(RingClosed::Ended);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.shared.reader.get_or_init(thread::current);
            thread::park_timeout(left);
        }
    }

    /// Samples lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Times that samples were lost.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.shared.overruns.load(Ordering::Relaxed)
    }

    /// Samples that wait, those in gaps included.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.shared.time.load(Ordering::Relaxed).saturating_sub(self.passed)
    }

    fn take(&mut self, out: &mut Vec<f32>, most: usize) {
        // In this order: a gap before samples that are seen here has been handed over before them.
        let available = self.samples.slots();
        if self.gap.is_none() {
            self.gap = self.gaps.pop().ok();
        }
        if let Some(gap) = self.gap.as_mut().filter(|gap| gap.at == self.read) {
            let zeros = gap.samples.min(most as u64);
            gap.samples -= zeros;
            self.gap.take_if(|gap| gap.samples == 0);
            out.resize(out.len() + zeros as usize, 0.0);
            self.passed += zeros;
            return;
        }
        let before_gap = self.gap.as_ref().map_or(u64::MAX, |gap| gap.at - self.read);
        let count = (available as u64).min(before_gap).min(most as u64);
        if let Ok(chunk) = self.samples.read_chunk(count as usize) {
            out.extend(chunk);
        }
        self.read += count;
        self.passed += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Duration = Duration::ZERO;

    fn drain(reader: &mut RingReader, most: usize) -> Vec<f32> {
        let mut out = Vec::new();
        loop {
            let before = out.len();
            if reader.pop(&mut out, most, NOW).is_err() || out.len() == before {
                return out;
            }
        }
    }

    #[test]
    fn what_does_not_fit_becomes_zeros_in_its_place() {
        let (mut writer, mut reader) = ring(4);
        writer.push(&[1.0, 2.0, 3.0], NOW);
        writer.push(&[4.0, 5.0, 6.0], NOW);
        assert_eq!((reader.backlog(), reader.overruns()), (6, 1));
        writer.push(&[7.0], NOW);
        let mut out = Vec::new();
        reader.pop(&mut out, 2, NOW).unwrap();
        writer.push(&[8.0, 9.0], NOW);
        out.extend(drain(&mut reader, 2));
        assert_eq!(out, [1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 8.0, 9.0]);
        assert_eq!((reader.lost(), reader.backlog()), (3, 0));
    }

    #[test]
    fn a_full_ring_waits_for_its_reader() {
        let (mut writer, mut reader) = ring(8);
        let thread = thread::spawn(move || {
            for block in 0..100 {
                writer.push(&[block as f32; 5], Duration::from_secs(60));
            }
            writer.end().fail("the end".to_owned());
        });
        let mut out = Vec::new();
        let end = loop {
            if let Err(end) = reader.pop(&mut out, 3, Duration::from_secs(60)) {
                break end;
            }
        };
        thread.join().unwrap();
        let expected: Vec<f32> = (0..500).map(|index| (index / 5) as f32).collect();
        assert_eq!((out, reader.lost()), (expected, 0));
        assert_eq!(end, RingClosed::Failed("the end".to_owned()));
    }

    #[test]
    fn an_empty_ring_does_not_block_for_ever_and_an_abandoned_one_not_at_all() {
        let (mut writer, mut reader) = ring(4);
        let mut out = Vec::new();
        reader.pop(&mut out, 4, Duration::from_millis(1)).unwrap();
        assert!(out.is_empty());
        writer.push(&[1.0; 4], NOW);
        drop(reader);
        writer.push(&[1.0; 40], Duration::from_secs(600));
        let (writer, mut reader) = ring(4);
        drop(writer);
        let patience = Duration::from_secs(600);
        assert_eq!(reader.pop(&mut out, 4, patience), Err(RingClosed::Ended));
    }

    #[test]
    fn a_gap_at_the_very_end_is_told() {
        let (mut writer, mut reader) = ring(4);
        writer.push(&[1.0], NOW);
        writer.push_gap(2);
        drop(writer);
        assert_eq!(drain(&mut reader, 9), [1.0, 0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn the_time_line_stays_true(
            blocks in prop::collection::vec((0..20_usize, 0..20_usize, 0..5_u64), 0..140),
        ) {
            let (mut writer, mut reader) = ring(16);
            let (mut out, mut sent) = (Vec::new(), 0_u64);
            for (write, read, gap) in blocks {
                writer.push_gap(gap);
                sent += gap;
                let block: Vec<f32> = (0..write as u64).map(|i| (sent + i + 1) as f32).collect();
                writer.push(&block, NOW);
                sent += write as u64;
                reader.pop(&mut out, read, NOW).unwrap();
                prop_assert_eq!(reader.backlog(), sent - out.len() as u64);
            }
            drop(writer);
            out.extend(drain(&mut reader, 7));
            // A gap behind as many others as can wait is not told before one of them is read.
            prop_assert!(out.len() as u64 == sent || reader.backlog() > 0);
            let lost = out.iter().filter(|sample| **sample == 0.0).count() as u64;
            prop_assert!(lost + reader.backlog() == reader.lost());
            for (index, sample) in out.iter().enumerate() {
                prop_assert!(*sample == 0.0 || *sample == (index + 1) as f32);
            }
        }
    }
}
