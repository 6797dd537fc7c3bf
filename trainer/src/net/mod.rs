//! The network of an architecture, in Burn.
//!
//! Shapes: B batch, T samples a window, C channels, V columns, F features (C·V of the head), N
//! classes.

mod compute;
mod fake;
mod layer;
#[cfg(test)]
mod tests;

pub use compute::{Compute, ComputeError, DeviceChoice, default_to_cpu};
pub use fake::Activation;
pub use layer::Layer;

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use models::arch::ArchSpec;
use rand::RngExt;

use crate::draw;
use crate::kernel::{BatchStats, Geometry};

/// A network: stem, blocks and head, then the classifier.
#[derive(Module, Debug)]
pub struct Network {
    /// Stem, blocks, head.
    pub layers: Vec<Layer>,
    /// Weights of the classifier, `[F, N]`.
    pub weight: Param<Tensor<2>>,
    /// Bias of the classifier, `[N]`.
    pub bias: Param<Tensor<1>>,
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
        let table = arch.layers()?;
        let device = compute.training_device();
        let he_uniform = |index: usize, count: usize, fan_in: usize| -> Vec<f32> {
            let bound = (6.0 / fan_in as f32).sqrt();
            let mut rng = draw::rng(seed, "weights", &[index as u64]);
            (0..count).map(|_| rng.random_range(-bound..bound)).collect()
        };
        let convolutions = &table.layers[..table.layers.len() - 1];
        let layers = convolutions.iter().zip(geometries(arch)).enumerate();
        let layers = layers.map(|(index, (shape, geometry))| {
            let [o, i, k] = [shape.out_channels, shape.in_channels, shape.kernel];
            let weight = he_uniform(index, o * i * k, i * k);
            Layer::new(TensorData::new(weight, [o, i, k]), geometry, &device)
        });
        let layers: Vec<Layer> = layers.collect();
        let classifier = table.layers[layers.len()];
        let [features, classes] = [classifier.in_channels, classifier.out_channels];
        let weight = he_uniform(layers.len(), features * classes, features);
        let weight = Param::from_data(TensorData::new(weight, [features, classes]), &device);
        let bias = Param::from_data(TensorData::zeros::<f32, _>([classes]), &device);
        Ok(Self { layers, weight, bias })
    }

    /// F, the features that the classifier sees.
    #[must_use]
    pub fn features(&self) -> usize {
        let [features, _] = self.weight.shape().dims();
        features
    }

    /// Logits `[B, N]` of windows `[B, T]`, with batch statistics. `dropout`, `[B, F]`, multiplies
    /// the features.
    #[must_use]
    pub fn forward_train(
        &self,
        windows: Tensor<2>,
        dropout: Tensor<2>,
        compute: &Compute,
    ) -> (Tensor<2>, Statistics) {
        let mut x = compute.input(windows);
        let mut statistics = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let (out, stats) = layer.forward_train(x, compute);
            statistics.push(stats);
            x = out;
        }
        (self.classify(compute.features(x) * dropout), statistics)
    }

    /// Logits `[B, N]` of windows `[B, T]`, with running statistics. Takes a network from
    /// [`Module::valid`].
    #[must_use]
    pub fn forward(&self, windows: Tensor<2>, compute: &Compute) -> Tensor<2> {
        let mut x = compute.input(windows);
        for layer in &self.layers {
            x = layer.forward(x, compute);
        }
        self.classify(compute.features(x))
    }

    /// The same, calling `each(layer, activations)` with every layer's output, `[B, V, C]`, instead
    /// of classifying.
    pub fn forward_watched(
        &self,
        windows: Tensor<2>,
        compute: &Compute,
        mut each: impl FnMut(usize, &[f32]),
    ) {
        let mut x = compute.input(windows);
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, compute);
            let values = compute.channels_last(x.clone()).into_data();
            each(index, &values.try_to_vec::<f32>().expect("f32 activations"));
        }
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

    fn classify(&self, features: Tensor<2>) -> Tensor<2> {
        let weight = self.weight.val();
        let rounds = self.layers.iter().any(|layer| layer.stored.is_some());
        let weight = if rounds { fake::linear(weight) } else { weight };
        features.matmul(weight) + self.bias.val().unsqueeze()
    }
}

/// The geometry of stem, blocks and head.
fn geometries(arch: &ArchSpec) -> impl Iterator<Item = Geometry> {
    let stem = Geometry {
        kernel: arch.stem.kernel.into(),
        stride: arch.stem.stride.into(),
        padding: (0, 0),
        pool: 1,
    };
    let blocks = arch.blocks.iter().map(|block| Geometry {
        kernel: block.kernel.into(),
        stride: 1,
        padding: block.padding(),
        pool: block.pool.into(),
    });
    let head = Geometry { kernel: 1, stride: 1, padding: (0, 0), pool: 1 };
    std::iter::once(stem).chain(blocks).chain([head])
}
