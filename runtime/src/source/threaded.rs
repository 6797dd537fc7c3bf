//! A source that is read on a thread of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::ring::{RingClosed, RingReader, RingWriter, ring};
use super::{Health, Source, SourceError};

/// Seconds of sound that may wait to be classified.
const RING_SECONDS: usize = 10;
/// Longest block handed to the ring: where there is room for one, the reader still has as much to read.
const MOST_SECONDS: usize = RING_SECONDS / 2;
/// Longest block delivered, as a fraction of a second.
const BLOCKS_PER_SECOND: usize = 10;
/// Time after which an empty block is delivered.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long a source that can wait is made to; then its samples count as lost.
const FOR_EVER: Duration = Duration::from_secs(1 << 32);

/// Reads another source on a thread of its own, through a ring of ten seconds of sound.
///
/// Its user gets an empty block where the source has nothing to tell, and so can look after other things.
#[derive(Debug)]
pub struct Threaded {
    reader: RingReader,
    inner: Arc<Inner>,
    rate_hz: u32,
    live: bool,
    block: Vec<f32>,
}

/// What the thread tells.
#[derive(Debug, Default)]
struct Inner {
    lost: AtomicU64,
    overruns: AtomicU64,
    error: Mutex<Option<SourceError>>,
}

impl Threaded {
    /// Reads a source that does not wait, such as a microphone: where the ring is full, samples are lost.
    #[must_use]
    pub fn live(source: impl Source + Send + 'static) -> Self {
        Self::new(source, true)
    }

    /// Reads a source that waits until it is read, such as a file or a pipe: nothing is lost.
    #[must_use]
    pub fn patient(source: impl Source + Send + 'static) -> Self {
        Self::new(source, false)
    }

    fn new(source: impl Source + Send + 'static, live: bool) -> Self {
        let rate_hz = source.rate_hz();
        let (writer, reader) = ring(RING_SECONDS * rate_hz as usize);
        let inner = Arc::new(Inner::default());
        let patience = if live { Duration::ZERO } else { FOR_EVER };
        let (end, theirs) = (writer.end(), Arc::clone(&inner));
        let thread = thread::Builder::new().name("capture".to_owned());
        let started = thread.spawn(move || capture(source, writer, &theirs, patience));
        if let Err(error) = started {
            end.fail(format!("no thread can be started: {error}"));
        }
        Self { reader, inner, rate_hz, live, block: Vec::new() }
    }
}

/// Reads `source` to its end, or until nobody reads what it says.
fn capture(mut source: impl Source, mut writer: RingWriter, inner: &Inner, patience: Duration) {
    let most = (MOST_SECONDS * source.rate_hz() as usize).max(1);
    while !writer.is_closed() {
        match source.next_block() {
            Ok(Some(block)) => block.chunks(most).for_each(|part| writer.push(part, patience)),
            Ok(None) => return,
            Err(error) => {
                let reason = error.to_string();
                *inner.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                writer.end().fail(reason);
                return;
            }
        }
        let health = source.health();
        inner.lost.store(health.lost_samples, Ordering::Relaxed);
        inner.overruns.store(health.overruns, Ordering::Relaxed);
    }
}

impl Source for Threaded {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn next_block(&mut self) -> Result<Option<&[f32]>, SourceError> {
        self.block.clear();
        let most = (self.rate_hz as usize / BLOCKS_PER_SECOND).max(1);
        match self.reader.pop(&mut self.block, most, PATIENCE) {
            Ok(()) => Ok(Some(&self.block)),
            Err(RingClosed::Ended) => Ok(None),
            Err(RingClosed::Failed(reason)) => {
                let error = self.inner.error.lock().unwrap_or_else(PoisonError::into_inner).take();
                let name = "capture".to_owned();
                Err(error.unwrap_or(SourceError::Stopped { name, reason }))
            }
        }
    }

    fn health(&self) -> Health {
        Health {
            lost_samples: self.reader.lost() + self.inner.lost.load(Ordering::Relaxed),
            overruns: self.reader.overruns() + self.inner.overruns.load(Ordering::Relaxed),
            backlog: if self.live { self.reader.backlog() } else { 0 },
            ..Health::default()
        }
    }

    fn arrived(&self) -> u64 {
        self.reader.backlog()
    }
}
