//! Power spectra.

use std::f32::consts::TAU;
use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

/// The power spectrum of so many samples under a Hann window.
pub struct Spectrum {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
}

impl Spectrum {
    /// The transform of `samples` samples.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn new(samples: usize) -> Self {
        assert!(samples > 0, "a spectrum is one of samples");
        let fft = RealFftPlanner::new().plan_fft_forward(samples);
        Self { fft, window: hann(samples) }
    }

    /// Values of a spectrum: `samples / 2 + 1`, from 0 Hz to half the rate.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.window.len() / 2 + 1
    }

    /// The squared magnitudes of the transform.
    ///
    /// # Panics
    /// If there are not as many samples as the transform is for.
    #[must_use]
    pub fn power(&self, samples: &[f32]) -> Vec<f32> {
        assert_eq!(samples.len(), self.window.len(), "the length of the transform");
        let mut windowed: Vec<f32> =
            samples.iter().zip(&self.window).map(|(sample, window)| sample * window).collect();
        let mut bins = self.fft.make_output_vec();
        self.fft.process(&mut windowed, &mut bins).expect("buffers of the transform's lengths");
        bins.iter().map(|bin| bin.norm_sqr()).collect()
    }

    /// Spectra every `hop` samples, in decibels below the largest value, at most `range_db`, scaled to 0 to 1; row by row
    /// from the highest frequency. Returns the columns, and the values.
    #[must_use]
    pub fn spectrogram(&self, samples: &[f32], hop: usize, range_db: f32) -> (usize, Vec<f32>) {
        let columns: Vec<Vec<f32>> =
            samples.windows(self.window.len()).step_by(hop).map(|part| self.power(part)).collect();
        let largest = columns.iter().flatten().fold(f32::MIN_POSITIVE, |a, b| a.max(*b));
        let level = |power: f32| 1.0 + 10.0 * (power / largest).max(1e-30).log10() / range_db;
        let rows = (0..self.bins()).rev();
        let values = rows.flat_map(|bin| columns.iter().map(move |column| level(column[bin])));
        (columns.len(), values.map(|value| value.max(0.0)).collect())
    }
}

/// A Hann window whose ends are not quite 0: the period is one more than the length.
#[must_use]
pub fn hann(samples: usize) -> Vec<f32> {
    let step = TAU / (samples + 1) as f32;
    (1..=samples).map(|index| 0.5 - 0.5 * (step * index as f32).cos()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_found_at_its_frequency() {
        for samples in [729, 512] {
            let spectrum = Spectrum::new(samples);
            let tone: Vec<f32> = (0..samples)
                .map(|index| (TAU * 40.0 * index as f32 / samples as f32).sin())
                .collect();
            let power = spectrum.power(&tone);
            assert_eq!(power.len(), samples / 2 + 1);
            let largest = (0..power.len()).max_by(|a, b| power[*a].total_cmp(&power[*b]));
            assert_eq!(largest, Some(40));
            assert!(power[60] < 1e-5 * power[40]);
        }
    }

    #[test]
    fn spectrograms_have_the_highest_frequency_on_top() {
        let spectrum = Spectrum::new(64);
        let mut sound = vec![0.0f32; 320];
        // Half the rate at the end.
        sound[256..].iter_mut().enumerate().for_each(|(i, s)| *s = [1.0, -1.0][i % 2]);
        let (columns, values) = spectrum.spectrogram(&sound, 64, 60.0);
        assert_eq!((columns, values.len()), (5, 5 * 33));
        assert_eq!((values[4], values[0]), (1.0, 0.0));
        assert!(values[5 * 32 + 4] < 0.1);
    }
}
