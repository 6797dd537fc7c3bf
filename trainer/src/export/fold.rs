//! Batch norm folded into the convolution before it.

use burn::tensor::Tensor;

use crate::kernel::{EPSILON, Geometry};
use crate::net::{Layer, Network};

/// A convolution with ReLU and max pooling behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldedLayer {
    /// Filters, `[O, I, K]`.
    pub weight: Vec<f32>,
    /// O, I, K.
    pub shape: [usize; 3],
    /// Bias, `[O]`.
    pub bias: Vec<f32>,
    /// Stride, padding, pool.
    pub geometry: Geometry,
}

/// A network without batch norm.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// Stem, blocks, head.
    pub layers: Vec<FoldedLayer>,
    /// Weights of the classifier, `[F, N]`.
    pub weight: Vec<f32>,
    /// F, N.
    pub shape: [usize; 2],
    /// Bias of the classifier, `[N]`.
    pub bias: Vec<f32>,
}

/// Folds a network: `w' = w·a`, `b' = (b − µ)·a + β` with `a = γ / √(σ² + ε)`, in f64.
#[must_use]
pub fn fold(net: &Network) -> Folded {
    Folded {
        layers: net.layers.iter().map(fold_layer).collect(),
        weight: values(net.weight.val()),
        shape: net.weight.shape().dims(),
        bias: values(net.bias.val()),
    }
}

fn fold_layer(layer: &Layer) -> FoldedLayer {
    let shape: [usize; 3] = layer.weight.shape().dims();
    let read = |tensor| values::<1>(tensor);
    let (mut weight, bias) = (values(layer.weight.val()), read(layer.bias.val()));
    let (gamma, beta) = (read(layer.gamma.val()), read(layer.beta.val()));
    let (mean, variance) = (read(layer.mean.val()), read(layer.variance.val()));
    let mut folded_bias = Vec::with_capacity(bias.len());
    for (channel, filter) in weight.chunks_exact_mut(shape[1] * shape[2]).enumerate() {
        let deviation = (f64::from(variance[channel]) + f64::from(EPSILON)).sqrt();
        let scale = f64::from(gamma[channel]) / deviation;
        filter.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
        let offset = f64::from(bias[channel]) - f64::from(mean[channel]);
        folded_bias.push((offset * scale + f64::from(beta[channel])) as f32);
    }
    FoldedLayer { weight, shape, bias: folded_bias, geometry: layer.geometry() }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32 parameters")
}
