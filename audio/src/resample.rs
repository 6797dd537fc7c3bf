//! Streaming sample rate conversion.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use crate::AudioError;
use crate::block::finite_or_zero;

/// The lowest sample rate that is resampled from or to, in Hz.
pub const MIN_RATE_HZ: u32 = 4_000;
/// The highest sample rate that is resampled from or to, in Hz.
pub const MAX_RATE_HZ: u32 = 384_000;

/// The shorter side of a block has at least this many samples. It sets the sharpness of the
/// anti-aliasing filter: at 256 its -6 dB point lies at 95 % of the lower Nyquist frequency.
const MIN_BLOCK_SAMPLES: u32 = 256;
/// Louder samples are limited to this, so that no transform of a block can overflow.
const MAX_MAGNITUDE: f32 = 1e15;

/// Converts a stream of mono samples from one rate to another.
///
/// The conversion is a band-limited one: overlapping blocks are filtered and resized in the
/// frequency domain (FFT overlap-add with a Blackman-Harris windowed sinc, as the `rubato` crate
/// implements it). The filter's delay is removed, so that a sample at t seconds in the input is at
/// t seconds in the output. The same samples give the same output bit for bit, however they are
/// cut into [`push`](Self::push) calls.
///
/// Output lags the input by up to one and a half blocks. A block is about 16 to 30 ms for common
/// pairs of rates, such as 44.1 or 48 kHz to 16 kHz; pairs with no common divisor (44101 to
/// 16000 Hz) have blocks of 2 s.
///
/// Samples that are not finite count as 0.
pub struct Resampler {
    from_hz: u32,
    to_hz: u32,
    blocks: Option<Blocks>,
    samples_in: u64,
    samples_out: u64,
}

/// The block-wise converter and the block that is being filled.
struct Blocks {
    fft: Fft<f32>,
    input: Vec<f32>,
    filled: usize,
    output: Vec<f32>,
    /// Samples of the filter's delay that are still to be dropped.
    delay_left: usize,
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resampler")
            .field("from_hz", &self.from_hz)
            .field("to_hz", &self.to_hz)
            .field("samples_in", &self.samples_in)
            .field("samples_out", &self.samples_out)
            .finish_non_exhaustive()
    }
}

impl Resampler {
    /// A converter from `from_hz` to `to_hz`.
    ///
    /// # Errors
    ///
    /// [`AudioError::BadRate`] for a rate outside [`MIN_RATE_HZ`] to [`MAX_RATE_HZ`].
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, AudioError> {
        for rate_hz in [from_hz, to_hz] {
            if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&rate_hz) {
                return Err(AudioError::BadRate { rate_hz });
            }
        }
        let blocks = if from_hz == to_hz { None } else { Some(Blocks::new(from_hz, to_hz)?) };
        Ok(Self { from_hz, to_hz, blocks, samples_in: 0, samples_out: 0 })
    }

    /// Sample rate of the input, in Hz.
    pub fn from_hz(&self) -> u32 {
        self.from_hz
    }

    /// Sample rate of the output, in Hz.
    pub fn to_hz(&self) -> u32 {
        self.to_hz
    }

    /// Takes samples in, and appends to `out` those that are ready.
    pub fn push(&mut self, mut samples: &[f32], out: &mut Vec<f32>) {
        self.samples_in += samples.len() as u64;
        let Some(blocks) = &mut self.blocks else {
            out.extend(samples.iter().map(|&sample| finite_or_zero(sample)));
            return;
        };
        while !samples.is_empty() {
            samples = blocks.fill(samples);
            if blocks.is_full() {
                let ready = blocks.convert();
                out.extend_from_slice(ready);
                self.samples_out += ready.len() as u64;
            }
        }
    }

    /// Appends what is left to `out` and starts afresh.
    ///
    /// All pushes together with this then made `round(input length * to_hz / from_hz)` samples.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if let Some(blocks) = &mut self.blocks {
            let total = scaled_length(self.samples_in, self.from_hz, self.to_hz);
            let mut left = total.saturating_sub(self.samples_out);
            while left > 0 {
                blocks.pad_with_silence();
                let ready = blocks.convert();
                let count = ready.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                out.extend_from_slice(&ready[..count]);
                left -= count as u64;
            }
            blocks.reset();
        }
        self.samples_in = 0;
        self.samples_out = 0;
    }
}

