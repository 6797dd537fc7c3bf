//! What a training step drops.

use burn::tensor::{Tensor, TensorData};
use models::arch::INNER_DROPOUT;
use rand::{Rng as _, RngExt as _};
use rayon::prelude::*;

use super::{Compute, Masks, Mel};
use crate::draw;

/// The dropout of one training step: a function of seed and step.
///
/// Source: Srivastava et al., "Dropout" (2014). What is kept is scaled up, so that the mean stays.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// Seed of all draws.
    pub seed: u64,
    /// Number of the step.
    pub step: u64,
    /// Share of the features before the classifier that is dropped. 0 switches the dropout inside blocks off, too.
    pub share: f64,
    /// What is changed in mel spectra, if the network reads them.
    pub masks: Masks,
}

impl Dropout {
    /// Drops nothing.
    pub const NONE: Self = Self { seed: 0, step: 0, share: 0.0, masks: Masks::NONE };

    /// The factors of features `[B, F]`.
    #[must_use]
    pub fn features(&self, [batch, features]: [usize; 2], compute: &Compute) -> Tensor<2> {
        let mut rng = draw::rng(self.seed, "dropout", &[self.step]);
        let keep = (1.0 / (1.0 - self.share)) as f32;
        let mut factor = || if rng.random::<f64>() < self.share { 0.0 } else { keep };
        let factors: Vec<f32> = (0..batch * features).map(|_| factor()).collect();
        let factors = TensorData::new(factors, [batch, features]);
        Tensor::from_data(factors, &compute.training_device())
    }

    /// Drops activations behind node `node`, in the layout of `compute`.
    pub(super) fn inside(&self, node: usize, x: Tensor<3>, compute: &Compute) -> Tensor<3> {
        if self.share == 0.0 {
            return x;
        }
        let [batch, columns, channels] = compute.channels_last(x.clone()).dims();
        let mut factors = vec![0.0; batch * columns * channels];
        let samples = factors.par_chunks_exact_mut(columns * channels).enumerate();
        samples.for_each(|(sample, factors)| self.draw(&[node as u64, sample as u64], factors));
        let factors = TensorData::new(factors, [batch, columns, channels]);
        let factors = Tensor::from_data(factors, &compute.training_device());
        x * compute.channels_last(factors)
    }

    /// Changes mel spectra `[B, C, V]`.
    pub(super) fn masked(&self, mel: &Mel, spectra: Tensor<3>) -> Tensor<3> {
        self.masks.apply(mel, spectra, [self.seed, self.step])
    }

    /// Four factors a draw: the share is rounded to 16 bits.
    fn draw(&self, place: &[u64], factors: &mut [f32]) {
        let mut rng = draw::rng(self.seed, "inner dropout", &[&[self.step], place].concat());
        let keep = (1.0 / (1.0 - INNER_DROPOUT)) as f32;
        let limit = (INNER_DROPOUT * 65_536.0) as u64;
        for factors in factors.chunks_mut(4) {
            let mut bits = rng.next_u64();
            for factor in factors {
                *factor = if bits & 0xffff < limit { 0.0 } else { keep };
                bits >>= 16;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_is_dropped_inside_and_the_mean_stays() {
        let mut factors = vec![0.0; 100_001];
        let dropout = Dropout { seed: 1, step: 2, share: 0.5, ..Dropout::NONE };
        dropout.draw(&[3, 4], &mut factors);
        let dropped = factors.iter().filter(|factor| **factor == 0.0).count();
        assert!((19_500..20_500).contains(&dropped), "{dropped}");
        let mean = factors.iter().sum::<f32>() / factors.len() as f32;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        let mut others = vec![0.0; 100_001];
        dropout.draw(&[3, 5], &mut others);
        assert_ne!(factors, others);
    }
}
