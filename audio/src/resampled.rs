//! A source of blocks at another rate than its own.

use crate::{AudioError, BlockSource, Resampler};

/// A [`BlockSource`] that delivers another one at a wanted rate.
///
/// Where the inner source stops with an error, the samples before it are delivered first.
#[derive(Debug)]
pub struct Resampled<S> {
    source: S,
    resampler: Resampler,
    out: Vec<f32>,
    fault: Option<AudioError>,
    finished: bool,
}

impl<S: BlockSource> Resampled<S> {
    /// Delivers `source` at `rate_hz`.
    ///
    /// # Errors
    ///
    /// [`AudioError::BadRate`] where the source's rate or `rate_hz` is out of range.
    pub fn new(source: S, rate_hz: u32) -> Result<Self, AudioError> {
        let resampler = Resampler::new(source.rate_hz(), rate_hz)?;
        Ok(Self { source, resampler, out: Vec::new(), fault: None, finished: false })
    }

    /// The source that is resampled.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Fills `self.out` with the next samples; leaves it empty at the end.
    fn fill(&mut self) {
        self.out.clear();
        while self.out.is_empty() && !self.finished {
            match self.source.next_block() {
                Ok(Some(block)) => self.resampler.push(block, &mut self.out),
                end => {
                    self.fault = end.err();
                    self.finished = true;
                    self.resampler.finish(&mut self.out);
                }
            }
        }
    }
}

impl<S: BlockSource> BlockSource for Resampled<S> {
    fn rate_hz(&self) -> u32 {
        self.resampler.to_hz()
    }

    fn next_block(&mut self) -> Result<Option<&[f32]>, AudioError> {
        self.fill();
        if !self.out.is_empty() {
            return Ok(Some(&self.out));
        }
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{drain, sine};
    use crate::{RawDecoder, resample};

    #[test]
    fn a_source_is_delivered_at_the_wanted_rate_with_its_fault_last() {
        let samples = sine(440.0, 48_000, 0.2);
        let mut bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        bytes.push(0);
        let source = RawDecoder::new(bytes.as_slice(), "f32le:48000:1".parse().unwrap()).unwrap();
        let boxed: Box<dyn BlockSource + Send + '_> = Box::new(source);
        let (out, fault) = drain(Resampled::new(boxed, 16_000).unwrap());
        assert_eq!(out, resample(&samples, 48_000, 16_000).unwrap());
        assert!(matches!(fault, Some(AudioError::Truncated { frames_read: 9600, .. })));
    }
}