impl Blocks {
    fn new(from_hz: u32, to_hz: u32) -> Result<Self, AudioError> {
        let divisor = greatest_common_divisor(from_hz, to_hz);
        let shorter = from_hz.min(to_hz) / divisor;
        // An even number of the smallest possible blocks: half a block, the filter's delay, is
        // then a whole number of samples on both sides.
        let multiple = MIN_BLOCK_SAMPLES.div_ceil(shorter).next_multiple_of(2);
        let block_in = (from_hz / divisor * multiple) as usize;
        let fft = Fft::new_custom(
            from_hz as usize,
            to_hz as usize,
            block_in,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|_| AudioError::BadRate { rate_hz: from_hz })?;
        Ok(Self {
            input: vec![0.0; fft.input_frames_next()],
            filled: 0,
            output: vec![0.0; fft.output_frames_next()],
            delay_left: fft.output_delay(),
            fft,
        })
    }

    /// Takes what fits of `samples` into the block; returns the rest.
    fn fill<'a>(&mut self, samples: &'a [f32]) -> &'a [f32] {
        let space = &mut self.input[self.filled..];
        let (taken, rest) = samples.split_at(samples.len().min(space.len()));
        for (slot, &sample) in space.iter_mut().zip(taken) {
            // The transform panics on values that are not finite, or become so when summed.
            *slot = finite_or_zero(sample).clamp(-MAX_MAGNITUDE, MAX_MAGNITUDE);
        }
        self.filled += taken.len();
        rest
    }

    fn is_full(&self) -> bool {
        self.filled == self.input.len()
    }

    fn pad_with_silence(&mut self) {
        self.input[self.filled..].fill(0.0);
        self.filled = self.input.len();
    }

    /// Converts the full block and empties it; returns the new output.
    fn convert(&mut self) -> &[f32] {
        const SIZED: &str = "both buffers have the lengths the converter asks for";
        let frames_in = self.input.len();
        let frames_out = self.output.len();
        let input = SequentialSlice::new(self.input.as_slice(), 1, frames_in).expect(SIZED);
        let mut output =
            SequentialSlice::new_mut(self.output.as_mut_slice(), 1, frames_out).expect(SIZED);
        self.fft.process_into_buffer(&input, &mut output, None).expect(SIZED);
        self.filled = 0;
        let dropped = self.delay_left.min(frames_out);
        self.delay_left -= dropped;
        &self.output[dropped..]
    }

    fn reset(&mut self) {
        self.fft.reset();
        self.filled = 0;
        self.delay_left = self.fft.output_delay();
    }
}

