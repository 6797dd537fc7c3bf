//! The layer as an operation of Burn: tensors in, tensors out, gradients registered.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::Geometry;
use super::buffers::{Buffer, zeros};
use super::conv::{Conv, Scratch};
use super::norm_pool::{Moments, Norm, NormGradient, unpool};

type FlexTensor = burn::backend::tensor::FloatTensor<Flex>;

/// The trained tensors of a layer.
#[derive(Clone, Debug)]
pub struct LayerTensors {
    /// Filters, `[O, I, K]`.
    pub weight: Tensor<3>,
    /// Bias of the convolution, `[O]`. The batch norm takes it out again, so that it only moves
    /// the mean and its gradient is exactly zero.
    pub bias: Tensor<1>,
    /// Scale of the batch norm, `[O]`.
    pub gamma: Tensor<1>,
    /// Shift of the batch norm, `[O]`.
    pub beta: Tensor<1>,
}

/// What a training step saw of a layer's convolution outputs.
#[derive(Clone, Debug)]
pub struct BatchStats {
    /// Mean a channel, `[O]`.
    pub mean: Vec<f32>,
    /// Unbiased variance a channel, `[O]`.
    pub variance: Vec<f32>,
}

/// The statistics that inference uses in place of a batch's.
#[derive(Clone, Copy, Debug)]
pub struct RunningStats<'a> {
    /// Mean a channel, `[O]`.
    pub mean: &'a [f32],
    /// Variance a channel, `[O]`.
    pub variance: &'a [f32],
}

/// One forward pass, as far as the backward pass needs it.
#[derive(Debug)]
struct Saved {
    conv: Conv,
    x: FlexTensor,
    weight: Vec<f32>,
    z: Buffer,
    winners: Vec<u8>,
    norm: Norm,
}

/// Convolution, batch norm with the statistics of this batch, ReLU (if any), max pooling.
///
/// `x` is `[B, T, I]` on the CPU's training device; the result is `[B, V, O]`.
///
/// # Panics
/// If the tensors live on another device or do not fit the geometry.
#[must_use]
pub fn conv_norm_pool_train(
    x: Tensor<3>,
    layer: LayerTensors,
    geometry: Geometry,
) -> (Tensor<3>, BatchStats) {
    const HERE: &str = "the fused layer runs on the CPU's training device";
    let [batch, t, inputs] = x.dims();
    let [outputs, ..] = layer.weight.dims();
    let conv = Conv::new(geometry, t, inputs, outputs);

    let x = x.try_into_primitive::<Autodiff<Flex>>().expect(HERE);
    let weight = layer.weight.try_into_primitive::<Autodiff<Flex>>().expect(HERE);
    let bias = layer.bias.try_into_primitive::<Autodiff<Flex>>().expect(HERE);
    let gamma = layer.gamma.try_into_primitive::<Autodiff<Flex>>().expect(HERE);
    let beta = layer.beta.try_into_primitive::<Autodiff<Flex>>().expect(HERE);
    let prep = FusedLayer
        .prepare::<burn::backend::autodiff::checkpoint::strategy::NoCheckpointing>([
            x.node(),
            weight.node(),
            bias.node(),
            gamma.node(),
            beta.node(),
        ])
        .compute_bound()
        .stateful();

    let weight = values(weight.primitive());
    let x = x.into_primitive().to_contiguous();
    let (z, moments) = convolve(&conv, slice(&x), &weight);
    let count = batch * conv.u;
    let (mean, variance) = moments.mean_and_variance(count);
    let bias = values(bias.primitive());
    let stats = BatchStats {
        mean: mean.iter().zip(&bias).map(|(mean, bias)| mean + bias).collect(),
        variance: unbiased(&variance, count),
    };
    let norm = Norm::new(mean, &variance, &values(gamma.primitive()), &values(beta.primitive()));
    let (out, winners) = pool(&conv, &norm, &z);
    let out = tensor(out, [batch, geometry.pooled_len(conv.u), outputs]);
    let out = match prep {
        OpsKind::Tracked(prep) => {
            prep.finish(Arc::new(Saved { conv, x, weight, z, winners, norm }), out)
        }
        OpsKind::UnTracked(prep) => prep.finish(out),
    };
    (Tensor::from_primitive::<Autodiff<Flex>>(out), stats)
}

