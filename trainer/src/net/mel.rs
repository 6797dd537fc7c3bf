//! Mel spectra by two products with fixed matrices.
//!
//! The spectrum is a convolution with sines and cosines under a window, so that a model file needs nothing but ordinary
//! operations for it, and whatever runs the file needs no front end.

use std::f64::consts::TAU;

use burn::tensor::module::conv1d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};
use models::arch::{Node, Op};

use super::Compute;

/// Added to the energies before the logarithm.
pub const FLOOR: f32 = 1e-6;

/// The numbers of a mel spectrum ([`Op::Mel`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Mel {
    /// Cosines, then sines, of every frequency, times the window: `[2·(K/2 + 1), 1, K]`.
    pub waves: Vec<f32>,
    /// The weights of the bands for the squares of what the waves make: `[bands, 2·(K/2 + 1), 1]`.
    pub bands: Vec<f32>,
    /// K, samples of a spectrum.
    pub kernel: usize,
    /// Samples between two spectra.
    pub stride: usize,
    /// Bands.
    pub channels: usize,
    /// Frequency of sampling, in Hz.
    pub rate_hz: u32,
}

impl Mel {
    /// The numbers of a node; `None` if it is something else.
    #[must_use]
    pub fn of(node: &Node) -> Option<Self> {
        let Op::Mel { kernel, stride, rate_hz } = node.op else { return None };
        let channels = node.out_channels;
        let triangles = triangles(channels, kernel, rate_hz);
        // Real and imaginary parts have the same weight.
        let bands = triangles.chunks_exact(kernel / 2 + 1);
        let bands = bands.flat_map(|band| [band, band].concat()).collect();
        Some(Self { waves: waves(kernel), bands, kernel, stride, channels, rate_hz })
    }

    /// Real and imaginary parts of a spectrum together.
    #[must_use]
    pub const fn parts(&self) -> usize {
        2 * (self.kernel / 2 + 1)
    }

    /// The frequency at which band `band`, or a place between two, is largest.
    #[must_use]
    pub fn centre_hz(&self, band: f64) -> f64 {
        let highest = to_mel(f64::from(self.rate_hz) / 2.0);
        to_hz(highest * (band + 1.0) / (self.channels + 1) as f64)
    }

    /// The place among the bands whose [`Mel::centre_hz`] is this frequency.
    #[must_use]
    pub fn band_of(&self, hz: f64) -> f64 {
        let highest = to_mel(f64::from(self.rate_hz) / 2.0);
        to_mel(hz) / highest * (self.channels + 1) as f64 - 1.0
    }

    /// The spectra of the network's input, in the layout of `compute`; `change` sees them as `[B, C, V]`.
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        compute: &Compute,
        change: impl FnOnce(Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        // With one channel both layouts hold the same numbers.
        let [batch, a, b] = x.dims();
        let x = x.reshape([batch, 1, a * b]);
        let device = x.device();
        let tensor = |values: &[f32], shape: [usize; 3]| {
            Tensor::<3>::from_data(TensorData::new(values.to_vec(), shape), &device)
        };
        let parts = self.parts();
        let options = ConvOptions::new_with_padding([self.stride], [(0, 0)], [1], 1);
        let waves = conv1d(x, tensor(&self.waves, [parts, 1, self.kernel]), None, options);
        let power = waves.clone() * waves;
        let options = ConvOptions::new_with_padding([1], [(0, 0)], [1], 1);
        let bands = tensor(&self.bands, [self.channels, parts, 1]);
        let energies = conv1d(power, bands, None, options) + FLOOR;
        let spectra = change(energies.log());
        // `channels_last` goes back as well.
        if compute.fused() { spectra.swap_dims(1, 2) } else { spectra }
    }
}

/// Cosines and sines of the frequencies 0 to K/2 under a Hann window of period K.
fn waves(kernel: usize) -> Vec<f32> {
    let turn = |index: usize| TAU * index as f64 / kernel as f64;
    let window: Vec<f64> = (0..kernel).map(|index| 0.5 - 0.5 * turn(index).cos()).collect();
    let wave = |frequency: usize, of: fn(f64) -> f64| {
        // The remainder keeps the angle small, and exact.
        let angle = move |index: usize| turn(frequency * index % kernel);
        window.iter().enumerate().map(move |(index, w)| (w * of(angle(index))) as f32)
    };
    let bins = kernel / 2 + 1;
    let cosines = (0..bins).flat_map(|frequency| wave(frequency, f64::cos));
    let cosines: Vec<f32> = cosines.collect();
    let sines = (0..bins).flat_map(|frequency| wave(frequency, f64::sin));
    cosines.into_iter().chain(sines).collect()
}

