//! The layer behind the head of an int8 network.

use models::arch::{ArchSpec, Task};
use models::q8;
use models::quant::{Factor, requantize, sigmoid, softmax};
use models::stream::{Q15, to_f32};

/// The layer behind the head.
#[derive(Debug)]
pub(super) struct Classifier {
    task: Task,
    weights: Vec<i8>,
    scales: Vec<(i32, Factor)>,
}

impl Classifier {
    pub(super) fn new(arch: &ArchSpec, layer: &q8::Layer<'_>) -> Self {
        let scale = |output| (layer.bias(output), layer.factor(output));
        Self {
            task: arch.task,
            weights: layer.weights().iter().map(|weight| weight.cast_signed()).collect(),
            scales: (0..layer.shape.outputs).map(scale).collect(),
        }
    }

    /// The posteriors of all columns of the head.
    pub(super) fn posteriors<T: Copy + Into<i32>>(&self, features: &[T], out: &mut [f32]) {
        let rows = self.weights.chunks_exact(features.len());
        let logits = rows.zip(&self.scales).map(|(row, (bias, factor))| {
            let products = row.iter().zip(features);
            let sum = products.fold(*bias, |sum, (weight, feature)| {
                sum.wrapping_add(i32::from(*weight).wrapping_mul((*feature).into()))
            });
            requantize(sum, *factor)
        });
        let logits: Vec<i32> = logits.collect();
        let mut posteriors: Vec<Q15> = vec![0; logits.len()];
        match self.task {
            Task::MultiClass => softmax(&logits, &mut posteriors),
            Task::MultiLabel => sigmoid(&logits, &mut posteriors),
        }
        for (out, posterior) in out.iter_mut().zip(posteriors) {
            *out = to_f32(posterior);
        }
    }
}
