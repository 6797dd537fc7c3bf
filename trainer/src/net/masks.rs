//! What a training step changes in mel spectra.

use burn::tensor::{Tensor, TensorData};
use rand::RngExt as _;
use rayon::prelude::*;

use super::Mel;
use crate::draw::{self, ChaCha8Rng};

/// Masks of each kind in a spectrogram, as in the policies of the paper.
const MASKS: usize = 2;

/// Random changes to the spectrograms of a training step, each of its own. All zero: none.
///
/// Sources: Park et al., "SpecAugment" (2019), for masked bands and frames, and Jaitly and Hinton, "Vocal Tract
/// Length Perturbation improves speech recognition" (2013), for the stretched axis of frequencies. What is masked
/// becomes the spectrogram's mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Masks {
    /// Largest change of all frequencies, either way, as a share of them.
    pub stretch: f64,
    /// Largest share of the bands that one of two masks covers.
    pub bands: f64,
    /// Largest share of the frames that one of two masks covers.
    pub frames: f64,
}

impl Masks {
    /// Spectrograms as they are.
    pub const NONE: Self = Self { stretch: 0.0, bands: 0.0, frames: 0.0 };

    /// The spectrograms `[B, C, V]` of step `step` with other bands and frames.
    pub(super) fn apply(&self, mel: &Mel, spectra: Tensor<3>, [seed, step]: [u64; 2]) -> Tensor<3> {
        if *self == Self::NONE {
            return spectra;
        }
        let [batch, bands, frames] = spectra.dims();
        let mut mixes = vec![0.0; batch * bands * bands];
        let mut seen = vec![1.0; batch * frames];
        let samples =
            mixes.par_chunks_exact_mut(bands * bands).zip(seen.par_chunks_exact_mut(frames));
        samples.enumerate().for_each(|(sample, (mix, seen))| {
            let mut rng = draw::rng(seed, "masks", &[step, sample as u64]);
            stretch(mel, 1.0 + symmetric(&mut rng, self.stretch), mix);
            mask(&mut rng, self.bands, bands, |band| mix[band * bands..][..bands].fill(0.0));
            mask(&mut rng, self.frames, frames, |frame| seen[frame] = 0.0);
        });
        let device = spectra.device();
        let mix = Tensor::<3>::from_data(TensorData::new(mixes, [batch, bands, bands]), &device);
        let seen = Tensor::<3>::from_data(TensorData::new(seen, [batch, 1, frames]), &device);
        let mean = spectra.clone().mean_dim(1).mean_dim(2);
        mix.matmul(spectra - mean.clone()) * seen + mean
    }
}

/// Writes the `[C, C]` weights with which bands are mixed whose frequencies are `factor` times theirs.
fn stretch(mel: &Mel, factor: f64, mix: &mut [f32]) {
    let bands = mel.channels;
    for (band, weights) in mix.chunks_exact_mut(bands).enumerate() {
        let place = mel.band_of(mel.centre_hz(band as f64) * factor).clamp(0.0, (bands - 1) as f64);
        let below = place as usize;
        let above = (below + 1).min(bands - 1);
        let share = (place - below as f64) as f32;
        weights[below] += 1.0 - share;
        weights[above] += share;
    }
}

/// Calls `hide` with every place of some stretches of random length, each up to `most` of all `count` places.
fn mask(rng: &mut ChaCha8Rng, most: f64, count: usize, mut hide: impl FnMut(usize)) {
    for _ in 0..MASKS {
        let len = (rng.random_range(0.0..=most) * count as f64).round() as usize;
        let first = rng.random_range(0..=count - len);
        (first..first + len).for_each(&mut hide);
    }
}

fn symmetric(rng: &mut ChaCha8Rng, most: f64) -> f64 {
    rng.random_range(-most..=most)
}

#[cfg(test)]
mod tests {
    use models::arch::preset;

    use super::super::Compute;
    use super::*;

    fn mel() -> Mel {
        Mel::of(&preset("melcnn-speech", 2).unwrap().nodes().unwrap()[0]).unwrap()
    }

    fn applied(masks: Masks, step: u64, compute: &Compute) -> Vec<f32> {
        let values: Vec<f32> = (0..3 * 64 * 97).map(|i| (i % 101) as f32).collect();
        let x = TensorData::new(values, [3, 64, 97]);
        let x = Tensor::<3>::from_data(x, &compute.training_device());
        masks.apply(&mel(), x, [5, step]).into_data().try_to_vec().unwrap()
    }

    #[test]
    fn unchanged_frequencies_stay_in_their_bands() {
        let mut mix = vec![0.0; 64 * 64];
        stretch(&mel(), 1.0, &mut mix);
        for (index, weight) in mix.iter().enumerate() {
            let expected = if index % 65 == 0 { 1.0 } else { 0.0 };
            assert!((weight - expected).abs() < 1e-5, "{index}: {weight}");
        }
    }

    #[test]
    fn stretched_frequencies_come_from_other_bands_with_weights_of_one() {
        let mel = mel();
        let mut mix = vec![0.0; 64 * 64];
        stretch(&mel, 1.2, &mut mix);
        for (band, weights) in mix.chunks_exact(64).enumerate() {
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            let place: f32 = weights.iter().zip(0u8..).map(|(w, at)| w * f32::from(at)).sum();
            let hz = mel.centre_hz(f64::from(place));
            let wanted = (mel.centre_hz(band as f64) * 1.2).min(mel.centre_hz(63.0));
            assert!((hz - wanted).abs() < 1e-3 * wanted, "band {band}: {hz} Hz of {wanted}");
        }
    }

    #[test]
    fn masks_cover_as_much_as_they_may_and_leave_the_rest() {
        let compute = Compute::cpu();
        let plain = applied(Masks::NONE, 1, &compute);
        let masks = Masks { frames: 0.3, bands: 0.3, ..Masks::NONE };
        let (mut most, mut changed) = (0, 0);
        for step in 0..20 {
            let made = applied(masks, step, &compute);
            let differs = |(a, b): (&f32, &f32)| (a - b).abs() > 1e-3;
            for (made, plain) in made.chunks_exact(64 * 97).zip(plain.chunks_exact(64 * 97)) {
                let hidden = made.iter().zip(plain).filter(|pair| differs(*pair)).count();
                (most, changed) = (most.max(hidden), changed + usize::from(hidden > 0));
            }
        }
        // Two masks of three tenths in each direction hide at most 1 - 0.4².
        assert!(changed > 50 && most <= 64 * 97 * 84 / 100, "{changed} {most}");
    }

    #[test]
    fn a_step_draws_the_same_and_another_step_something_else() {
        let masks = Masks { stretch: 0.1, bands: 0.2, frames: 0.2 };
        let compute = Compute::cpu();
        let made = applied(masks, 1, &compute);
        assert_eq!(made, applied(masks, 1, &compute));
        assert_ne!(made, applied(masks, 2, &compute));
    }
}