fn to_mel(hz: f64) -> f64 {
    2595.0 * (1.0 + hz / 700.0).log10()
}

fn to_hz(mel: f64) -> f64 {
    700.0 * (10f64.powf(mel / 2595.0) - 1.0)
}

/// Triangles of height 1 whose corners are evenly spaced in mel from 0 Hz to half the rate, a row a band.
fn triangles(bands: usize, kernel: usize, rate_hz: u32) -> Vec<f32> {
    let rate = f64::from(rate_hz);
    let corner = |index: usize| to_hz(to_mel(rate / 2.0) * index as f64 / (bands + 1) as f64);
    let bins = kernel / 2 + 1;
    let mut rows = Vec::with_capacity(bands * bins);
    for band in 0..bands {
        let [left, middle, right] = [0, 1, 2].map(|corner_of| corner(band + corner_of));
        rows.extend((0..bins).map(|bin| {
            let at = rate * bin as f64 / kernel as f64;
            let rising = (at - left) / (middle - left);
            let falling = (right - at) / (right - middle);
            rising.min(falling).max(0.0) as f32
        }));
    }
    rows
}

#[cfg(test)]
mod tests {
    use models::arch::preset;

    use super::*;

    /// A tone of this frequency for the stem of `melcnn-speech`: `[frames][bands]`.
    fn spectra(hz: f64, level: f64, compute: &Compute) -> (Mel, Vec<Vec<f32>>) {
        let arch = preset("melcnn-speech", 2).unwrap();
        let mel = Mel::of(&arch.nodes().unwrap()[0]).unwrap();
        let tone = (0..16_000).map(|i| (level * (TAU * hz * f64::from(i) / 16_000.0).sin()) as f32);
        let tone = TensorData::new(tone.collect::<Vec<f32>>(), [1, 16_000]);
        let x = Tensor::<2>::from_data(tone, compute.inference_device());
        let made = compute.channels_last(mel.forward(compute.input(x), compute, |spectra| spectra));
        let [_, frames, bands] = made.dims();
        assert_eq!((frames, bands), (97, 64));
        let values: Vec<f32> = made.into_data().try_to_vec().unwrap();
        (mel, values.chunks_exact(bands).map(<[f32]>::to_vec).collect())
    }

    #[test]
    fn a_tone_lies_in_its_band_in_every_frame_and_layout() {
        for (hz, band) in [(1000.0, 22), (4000.0, 48)] {
            let (_, fused) = spectra(hz, 0.5, &Compute::cpu());
            let (_, plain) = spectra(hz, 0.5, &Compute::cpu_plain());
            assert_eq!(fused, plain);
            for frame in &fused {
                let largest = crate::evaluate::predict::argmax(frame);
                assert!(largest.abs_diff(band) <= 1, "{hz} Hz in band {largest}");
            }
        }
    }

    #[test]
    fn energies_are_those_of_the_transform() {
        // |X|² of a tone in the middle of a bin under a Hann window is (A·K/4)², in its neighbours a quarter.
        let (mel, frames) = spectra(1000.0, 0.5, &Compute::cpu());
        let bin = 32;
        let peak = (0.5f64 * 512.0 / 4.0).powi(2);
        let energy = |band: usize| {
            let weight = |at: usize| f64::from(mel.bands[band * mel.parts() + at]);
            weight(bin) * peak + (weight(bin - 1) + weight(bin + 1)) * peak / 4.0
        };
        for (band, &found) in frames[40].iter().enumerate().take(24).skip(20) {
            let (expected, found) = ((energy(band) + f64::from(FLOOR)).ln(), f64::from(found));
            assert!((found - expected).abs() < 1e-2, "band {band}: {found} {expected}");
        }
    }

    #[test]
    fn silence_is_the_floor() {
        let (_, frames) = spectra(1000.0, 0.0, &Compute::cpu());
        assert!(frames.iter().flatten().all(|value| (value - FLOOR.ln()).abs() < 1e-4));
    }

    #[test]
    fn bands_reach_from_0_hz_to_half_the_rate() {
        let rows = triangles(64, 512, 16_000);
        let covered = |bin: usize| (0..64).map(|band| rows[band * 257 + bin]).sum::<f32>();
        // Neighbouring triangles add up to 1, but for the outer halves of the first and the last.
        assert!((2..245).all(|bin| (covered(bin) - 1.0).abs() < 1e-5));
        assert_eq!((covered(0), rows.len()), (0.0, 64 * 257));
    }
}