/// `round(samples * to_hz / from_hz)`, halves upwards.
fn scaled_length(samples: u64, from_hz: u32, to_hz: u32) -> u64 {
    let from = u128::from(from_hz);
    let scaled = (u128::from(samples) * u128::from(to_hz) + from / 2) / from;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Converts a whole buffer of mono samples from `from_hz` to `to_hz`.
///
/// # Errors
///
/// [`AudioError::BadRate`] for a rate outside [`MIN_RATE_HZ`] to [`MAX_RATE_HZ`].
pub fn resample(samples: &[f32], from_hz: u32, to_hz: u32) -> Result<Vec<f32>, AudioError> {
    let mut resampler = Resampler::new(from_hz, to_hz)?;
    let mut out = Vec::new();
    resampler.push(samples, &mut out);
    resampler.finish(&mut out);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{rms, sine};
    use proptest::prelude::*;

    /// Level of a tone after conversion relative to before, in dB, edges left out.
    fn gain_db(tone_hz: f64, from_hz: u32, to_hz: u32) -> f64 {
        let input = sine(tone_hz, from_hz, 1.0);
        let output = resample(&input, from_hz, to_hz).unwrap();
        let middle = output.len() / 4..output.len() * 3 / 4;
        20.0 * (rms(&output[middle]) / rms(&input)).log10()
    }

    #[test]
    fn tones_below_the_new_nyquist_frequency_survive_and_others_vanish() {
        for from_hz in [22_050, 32_000, 44_100, 48_000, 96_000] {
            for tone_hz in [50.0, 1000.0, 7000.0] {
                assert!(gain_db(tone_hz, from_hz, 16_000).abs() < 0.5, "{tone_hz} of {from_hz}");
            }
            let alias_db = gain_db(10_000.0, from_hz, 16_000);
            assert!(alias_db < -60.0, "{from_hz}: {alias_db} dB");
        }
        assert!(gain_db(3500.0, 8000, 16_000).abs() < 0.5);
    }

    #[test]
    fn time_stays_true() {
        for (from_hz, to_hz) in
            [(44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (11_025, 16_000), (16_001, 8_000)]
        {
            let output = resample(&sine(440.0, from_hz, 1.0), from_hz, to_hz).unwrap();
            let ideal = sine(440.0, to_hz, 1.0);
            let middle = output.len() / 4..output.len() * 3 / 4;
            let error =
                middle.map(|at| f64::from((output[at] - ideal[at]).abs())).fold(0.0, f64::max);
            assert!(error < 1e-4, "{from_hz} to {to_hz}: {error}");
        }
    }

    #[test]
    fn equal_rates_change_nothing() {
        let samples = sine(440.0, 16_000, 0.1);
        assert_eq!(resample(&samples, 16_000, 16_000).unwrap(), samples);
    }

    #[test]
    fn rates_out_of_range_are_refused() {
        for (from_hz, to_hz) in [(0, 16_000), (3_999, 16_000), (16_000, 384_001)] {
            assert!(matches!(Resampler::new(from_hz, to_hz), Err(AudioError::BadRate { .. })));
        }
        assert!(Resampler::new(4_000, 384_000).is_ok());
    }

    #[test]
    fn hostile_samples_do_no_harm() {
        for (from_hz, to_hz) in [(44_100, 16_000), (8_000, 16_000)] {
            for sample in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN] {
                let out = resample(&vec![sample; 5000], from_hz, to_hz).unwrap();
                assert!(out.iter().all(|sample| sample.is_finite()));
            }
        }
    }

    #[test]
    fn finish_starts_afresh() {
        let samples = sine(300.0, 48_000, 0.05);
        let mut resampler = Resampler::new(48_000, 16_000).unwrap();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for out in [&mut first, &mut second] {
            resampler.push(&samples, out);
            resampler.finish(out);
        }
        assert_eq!(first, second);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn output_does_not_depend_on_the_cuts(
            cuts in proptest::collection::vec(0_usize..3000, 0..12),
            rates in prop::sample::select(vec![(44_100, 16_000), (48_000, 16_000), (8_000, 16_000),
                (16_000, 16_000), (11_025, 8_000), (96_000, 44_100)]),
        ) {
            let total: usize = cuts.iter().sum();
            let samples: Vec<f32> = (0..total).map(|at| ((at * at) as f32 * 0.37).sin()).collect();
            let whole = resample(&samples, rates.0, rates.1).unwrap();

            let mut resampler = Resampler::new(rates.0, rates.1).unwrap();
            let (mut pieces, mut rest) = (Vec::new(), samples.as_slice());
            for cut in cuts {
                resampler.push(&rest[..cut], &mut pieces);
                rest = &rest[cut..];
            }
            resampler.finish(&mut pieces);

            let ideal = total as f64 * f64::from(rates.1) / f64::from(rates.0);
            prop_assert_eq!(whole.len(), ideal.round() as usize);
            prop_assert!(whole.iter().map(|s| s.to_bits()).eq(pieces.iter().map(|s| s.to_bits())));
        }
    }
}
