//! The operations of a network that are no convolutions, and the order of all of them.
//!
//! Activations are `[B, V, C]` with the fused layers and `[B, C, V]` with Burn's own.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::module::max_pool1d;
use burn::tensor::ops::MaxPoolOptions;
use models::arch::{Activation, Node, Op};

use super::{Compute, Dropout, Linear, Mel};

/// The outputs of nodes, as long as a node to come reads them.
struct Values {
    made: Vec<Option<Tensor<3>>>,
    readers: Vec<usize>,
}

impl Values {
    fn new(nodes: &[Node]) -> Self {
        let mut readers = vec![0; nodes.len()];
        nodes.iter().flat_map(|node| &node.operands).for_each(|operand| readers[*operand] += 1);
        // Whoever walks reads the last one.
        readers.last_mut().into_iter().for_each(|readers| *readers += 1);
        Self { made: vec![None; nodes.len()], readers }
    }

    fn read(&mut self, index: usize) -> Tensor<3> {
        self.readers[index] -= 1;
        let made = &mut self.made[index];
        let value = if self.readers[index] == 0 { made.take() } else { made.clone() };
        value.expect("nodes follow what they read")
    }
}

/// What has numbers besides the convolutions.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    /// The linear layers of gates.
    pub(super) gates: &'a [Linear],
    /// The mel spectrum in place of a stem.
    pub(super) mel: Option<&'a Mel>,
    /// What changes the mel spectrum, in training.
    pub(super) dropout: Option<&'a Dropout>,
}

/// Computes `nodes`, the classifier not among them, from the input of the first one to the output of the last one.
///
/// `conv(node, x)` does a convolution with batch norm, `watch(node, x)` sees every output.
pub(super) fn walk(
    nodes: &[Node],
    parts: Parts<'_>,
    input: Tensor<3>,
    compute: &Compute,
    mut conv: impl FnMut(usize, Tensor<3>) -> Tensor<3>,
    mut watch: impl FnMut(usize, &Tensor<3>),
) -> Tensor<3> {
    let mut values = Values::new(nodes);
    let mut gates = parts.gates.iter();
    for (index, node) in nodes.iter().enumerate() {
        let mut operands = node.operands.iter().map(|operand| values.read(*operand));
        let first = operands.next().unwrap_or_else(|| input.clone());
        let made = match node.op {
            Op::Conv { norm: true, .. } => conv(index, first),
            Op::Conv { activation, .. } => {
                let gate = gates.next().expect("there is a layer for every node");
                linear(gate, activation, first, compute)
            }
            Op::Mel { .. } => {
                let mel = parts.mel.expect("there are numbers for the node");
                mel.forward(first, compute, |spectra| match parts.dropout {
                    Some(dropout) => dropout.masked(mel, spectra),
                    None => spectra,
                })
            }
            Op::Mean => first.mean_dim(compute.time()),
            Op::Join { gated, residual, relu: cut, pool } => {
                let gate = if gated { operands.next() } else { None };
                let shortcut = if residual { operands.next() } else { None };
                let scaled = gate.map_or_else(|| first.clone(), |gate| first.clone() * gate);
                let sum = shortcut.map_or_else(|| scaled.clone(), |x| scaled.clone() + x);
                // Pooling first leaves less to do; the order does not matter.
                let pooled = max_pool(sum, pool, compute);
                if cut { relu(pooled) } else { pooled }
            }
            Op::Peaks => {
                let peaks = std::iter::once(first).chain(operands);
                let peaks = peaks.map(|level| level.max_dim(compute.time()));
                Tensor::cat(peaks.collect(), 3 - compute.time())
            }
        };
        watch(index, &made);
        values.made[index] = Some(made);
    }
    values.read(nodes.len() - 1)
}

fn linear(layer: &Linear, activation: Activation, x: Tensor<3>, compute: &Compute) -> Tensor<3> {
    let [batch, a, b] = x.dims();
    let made = layer.forward(x.reshape([batch, a * b]));
    let made = match activation {
        Activation::None => made,
        Activation::Relu => relu(made),
        Activation::Sigmoid => sigmoid(made),
    };
    made.unsqueeze_dim(compute.time())
}

/// Columns that fill no whole pool are dropped.
fn max_pool(x: Tensor<3>, pool: usize, compute: &Compute) -> Tensor<3> {
    if pool == 1 {
        return x;
    }
    if compute.time() == 2 {
        return max_pool1d(x, MaxPoolOptions::new([pool]).with_stride([pool]));
    }
    let [batch, columns, channels] = x.dims();
    let pooled = columns / pool;
    let x = x.narrow(1, 0, pooled * pool).reshape([batch, pooled, pool, channels]);
    x.max_dim(2).reshape([batch, pooled, channels])
}
