//! The network of an architecture, in Burn.
//!
//! Shapes: B batch, T samples a window, C channels, V columns, F features (C·V of the head), N
//! classes.

mod compute;
mod dropout;
mod fake;
mod head;
mod layer;
mod linear;
mod masks;
mod mel;
#[cfg(test)]
mod tests;
mod walk;

pub use compute::{Compute, ComputeError, DeviceChoice, default_to_cpu};
pub use dropout::Dropout;
pub use fake::Activation;
pub use layer::Layer;
pub use linear::Linear;
pub use masks::Masks;
pub use mel::{FLOOR, Mel};

use burn::module::{Module, Param};
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Tensor, TensorData};
use models::arch::{self, ArchSpec, Node, Op, Task};
use rand::RngExt;

use crate::draw;
use crate::kernel::{BatchStats, Geometry};

/// A network: the nodes of [`ArchSpec::nodes`] with their weights.
#[derive(Module, Debug)]
pub struct Network {
    /// Convolutions with batch norm, in the order of the nodes.
    pub layers: Vec<Layer>,
    /// The linear layers of gates, in the order of the nodes.
    pub gates: Vec<Linear>,
    /// Weights of the classifier, `[F, N]`.
    pub weight: Param<Tensor<2>>,
    /// Bias of the classifier, `[N]`.
    pub bias: Param<Tensor<1>>,
    /// What the first node computes if it is a mel spectrum.
    #[module(skip)]
    mel: Option<Mel>,
    #[module(skip)]
    nodes: Vec<Node>,
    #[module(skip)]
    task: Task,
}

/// What a forward pass in training returns besides its logits: each layer's batch statistics.
pub type Statistics = Vec<BatchStats>;

impl Network {
    /// A fresh network: He-uniform weights (He et al., 2015), zero biases. The same seed gives
    /// the same weights.
    ///
    /// # Errors
    /// An architecture that is none.
    pub fn new(
        arch: &ArchSpec,
        seed: u64,
        compute: &Compute,
    ) -> Result<Self, models::arch::ArchError> {
        let nodes = arch.nodes()?;
        let device = compute.training_device();
        let he_uniform = |index: usize, shape: &[usize], fan_in: usize| {
            let bound = (6.0 / fan_in as f32).sqrt();
            let mut rng = draw::rng(seed, "weights", &[index as u64]);
            let count = shape.iter().product();
            let weights: Vec<f32> = (0..count).map(|_| rng.random_range(-bound..bound)).collect();
            TensorData::new(weights, shape)
        };
        let (mut layers, mut gates) = (Vec::new(), Vec::new());
        for (index, node) in nodes.iter().enumerate() {
            let Op::Conv { kernel, norm, .. } = node.op else { continue };
            let [o, i] = [node.out_channels, node.in_channels];
            if norm {
                let weight = he_uniform(index, &[o, i, kernel], i * kernel);
                layers.push(Layer::new(weight, geometry(&node.op), &device));
            } else {
                // The last one of these is the classifier.
                gates.push(Linear::new(he_uniform(index, &[i * kernel, o], i * kernel), &device));
            }
        }
        let Linear { weight, bias } = gates.pop().expect("networks end in a classifier");
        let mel = Mel::of(&nodes[0]);
        Ok(Self { layers, gates, weight, bias, mel, nodes, task: arch.task })
    }

    /// F, the features that the classifier sees.
    #[must_use]
    pub fn features(&self) -> usize {
        let [features, _] = self.weight.shape().dims();
        features
    }

    /// What the network consists of.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Whether the classes exclude each other.
    #[must_use]
    pub const fn task(&self) -> Task {
        self.task
    }

    /// Logits `[B, N]` of windows `[B, T]`, with batch statistics.
    #[must_use]
    pub fn forward_train(
        &self,
        windows: Tensor<2>,
        dropout: &Dropout,
        compute: &Compute,
    ) -> (Tensor<2>, Statistics) {
        let mut layers = self.layers.iter();
        let mut statistics = Vec::with_capacity(self.layers.len());
        let conv = |node: usize, x| {
            let layer = layers.next().expect("there is a layer for every node");
            let (out, stats) = layer.forward_train(x, compute);
            statistics.push(stats);
            match self.nodes[node].op {
                Op::Conv { dropout: true, .. } => dropout.inside(node, out, compute),
                _ => out,
            }
        };
        let x = compute.input(windows);
        let nodes = &self.nodes[..self.nodes.len() - 1];
        let x = walk::walk(nodes, self.parts(Some(dropout)), x, compute, conv, |_, _| {});
        (self.classify_train(compute.features(x), dropout, compute), statistics)
    }

    /// Logits `[B, N]` of windows `[B, T]`, with running statistics. Takes a network from
    /// [`Module::valid`].
    #[must_use]
    pub fn forward(&self, windows: Tensor<2>, compute: &Compute) -> Tensor<2> {
        self.classify(self.head_features(windows, compute))
    }

