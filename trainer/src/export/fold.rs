//! Batch norm folded into the convolution before it.
//!
//! In every kind of block the batch norm follows its convolution directly, so all of them fold.

use burn::tensor::Tensor;
use models::arch::{Node, Op};

use crate::kernel::EPSILON;
use crate::net::{Layer, Network};

/// The numbers of a convolution or linear layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Filters, `[O, I, K]`.
    pub weight: Vec<f32>,
    /// O, I, K.
    pub shape: [usize; 3],
    /// Bias, `[O]`.
    pub bias: Vec<f32>,
}

/// A network without batch norm.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// Its nodes, and the numbers of those that have some. The classifier's filters are as long as its input.
    pub nodes: Vec<(Node, Option<Weights>)>,
}

/// Folds a network: `w' = w·a`, `b' = (b − µ)·a + β` with `a = γ / √(σ² + ε)`, in f64.
///
/// # Panics
/// If a part of the network is missing.
#[must_use]
pub fn fold(net: &Network) -> Folded {
    let mut layers = net.layers.iter();
    let linear = net.gates.iter().map(|gate| (&gate.weight, &gate.bias));
    let mut linear = linear.chain([(&net.weight, &net.bias)]);
    let weights = net.nodes().iter().map(|node| {
        let weights = match node.op {
            Op::Conv { norm: true, .. } => {
                Some(fold_layer(layers.next().expect("there is a layer for every node")))
            }
            Op::Conv { kernel, .. } => {
                let (weight, bias) = linear.next().expect("there is a layer for every node");
                Some(transposed(values(weight.val()), kernel, values(bias.val())))
            }
            _ => None,
        };
        (node.clone(), weights)
    });
    Folded { nodes: weights.collect() }
}

fn fold_layer(layer: &Layer) -> Weights {
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
    Weights { weight, shape, bias: folded_bias }
}

/// A linear layer's `[I·K, O]` as filters `[O, I, K]`.
fn transposed(weight: Vec<f32>, kernel: usize, bias: Vec<f32>) -> Weights {
    let outputs = bias.len();
    let inputs = weight.len() / outputs;
    let filter = |output| weight.iter().skip(output).step_by(outputs).copied();
    let weight = (0..outputs).flat_map(filter).collect();
    Weights { weight, shape: [outputs, inputs / kernel, kernel], bias }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32 parameters")
}
