//! Recordings as interrupts.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use anyhow::{Error, Result, anyhow};
use audio::{AudioError, BlockSource, Decoder, Resampled, to_i16};

/// The samples that a driver is handed at a time.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    /// Counter of the first sample, from the start of the recording.
    pub(crate) sample: u64,
    pub(crate) samples: Vec<i16>,
}

/// A recording that plays.
#[derive(Debug)]
pub(crate) struct Recording {
    source: Resampled<Decoder>,
    path: PathBuf,
    /// Samples of an interrupt.
    dma: usize,
    /// Decoded samples that no interrupt has delivered yet.
    waiting: VecDeque<i16>,
    /// What stopped the decoder.
    fault: Option<Error>,
    ended: bool,
    /// Samples delivered.
    position: u64,
}

impl Recording {
    /// Opens a recording of any rate, to be heard at `rate_hz` in interrupts of `dma` samples.
    pub(crate) fn open(path: &Path, rate_hz: u32, dma: usize) -> Result<Self> {
        let decoder = Decoder::open(path)?;
        let source =
            Resampled::new(decoder, rate_hz).map_err(|e| anyhow!("{}: {e}", path.display()))?;
        let path = path.to_path_buf();
        let waiting = VecDeque::new();
        Ok(Self { source, path, dma, waiting, fault: None, ended: false, position: 0 })
    }

    /// Samples delivered so far.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// The next interrupt, or `None` at the end; only the last one is shorter than the others.
    ///
    /// # Errors
    /// Whatever stops the recording before its end, once all samples before that were delivered, and a
    /// recording of no samples.
    pub(crate) fn next(&mut self) -> Result<Option<Interrupt>> {
        while self.waiting.len() < self.dma && !self.ended {
            match self.source.next_block() {
                Ok(Some(block)) => self.waiting.extend(block.iter().copied().map(to_i16)),
                end => {
                    self.fault = end.err().map(Error::new);
                    self.ended = true;
                }
            }
        }
        if self.waiting.is_empty()
            && let Some(fault) = self.fault.take()
        {
            return Err(fault);
        }
        let samples: Vec<i16> = self.waiting.drain(..self.dma.min(self.waiting.len())).collect();
        if samples.is_empty() {
            return match self.position {
                0 => Err(AudioError::Empty { path: self.path.clone() }.into()),
                _ => Ok(None),
            };
        }
        let sample = self.position;
        self.position += samples.len() as u64;
        Ok(Some(Interrupt { sample, samples }))
    }
}
