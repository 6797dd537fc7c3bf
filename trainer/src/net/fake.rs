//! Training with the rounding of an int8 model (*fake quantisation*).
//!
//! Forward, weights and activations take only the values that the int8 model can store; backward, the
//! rounding is left out (the *straight-through estimator*; Jacob et al., "Quantization and training
//! of neural networks for efficient integer-arithmetic-only inference", 2018). A weight's scale is
//! its filter's largest weight over 127. That is also the scale behind the batch norm, which
//! multiplies a whole filter.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// How a layer's activations are stored: multiples of `scale` from 0 to `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activation {
    /// The largest multiple.
    pub limit: u16,
    /// What one unit stands for.
    pub scale: f64,
}

/// Activations of any shape, behind a ReLU, rounded.
pub(super) fn activations<const D: usize>(x: Tensor<D>, stored: Activation) -> Tensor<D> {
    let Activation { limit, scale } = stored;
    let x = x.clamp_max(f64::from(limit) * scale);
    let rounded = (x.clone() / scale).round() * scale;
    x.clone() + (rounded - x).detach()
}

/// Filters `[O, I, K]`, rounded with one scale an output.
pub(super) fn filters(weight: Tensor<3>) -> Tensor<3> {
    let scale = weight.clone().detach().abs().max_dim(1).max_dim(2);
    rows(weight, scale)
}

/// Weights `[F, N]`, rounded with one scale an output.
pub(super) fn linear(weight: Tensor<2>) -> Tensor<2> {
    let scale = weight.clone().detach().abs().max_dim(0);
    rows(weight, scale)
}

fn rows<const D: usize>(weight: Tensor<D>, largest: Tensor<D>) -> Tensor<D> {
    let scale = largest.clamp_min(1e-12) / 127.0;
    let rounded = (weight.clone() / scale.clone()).round() * scale;
    weight.clone() + (rounded - weight).detach()
}
