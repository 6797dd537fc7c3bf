//! Batch norm, ReLU and max pooling over the columns that a convolution made.
//!
//! With `a = γ / √(σ² + ε)` and `b = β − µ·a` the layer's output is
//! `max over a pool of max(0, a·z + b)`, or without the ReLU of `a·z + b`. Backward, the gradient reaches the one column of each pool that
//! won (none, if the ReLU cut it), and through the batch's mean and variance every column:
//!
//! `dz = a·(dy − Σdy/N − ẑ·Σ(dy·ẑ)/N)`, `ẑ = (z − µ)/√(σ² + ε)`, N columns in the batch
//!
//! (Ioffe and Szegedy, "Batch normalization", 2015). `Σdy` and `Σ(dy·ẑ)` are the gradients of β
//! and γ.

use super::{EPSILON, Geometry};

/// Marks a pool whose output the ReLU cut to zero.
const CUT: u8 = u8::MAX;

/// Columns whose sums are gathered in f32 before they go into f64.
const BLOCK: usize = 64;

/// Per-channel sums of z and z² over columns.
#[derive(Clone)]
pub(super) struct Moments {
    sum: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    pub(super) fn new(channels: usize) -> Self {
        Self { sum: vec![0.0; channels], squares: vec![0.0; channels] }
    }

    /// Adds columns `[columns, O]`.
    pub(super) fn add_columns(&mut self, z: &[f32]) {
        let channels = self.sum.len();
        let mut sum = vec![0.0f32; channels];
        let mut squares = vec![0.0f32; channels];
        for block in z.chunks(BLOCK * channels) {
            sum.fill(0.0);
            squares.fill(0.0);
            for column in block.chunks_exact(channels) {
                for ((value, sum), square) in column.iter().zip(&mut sum).zip(&mut squares) {
                    *sum += value;
                    *square += value * value;
                }
            }
            for channel in 0..channels {
                self.sum[channel] += f64::from(sum[channel]);
                self.squares[channel] += f64::from(squares[channel]);
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (own, other) in self.sum.iter_mut().zip(&other.sum) {
            *own += other;
        }
        for (own, other) in self.squares.iter_mut().zip(&other.squares) {
            *own += other;
        }
    }

    /// Mean and (biased) variance a channel over `count` columns.
    pub(super) fn mean_and_variance(&self, count: usize) -> (Vec<f32>, Vec<f32>) {
        let count = count as f64;
        let mean: Vec<f64> = self.sum.iter().map(|sum| sum / count).collect();
        let variance = self.squares.iter().zip(&mean);
        let variance =
            variance.map(|(squares, mean)| (squares / count - mean * mean).max(0.0) as f32);
        (mean.iter().map(|mean| *mean as f32).collect(), variance.collect())
    }
}

/// The batch norm of one layer: per channel, everything that its use needs.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    pub mean: Vec<f32>,
    /// 1 / √(σ² + ε)
    pub inverse_deviation: Vec<f32>,
    /// a
    pub scale: Vec<f32>,
    /// b
    pub shift: Vec<f32>,
}

impl Norm {
    pub(super) fn new(mean: Vec<f32>, variance: &[f32], gamma: &[f32], beta: &[f32]) -> Self {
        let inverse_deviation: Vec<f32> =
            variance.iter().map(|variance| 1.0 / (variance + EPSILON).sqrt()).collect();
        let scale: Vec<f32> = gamma.iter().zip(&inverse_deviation).map(|(g, d)| g * d).collect();
        let shift = beta.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Self { mean, inverse_deviation, scale, shift }
    }

