//! The linear layers of gates.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::layer::toward;

/// A linear layer without batch norm.
#[derive(Module, Debug)]
pub struct Linear {
    /// Weights, `[I, O]`.
    pub weight: Param<Tensor<2>>,
    /// Bias, `[O]`.
    pub bias: Param<Tensor<1>>,
}

impl Linear {
    /// A layer with these weights, `[I, O]`, and no bias.
    #[must_use]
    pub fn new(weight: TensorData, device: &Device) -> Self {
        let outputs = weight.shape().dims::<2>()[1];
        Self {
            weight: Param::from_data(weight, device),
            bias: Param::from_data(TensorData::zeros::<f32, _>([outputs]), device),
        }
    }

    /// `[B, O]` from `[B, I]`.
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val()) + self.bias.val().unsqueeze()
    }

    /// Moves every parameter by `share` of the way to `other`'s.
    pub(super) fn toward(mut self, other: &Self, share: f32) -> Self {
        self.weight = toward(self.weight, &other.weight, share);
        self.bias = toward(self.bias, &other.bias, share);
        self
    }
}
