//! The stream of mono blocks that decoders and adapters share, and the mix down to mono.

use crate::AudioError;

/// A stream of mono samples at a fixed rate, delivered in blocks of any length.
pub trait BlockSource {
    /// Sample rate of the blocks, in Hz.
    fn rate_hz(&self) -> u32;

    /// The next block of mono samples, never empty, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Whatever stops the stream before its end, such as [`AudioError::Truncated`]. All samples
    /// before the fault have been delivered by then, and every later call returns `None`.
    fn next_block(&mut self) -> Result<Option<&[f32]>, AudioError>;
}

impl<S: BlockSource + ?Sized> BlockSource for Box<S> {
    fn rate_hz(&self) -> u32 {
        (**self).rate_hz()
    }

    fn next_block(&mut self) -> Result<Option<&[f32]>, AudioError> {
        (**self).next_block()
    }
}

/// Averages the channels of interleaved frames into `mono`, replacing its content.
///
/// Samples that are not finite count as 0. An incomplete last frame is left out.
pub(crate) fn mix_to_mono(interleaved: &[f32], channels: usize, mono: &mut Vec<f32>) {
    mono.clear();
    if channels == 1 {
        mono.extend(interleaved.iter().map(|&sample| finite_or_zero(sample)));
        return;
    }
    // The sum is taken in f64: no sum of finite f32 samples can then leave the range of f32.
    let scale = 1.0 / channels.max(1) as f64;
    mono.extend(interleaved.chunks_exact(channels.max(1)).map(|frame| {
        let sum: f64 = frame.iter().map(|&sample| f64::from(finite_or_zero(sample))).sum();
        (sum * scale) as f32
    }));
}

/// The sample itself, or 0 in place of a NaN or an infinity.
pub(crate) fn finite_or_zero(sample: f32) -> f32 {
    if sample.is_finite() { sample } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_averaged() {
        let mut mono = vec![9.0];
        mix_to_mono(&[1.0, 0.0, 0.5, -0.5, 0.25, 0.75], 2, &mut mono);
        assert_eq!(mono, [0.5, 0.0, 0.5]);
        mix_to_mono(&[1.0, 0.0, 0.5, 0.3], 3, &mut mono);
        assert_eq!(mono, [0.5]);
    }

    #[test]
    fn samples_that_are_not_finite_become_zero_and_loud_ones_stay() {
        let mut mono = Vec::new();
        mix_to_mono(&[f32::NAN, 3.0, f32::INFINITY], 1, &mut mono);
        assert_eq!(mono, [0.0, 3.0, 0.0]);
        mix_to_mono(&[f32::MAX, f32::MAX, f32::NEG_INFINITY, 1.0], 2, &mut mono);
        assert_eq!(mono, [f32::MAX, 0.5]);
    }
}