    /// Posteriors `[B, N]` of windows `[B, T]`: softmax of the logits, or sigmoid where the classes are tags. As
    /// [`Network::forward`].
    #[must_use]
    pub fn posteriors(&self, windows: Tensor<2>, compute: &Compute) -> Tensor<2> {
        posteriors_of(self.task, self.forward(windows, compute))
    }

    /// As [`Network::forward`], calling `each(node, values)` with every node's output, `[B, V, C]`, instead
    /// of classifying.
    pub fn forward_watched(
        &self,
        windows: Tensor<2>,
        compute: &Compute,
        mut each: impl FnMut(usize, &[f32]),
    ) {
        self.features_of(windows, compute, |node, x| {
            let values = compute.channels_last(x.clone()).into_data();
            each(node, &values.try_to_vec::<f32>().expect("f32 activations"));
        });
    }

    /// The output of node `node`, `[B, V, C]`, for windows `[B, T]` of any length that leaves a column there; with running
    /// statistics. With gradients, if the network and `windows` are on the training device of a `compute` without fused
    /// layers ([`Compute::cpu_plain`]).
    ///
    /// # Panics
    /// If the windows are too short, or the node is that of the classifier or none.
    #[must_use]
    pub fn columns(&self, windows: Tensor<2>, node: usize, compute: &Compute) -> Tensor<3> {
        assert!(node + 1 < self.nodes.len(), "a node before the classifier");
        let made = self.walk(&self.nodes[..=node], windows, compute, |_, _| {});
        compute.channels_last(made)
    }

    /// The head's output.
    fn features_of(
        &self,
        windows: Tensor<2>,
        compute: &Compute,
        watch: impl FnMut(usize, &Tensor<3>),
    ) -> Tensor<3> {
        self.walk(&self.nodes[..self.nodes.len() - 1], windows, compute, watch)
    }

    /// The output of the last one of the network's first nodes.
    fn walk(
        &self,
        nodes: &[Node],
        windows: Tensor<2>,
        compute: &Compute,
        watch: impl FnMut(usize, &Tensor<3>),
    ) -> Tensor<3> {
        let mut layers = self.layers.iter();
        let conv = |_, x| {
            let layer = layers.next().expect("there is a layer for every node");
            layer.forward(x, compute)
        };
        let x = compute.input(windows);
        walk::walk(nodes, self.parts(None), x, compute, conv, watch)
    }

    fn parts<'a>(&'a self, dropout: Option<&'a Dropout>) -> walk::Parts<'a> {
        walk::Parts { gates: &self.gates, mel: self.mel.as_ref(), dropout }
    }

    /// Moves the running statistics towards a batch's.
    #[must_use]
    pub fn with_statistics(mut self, statistics: &Statistics) -> Self {
        let layers = self.layers.into_iter().zip(statistics);
        self.layers = layers.map(|(layer, stats)| layer.with_statistics(stats)).collect();
        self
    }

    /// Moves every weight and statistic by `share` of the way to those of `other`. Takes networks
    /// from [`Module::valid`].
    #[must_use]
    pub fn toward(mut self, other: &Self, share: f32) -> Self {
        let layers = self.layers.into_iter().zip(&other.layers);
        self.layers = layers.map(|(layer, other)| layer.toward(other, share)).collect();
        let gates = self.gates.into_iter().zip(&other.gates);
        self.gates = gates.map(|(gate, other)| gate.toward(other, share)).collect();
        self.weight = layer::toward(self.weight, &other.weight, share);
        self.bias = layer::toward(self.bias, &other.bias, share);
        self
    }

    /// Rounds as an int8 model does that stores the layers' activations like this, from now on.
    #[must_use]
    pub fn with_rounding(mut self, stored: &[Activation]) -> Self {
        for (layer, stored) in self.layers.iter_mut().zip(stored) {
            layer.stored = Some(*stored);
        }
        self
    }

    /// Computes in floating point, from now on.
    #[must_use]
    pub fn without_rounding(mut self) -> Self {
        self.layers.iter_mut().for_each(|layer| layer.stored = None);
        self
    }
}

/// Posteriors of logits `[B, N]`: softmax over classes, or the sigmoid of each tag.
#[must_use]
pub fn posteriors_of(task: Task, logits: Tensor<2>) -> Tensor<2> {
    match task {
        Task::MultiClass => softmax(logits, 1),
        Task::MultiLabel => sigmoid(logits),
    }
}

/// What the fused layers know of a convolution.
fn geometry(op: &Op) -> Geometry {
    let Op::Conv { kernel, stride, padding, activation, pool, .. } = *op else {
        unreachable!("only convolutions have layers")
    };
    Geometry { kernel, stride, padding, pool, relu: activation == arch::Activation::Relu }
}