    /// Pools one sample: `z` is `[U, O]`, `out` `[V, O]`; `winners`, `[V, O]`, tells which column
    /// of each pool won.
    pub(super) fn pool(&self, z: &[f32], geometry: Geometry, out: &mut [f32], winners: &mut [u8]) {
        let Geometry { pool, relu, .. } = geometry;
        out.fill(if relu { 0.0 } else { f32::NEG_INFINITY });
        let channels = self.scale.len();
        let pools = z.chunks_exact(pool * channels);
        let outs = out.chunks_exact_mut(channels).zip(winners.chunks_exact_mut(channels));
        for (columns, (out, winners)) in pools.zip(outs) {
            winners.fill(CUT);
            for (index, column) in columns.chunks_exact(channels).enumerate() {
                let index = index as u8;
                for channel in 0..channels {
                    let value = column[channel] * self.scale[channel] + self.shift[channel];
                    let better = value > out[channel];
                    out[channel] = if better { value } else { out[channel] };
                    winners[channel] = if better { index } else { winners[channel] };
                }
            }
        }
    }
}

/// Per-channel gradients of γ (`Σ dy·ẑ`) and β (`Σ dy`).
#[derive(Clone)]
pub(super) struct NormGradient {
    pub gamma: Vec<f64>,
    pub beta: Vec<f64>,
}

impl NormGradient {
    pub(super) fn new(channels: usize) -> Self {
        Self { gamma: vec![0.0; channels], beta: vec![0.0; channels] }
    }

    /// Adds one sample: `dy` is `[V, O]`, the gradient at the layer's output.
    pub(super) fn add_sample(
        &mut self,
        norm: &Norm,
        z: &[f32],
        pool: usize,
        dy: &[f32],
        winners: &[u8],
    ) {
        let channels = norm.scale.len();
        let columns = z.chunks_exact(pool * channels);
        let rows = dy.chunks_exact(channels).zip(winners.chunks_exact(channels));
        for (columns, (dy, winners)) in columns.zip(rows) {
            for channel in 0..channels {
                if winners[channel] == CUT {
                    continue;
                }
                let value = columns[usize::from(winners[channel]) * channels + channel];
                let normed = (value - norm.mean[channel]) * norm.inverse_deviation[channel];
                self.beta[channel] += f64::from(dy[channel]);
                self.gamma[channel] += f64::from(dy[channel] * normed);
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (own, other) in self.gamma.iter_mut().zip(&other.gamma) {
            *own += other;
        }
        for (own, other) in self.beta.iter_mut().zip(&other.beta) {
            *own += other;
        }
    }

    /// The part of `dz` that every column gets: `constant + factor · z`, for N columns.
    pub(super) fn spread(&self, norm: &Norm, count: usize) -> (Vec<f32>, Vec<f32>) {
        let count = count as f64;
        let channels = norm.scale.len();
        let (mut constant, mut factor) =
            (Vec::with_capacity(channels), Vec::with_capacity(channels));
        for channel in 0..channels {
            let a = f64::from(norm.scale[channel]);
            let deviation = f64::from(norm.inverse_deviation[channel]);
            let slope = a * deviation * self.gamma[channel] / count;
            let mean = f64::from(norm.mean[channel]);
            factor.push(-slope as f32);
            constant.push((mean * slope - a * self.beta[channel] / count) as f32);
        }
        (constant, factor)
    }
}

/// Writes one sample's `dz`, `[U, O]`, from `dy`, `[V, O]`, and the spread of [`NormGradient`].
pub(super) fn unpool(
    norm: &Norm,
    (constant, factor): (&[f32], &[f32]),
    (z, pool): (&[f32], usize),
    (dy, winners): (&[f32], &[u8]),
    dz: &mut [f32],
) {
    let channels = norm.scale.len();
    for (column, out) in z.chunks_exact(channels).zip(dz.chunks_exact_mut(channels)) {
        for channel in 0..channels {
            out[channel] = constant[channel] + factor[channel] * column[channel];
        }
    }
    let pools = dz.chunks_exact_mut(pool * channels);
    let rows = dy.chunks_exact(channels).zip(winners.chunks_exact(channels));
    for (columns, (dy, winners)) in pools.zip(rows) {
        for channel in 0..channels {
            if winners[channel] != CUT {
                let winner = usize::from(winners[channel]) * channels + channel;
                columns[winner] += norm.scale[channel] * dy[channel];
            }
        }
    }
}
