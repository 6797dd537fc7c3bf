//! Signals and sources that the tests of this crate share.

use std::io::{self, Read};

use crate::{AudioError, BlockSource};

/// A sine of amplitude 0.5 that starts at phase 0.
pub(crate) fn sine(tone_hz: f64, rate_hz: u32, seconds: f64) -> Vec<f32> {
    let count = (seconds * f64::from(rate_hz)).round() as usize;
    let step = std::f64::consts::TAU * tone_hz / f64::from(rate_hz);
    (0..count).map(|at| (0.5 * (step * at as f64).sin()) as f32).collect()
}

/// Root mean square.
pub(crate) fn rms(samples: &[f32]) -> f64 {
    let energy: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    (energy / samples.len().max(1) as f64).sqrt()
}

/// All samples of a source, and the fault that stopped it, if any.
pub(crate) fn drain(mut source: impl BlockSource) -> (Vec<f32>, Option<AudioError>) {
    let mut samples = Vec::new();
    loop {
        match source.next_block() {
            Ok(Some(block)) => {
                assert!(!block.is_empty());
                samples.extend_from_slice(block);
            }
            Ok(None) => return (samples, None),
            Err(fault) => {
                assert!(matches!(source.next_block(), Ok(None)));
                return (samples, Some(fault));
            }
        }
    }
}

/// A pipe that yields a few bytes at a time and is interrupted now and then.
pub(crate) struct TinyReads {
    bytes: io::Cursor<Vec<u8>>,
    sizes: Vec<usize>,
    reads: usize,
}

impl TinyReads {
    /// Yields `bytes` in reads of `sizes`, taken in turn.
    pub(crate) fn new(bytes: Vec<u8>, sizes: Vec<usize>) -> Self {
        Self { bytes: io::Cursor::new(bytes), sizes, reads: 0 }
    }
}

impl Read for TinyReads {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads.is_multiple_of(7) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let size = self.sizes[self.reads % self.sizes.len()].min(buffer.len());
        self.bytes.read(&mut buffer[..size])
    }
}
