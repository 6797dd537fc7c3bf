//! One convolution-norm-pool layer and its two implementations.
//!
//! On the CPU the fused operation of [`crate::kernel`] runs on channels-last activations
//! `[B, T, C]`; elsewhere Burn's own operations run on `[B, C, T]`. Both compute the same.

use burn::module::{Module, Param};
use burn::tensor::module::{batch_norm, batch_norm_train, conv1d, max_pool1d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData, activation::relu};

use super::Compute;
use super::fake::{self, Activation};
use crate::kernel::{
    BatchStats, EPSILON, Geometry, LayerTensors, RunningStats, conv_norm_pool_eval,
    conv_norm_pool_train,
};

/// Share of a new batch in the running statistics.
const MOMENTUM: f32 = 0.1;

/// Convolution, batch norm, ReLU (if any), max pooling.
#[derive(Module, Debug)]
pub struct Layer {
    /// Filters, `[O, I, K]`.
    pub weight: Param<Tensor<3>>,
    /// Bias of the convolution, `[O]`.
    pub bias: Param<Tensor<1>>,
    /// Scale of the batch norm, `[O]`.
    pub gamma: Param<Tensor<1>>,
    /// Shift of the batch norm, `[O]`.
    pub beta: Param<Tensor<1>>,
    /// Running mean, `[O]`; not trained.
    pub mean: Param<Tensor<1>>,
    /// Running variance, `[O]`; not trained.
    pub variance: Param<Tensor<1>>,
    #[module(skip)]
    geometry: Geometry,
    /// How an int8 model stores the output, if its rounding is to be trained for.
    #[module(skip)]
    pub(super) stored: Option<Activation>,
}

impl Layer {
    /// A layer with these filters, `[O, I, K]`, and an identity batch norm.
    #[must_use]
    pub fn new(weight: TensorData, geometry: Geometry, device: &Device) -> Self {
        let channels = weight.shape().dims::<3>()[0];
        let zeros = || Param::from_data(TensorData::zeros::<f32, _>([channels]), device);
        let ones = || Param::from_data(TensorData::ones::<f32, _>([channels]), device);
        Self {
            weight: Param::from_data(weight, device),
            bias: zeros(),
            gamma: ones(),
            beta: zeros(),
            mean: zeros().set_require_grad(false),
            variance: ones().set_require_grad(false),
            geometry,
            stored: None,
        }
    }

    /// Kernel, stride, padding and pool.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    pub(super) fn forward_train(&self, x: Tensor<3>, compute: &Compute) -> (Tensor<3>, BatchStats) {
        let (out, stats) = self.compute_train(x, compute);
        (self.rounded(out), stats)
    }

    fn rounded(&self, out: Tensor<3>) -> Tensor<3> {
        match self.stored {
            Some(stored) => fake::activations(out, stored),
            None => out,
        }
    }

    fn filters(&self) -> Tensor<3> {
        let weight = self.weight.val();
        if self.stored.is_some() { fake::filters(weight) } else { weight }
    }

    fn compute_train(&self, x: Tensor<3>, compute: &Compute) -> (Tensor<3>, BatchStats) {
        if compute.fused() {
            return conv_norm_pool_train(x, self.tensors(), self.geometry);
        }
        let z = self.convolve(x);
        let [batch, _, columns] = z.dims();
        let count = batch * columns;
        let normed = batch_norm_train(z, self.gamma.val(), self.beta.val(), f64::from(EPSILON));
        let correction = count as f32 / (count.max(2) - 1) as f32;
        let stats = BatchStats {
            mean: to_vec(normed.mean.detach()),
            variance: to_vec(normed.variance.detach() * correction),
        };
        (self.finish(normed.output), stats)
    }

    pub(super) fn forward(&self, x: Tensor<3>, compute: &Compute) -> Tensor<3> {
        self.rounded(self.compute(x, compute))
    }

    fn compute(&self, x: Tensor<3>, compute: &Compute) -> Tensor<3> {
        if compute.fused() {
            let (mean, variance) = (to_vec(self.mean.val()), to_vec(self.variance.val()));
            let stats = RunningStats { mean: &mean, variance: &variance };
            return conv_norm_pool_eval(x, self.tensors(), stats, self.geometry);
        }
        let z = self.convolve(x);
        let (mean, variance) = (self.mean.val(), self.variance.val());
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        self.finish(batch_norm(z, gamma, beta, mean, variance, f64::from(EPSILON)))
    }

    pub(super) fn with_statistics(mut self, stats: &BatchStats) -> Self {
        let blend = |running: Param<Tensor<1>>, batch: &[f32]| {
            running.map(|running| {
                let device = running.device();
                let batch =
                    Tensor::from_data(TensorData::new(batch.to_vec(), [batch.len()]), &device);
                (running * (1.0 - MOMENTUM) + batch * MOMENTUM).detach()
            })
        };
        self.mean = blend(self.mean, &stats.mean);
        self.variance = blend(self.variance, &stats.variance);
        self
    }

    /// Moves every parameter and statistic by `share` of the way to `other`'s.
    pub(super) fn toward(mut self, other: &Self, share: f32) -> Self {
        self.weight = toward(self.weight, &other.weight, share);
        self.bias = toward(self.bias, &other.bias, share);
        self.gamma = toward(self.gamma, &other.gamma, share);
        self.beta = toward(self.beta, &other.beta, share);
        self.mean = toward(self.mean, &other.mean, share);
        self.variance = toward(self.variance, &other.variance, share);
        self
    }

    fn tensors(&self) -> LayerTensors {
        LayerTensors {
            weight: self.filters(),
            bias: self.bias.val(),
            gamma: self.gamma.val(),
            beta: self.beta.val(),
        }
    }

    fn convolve(&self, x: Tensor<3>) -> Tensor<3> {
        let Geometry { stride, padding, .. } = self.geometry;
        let options = ConvOptions::new_with_padding([stride], [padding], [1], 1);
        conv1d(x, self.filters(), Some(self.bias.val()), options)
    }

    /// ReLU and max pooling.
    fn finish(&self, x: Tensor<3>) -> Tensor<3> {
        let x = if self.geometry.relu { relu(x) } else { x };
        match self.geometry.pool {
            1 => x,
            pool => max_pool1d(x, MaxPoolOptions::new([pool]).with_stride([pool])),
        }
    }
}

/// A parameter moved by `share` of the way to another.
pub(super) fn toward<const D: usize>(
    from: Param<Tensor<D>>,
    to: &Param<Tensor<D>>,
    share: f32,
) -> Param<Tensor<D>> {
    from.map(|from| (from * (1.0 - share) + to.val() * share).detach())
}

fn to_vec(tensor: Tensor<1>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32 tensors")
}