/// Convolution, batch norm with running statistics, ReLU (if any), max pooling: inference on the CPU,
/// without gradients. Shapes as for [`conv_norm_pool_train`].
///
/// # Panics
/// If the tensors live on another device or do not fit the geometry.
#[must_use]
pub fn conv_norm_pool_eval(
    x: Tensor<3>,
    layer: LayerTensors,
    stats: RunningStats<'_>,
    geometry: Geometry,
) -> Tensor<3> {
    const HERE: &str = "the fused layer runs on the CPU's inference device";
    let [batch, t, inputs] = x.dims();
    let [outputs, ..] = layer.weight.dims();
    let conv = Conv::new(geometry, t, inputs, outputs);
    let read1 = |tensor: Tensor<1>| values(&tensor.try_into_primitive::<Flex>().expect(HERE));

    let bias = read1(layer.bias);
    let weight = values(&layer.weight.try_into_primitive::<Flex>().expect(HERE));
    let x = x.try_into_primitive::<Flex>().expect(HERE).to_contiguous();
    let mean = stats.mean.iter().zip(&bias).map(|(mean, bias)| mean - bias).collect();
    let norm = Norm::new(mean, stats.variance, &read1(layer.gamma), &read1(layer.beta));
    let (z, _) = convolve(&conv, slice(&x), &weight);
    let (out, _) = pool(&conv, &norm, &z);
    Tensor::from_primitive::<Flex>(tensor(out, [batch, geometry.pooled_len(conv.u), outputs]))
}

/// All columns of a batch's convolution, `[B, U, O]`, and their moments.
fn convolve(conv: &Conv, x: &[f32], weight: &[f32]) -> (Buffer, Moments) {
    let (sample_in, sample_out) = (conv.t * conv.inputs, conv.u * conv.outputs);
    let batch = x.len() / sample_in;
    let weight = conv.unfold_weight(weight);
    let parts = conv.parts(batch);
    let mut z = Buffer::new(batch * sample_out);
    let outs = split(&mut z, &parts, sample_out);
    let moments: Vec<Moments> = parts
        .par_iter()
        .zip(outs)
        .map(|(groups, mut out)| {
            let mut scratch = Scratch::default();
            let mut moments = Moments::new(conv.outputs);
            for group in groups {
                let (z, rest) = out.split_at_mut(group.len() * sample_out);
                out = rest;
                let x = &x[group.start * sample_in..group.end * sample_in];
                conv.forward(x, &weight, z, &mut scratch);
                moments.add_columns(z);
            }
            moments
        })
        .collect();
    let mut total = Moments::new(conv.outputs);
    moments.iter().for_each(|part| total.add(part));
    (z, total)
}

/// Batch norm, ReLU and pooling of `[B, U, O]` to `[B, V, O]`, with the winners of each pool.
fn pool(conv: &Conv, norm: &Norm, z: &[f32]) -> (Vec<f32>, Vec<u8>) {
    let sample_in = conv.u * conv.outputs;
    let sample_out = conv.geometry.pooled_len(conv.u) * conv.outputs;
    let batch = z.len() / sample_in;
    let mut out = zeros(batch * sample_out);
    let mut winners = zeros(batch * sample_out);
    out.par_chunks_exact_mut(sample_out)
        .zip(winners.par_chunks_exact_mut(sample_out))
        .zip(z.par_chunks_exact(sample_in))
        .for_each(|((out, winners), z)| norm.pool(z, conv.geometry, out, winners));
    (out, winners)
}

/// The operation in the autodiff graph. Parents: x, weight, bias, gamma, beta.
#[derive(Debug)]
struct FusedLayer;

impl Backward<Flex, 5> for FusedLayer {
    type State = Arc<Saved>;

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let saved = ops.state;
        let conv = saved.conv;
        let [x, weight, bias, gamma, beta] = ops.parents;
        let gradients = saved.backward(slice(&dy), x.is_some());
        let shape = [conv.outputs, conv.inputs, conv.geometry.kernel];
        if let (Some(node), Some(dx)) = (x, gradients.x) {
            let batch = dx.len() / (conv.t * conv.inputs);
            grads.register::<Flex>(node.id, tensor(dx, [batch, conv.t, conv.inputs]));
        }
        if let Some(node) = weight {
            grads.register::<Flex>(node.id, tensor(gradients.weight, shape));
        }
        let channels = [conv.outputs];
        if let Some(node) = bias {
            grads.register::<Flex>(node.id, tensor(vec![0.0; conv.outputs], channels));
        }
        let narrow = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect();
        if let Some(node) = gamma {
            grads.register::<Flex>(node.id, tensor(narrow(gradients.norm.gamma), channels));
        }
        if let Some(node) = beta {
            grads.register::<Flex>(node.id, tensor(narrow(gradients.norm.beta), channels));
        }
    }
}

