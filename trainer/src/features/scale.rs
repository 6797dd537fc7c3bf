//! Features brought to one scale.

use burn::tensor::{Tensor, TensorData};

use crate::net::Compute;

/// Mean and 1/deviation of each feature over the training clips.
pub(super) struct Scale {
    pub(super) mean: Vec<f64>,
    pub(super) factor: Vec<f64>,
}

impl Scale {
    /// Of rows of `width` numbers.
    pub(super) fn of(values: &[f32], width: usize) -> Self {
        let count = (values.len() / width).max(1) as f64;
        let (mut mean, mut square) = (vec![0.0; width], vec![0.0; width]);
        for row in values.chunks_exact(width) {
            for (index, value) in row.iter().enumerate() {
                mean[index] += f64::from(*value) / count;
                square[index] += f64::from(*value).powi(2) / count;
            }
        }
        // A feature that is always the same says nothing.
        let factor = mean.iter().zip(&square).map(|(mean, square): (&f64, &f64)| {
            let deviation = (square - mean * mean).max(0.0).sqrt();
            if deviation > 1e-6 { 1.0 / deviation } else { 0.0 }
        });
        let factor = factor.collect();
        Self { mean, factor }
    }

    /// The rows with mean 0 and variance 1, `[B, D]`, to learn from.
    pub(super) fn apply(&self, values: &[f32], compute: &Compute) -> Tensor<2> {
        let width = self.mean.len();
        let scaled: Vec<f32> = values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let (mean, factor) = (self.mean[index % width], self.factor[index % width]);
                ((f64::from(*value) - mean) * factor) as f32
            })
            .collect();
        let shape = [values.len() / width, width];
        Tensor::from_data(TensorData::new(scaled, shape), &compute.training_device())
    }
}