struct LayerGradients {
    x: Option<Vec<f32>>,
    weight: Vec<f32>,
    norm: NormGradient,
}

impl Saved {
    fn backward(&self, dy: &[f32], with_input: bool) -> LayerGradients {
        let norm = self.norm_gradient(dy);
        let conv = &self.conv;
        let x = slice(&self.x);
        let (sample_x, sample_z) = (conv.t * conv.inputs, conv.u * conv.outputs);
        let batch = x.len() / sample_x;
        let (constant, factor) = norm.spread(&self.norm, batch * conv.u);
        let flipped = if with_input { conv.flip(&self.weight) } else { Vec::new() };
        let mut dx = zeros(if with_input { x.len() } else { 0 });

        let parts = conv.parts(batch);
        let outs = split(&mut dx, &parts, if with_input { sample_x } else { 0 });
        let dweights: Vec<Vec<f32>> = parts
            .par_iter()
            .zip(outs)
            .map(|(groups, mut out)| {
                let mut scratch = Scratch::default();
                let mut dz = std::mem::take(&mut scratch.dz);
                let mut dweight = vec![0.0; self.weight.len()];
                for group in groups {
                    for (sample, place) in group.clone().zip(conv.spread(group.len(), &mut dz)) {
                        let z = &self.z[sample * sample_z..][..sample_z];
                        let pooled = self.pooled(sample, dy);
                        let spread = (constant.as_slice(), factor.as_slice());
                        let pool = (z, conv.geometry.pool);
                        unpool(&self.norm, spread, pool, pooled, &mut dz[place]);
                    }
                    let x = &x[group.start * sample_x..group.end * sample_x];
                    let (dx, rest) = out.split_at_mut(if with_input { x.len() } else { 0 });
                    out = rest;
                    let input = with_input.then_some((flipped.as_slice(), dx));
                    conv.backward(x, &dz, &mut dweight, input, &mut scratch);
                }
                dweight
            })
            .collect();
        let mut total = vec![0.0; self.weight.len()];
        for part in &dweights {
            total.iter_mut().zip(part).for_each(|(own, other)| *own += other);
        }
        let weight = conv.fold_weight(&total);
        LayerGradients { x: with_input.then_some(dx), weight, norm }
    }

    /// One sample's gradient at the layer's output, and the winners of its pools.
    fn pooled<'a>(&'a self, sample: usize, dy: &'a [f32]) -> (&'a [f32], &'a [u8]) {
        let len = self.conv.geometry.pooled_len(self.conv.u) * self.conv.outputs;
        let range = sample * len..(sample + 1) * len;
        (&dy[range.clone()], &self.winners[range])
    }

    fn norm_gradient(&self, dy: &[f32]) -> NormGradient {
        let conv = &self.conv;
        let sample_z = conv.u * conv.outputs;
        let parts = conv.parts(self.z.len() / sample_z);
        let sums: Vec<NormGradient> = parts
            .par_iter()
            .map(|groups| {
                let mut sum = NormGradient::new(conv.outputs);
                for sample in groups.iter().cloned().flatten() {
                    let z = &self.z[sample * sample_z..][..sample_z];
                    let (dy, winners) = self.pooled(sample, dy);
                    sum.add_sample(&self.norm, z, conv.geometry.pool, dy, winners);
                }
                sum
            })
            .collect();
        let mut total = NormGradient::new(conv.outputs);
        sums.iter().for_each(|part| total.add(part));
        total
    }
}

/// Cuts an array of samples of `len` elements at the borders of the parts.
fn split<'a>(
    mut data: &'a mut [f32],
    parts: &[Vec<std::ops::Range<usize>>],
    len: usize,
) -> Vec<&'a mut [f32]> {
    let mut out = Vec::with_capacity(parts.len());
    for groups in parts {
        let samples: usize = groups.iter().map(std::ops::Range::len).sum();
        let (head, tail) = data.split_at_mut(samples * len);
        out.push(head);
        data = tail;
    }
    out
}

/// The variance as an estimate for all data rather than this batch.
fn unbiased(variance: &[f32], count: usize) -> Vec<f32> {
    let correction = count as f32 / (count.max(2) - 1) as f32;
    variance.iter().map(|variance| variance * correction).collect()
}

fn values(tensor: &FlexTensor) -> Vec<f32> {
    slice(&tensor.to_contiguous()).to_vec()
}

/// The elements of a contiguous tensor.
fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().expect("contiguous f32 tensors on the CPU")
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
