//! Convolutions as matrix products, forward and backward.
//!
//! A *group* of samples is laid out in one row of columns, each sample followed by the zero columns that
//! separate it from the next ("pitch" = columns from one sample to the next). One product then
//! makes the columns of the whole group; what falls between two samples is junk that nobody
//! reads (forward) or zero (backward). Groups are large enough to make short layers efficient and are
//! one sample where a sample alone is long.

use std::ops::Range;

use super::{Geometry, PARTS};
use matrix::{View, matmul};

/// Columns that a group should have at least.
const GROUP_COLUMNS: usize = 2048;

/// A convolution of given sizes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conv {
    pub geometry: Geometry,
    /// T, U, I, O.
    pub t: usize,
    pub u: usize,
    pub inputs: usize,
    pub outputs: usize,
}

impl Conv {
    pub(super) fn new(geometry: Geometry, t: usize, inputs: usize, outputs: usize) -> Self {
        let padded = geometry.padding.0 + geometry.padding.1;
        assert!(
            padded == 0 || (geometry.stride == 1 && padded == geometry.kernel - 1),
            "a padded convolution keeps its length"
        );
        Self { geometry, t, u: geometry.conv_len(t), inputs, outputs }
    }

    /// Columns from one padded sample to the next.
    const fn pitch(&self) -> usize {
        self.t + self.geometry.padding.0 + self.geometry.padding.1
    }

    /// Columns of the convolution from one sample to the next within a group.
    const fn out_pitch(&self) -> usize {
        if self.geometry.stride == 1 { self.pitch() } else { self.u }
    }

    /// Samples a group. A strided convolution takes one at a time.
    const fn group(&self) -> usize {
        if self.geometry.stride == 1 { GROUP_COLUMNS.div_ceil(self.pitch()) } else { 1 }
    }

    /// Cuts a batch into groups, and the groups into at most [`PARTS`] runs that are worked off
    /// in parallel, each in order.
    pub(super) fn parts(&self, batch: usize) -> Vec<Vec<Range<usize>>> {
        let groups: Vec<_> = (0..batch)
            .step_by(self.group())
            .map(|start| start..(start + self.group()).min(batch))
            .collect();
        let size = groups.len().div_ceil(PARTS).max(1);
        groups.chunks(size).map(<[_]>::to_vec).collect()
    }

    /// Rows of the product for a group of `count` samples.
    const fn group_rows(&self, count: usize) -> usize {
        if self.geometry.stride == 1 {
            count * self.pitch() - (self.geometry.kernel - 1)
        } else {
            self.u
        }
    }

    /// Copies samples `[count, T, I]` to `[count, pitch, I]` with zeros around each.
    fn pad(&self, x: &[f32], padded: &mut Vec<f32>) {
        let (sample, pitch) = (self.t * self.inputs, self.pitch() * self.inputs);
        let before = self.geometry.padding.0 * self.inputs;
        padded.clear();
        padded.resize(x.len() / sample * pitch, 0.0);
        for (from, to) in x.chunks_exact(sample).zip(padded.chunks_exact_mut(pitch)) {
            to[before..before + sample].copy_from_slice(from);
        }
    }

    /// The overlapping rows of K·I inputs that the filters see.
    fn unfolded<'a>(&self, padded: &'a [f32], rows: usize) -> View<'a> {
        let (cols, step) = (self.geometry.kernel * self.inputs, self.geometry.stride * self.inputs);
        View::strided(padded, rows, cols, step)
    }

    /// Convolves a group: `x` is `[count, T, I]`, `weight` `[K·I, O]`, `z` `[count, U, O]`.
    pub(super) fn forward(&self, x: &[f32], weight: &[f32], z: &mut [f32], scratch: &mut Scratch) {
        let count = x.len() / (self.t * self.inputs);
        self.pad(x, &mut scratch.padded);
        let rows = self.group_rows(count);
        let a = self.unfolded(&scratch.padded, rows);
        let b = View::rows(weight, self.geometry.kernel * self.inputs, self.outputs);
        if count == 1 {
            return matmul(z, a, b, false);
        }
        scratch.product.resize(rows * self.outputs, 0.0);
        matmul(&mut scratch.product, a, b, false);
        gather(&scratch.product, z, self.out_pitch() * self.outputs, self.u * self.outputs);
    }

    /// Adds a group's share to the gradient of the weights, `[K·I, O]`, and writes the gradient of
    /// the input, `[count, T, I]`, if wanted. `dz` is the gradient at the convolution's output as laid out by
    /// [`Conv::spread`], `flipped` the weights as laid out by [`Conv::flip`].
    pub(super) fn backward(
        &self,
        x: &[f32],
        dz: &[f32],
        dweight: &mut [f32],
        input: Option<(&[f32], &mut [f32])>,
        scratch: &mut Scratch,
    ) {
        let count = x.len() / (self.t * self.inputs);
        let rows = self.group_rows(count);
        self.pad(x, &mut scratch.padded);
        let seen = self.unfolded(&scratch.padded, rows).transposed();
        let before = self.spread_before() * self.outputs;
        matmul(dweight, seen, View::rows(&dz[before..], rows, self.outputs), true);
        if let Some((flipped, dx)) = input {
            self.input_gradient(count, dz, flipped, dx, scratch);
        }
    }

    /// The gradient of the input is a convolution of `dz` with the flipped filters.
    fn input_gradient(
        &self,
        count: usize,
        dz: &[f32],
        flipped: &[f32],
        dx: &mut [f32],
        scratch: &mut Scratch,
    ) {
        assert_eq!(self.geometry.stride, 1, "a strided convolution reads the network's input");
        let taps = self.geometry.kernel * self.outputs;
        let rows = (count - 1) * self.pitch() + self.t;
        let a = View::strided(dz, rows, taps, self.outputs);
        let b = View::rows(flipped, taps, self.inputs);
        if count == 1 {
            return matmul(dx, a, b, false);
        }
        scratch.product.resize(rows * self.inputs, 0.0);
        matmul(&mut scratch.product, a, b, false);
        gather(&scratch.product, dx, self.pitch() * self.inputs, self.t * self.inputs);
    }

    /// Zero columns before the first sample in the layout of `dz`.
    const fn spread_before(&self) -> usize {
        if self.geometry.stride == 1 {
            self.geometry.kernel - 1 - self.geometry.padding.0
        } else {
            0
        }
    }

    /// Makes `dz` all zero for `count` samples and returns where the columns of each sample start.
    ///
    /// Around every sample lie the zero columns that both products of the backward pass need.
    pub(super) fn spread(
        &self,
        count: usize,
        dz: &mut Vec<f32>,
    ) -> impl Iterator<Item = Range<usize>> + use<> {
        let (before, pitch) = (self.spread_before(), self.out_pitch());
        let after = self.geometry.kernel - 1;
        dz.clear();
        dz.resize((before + count * pitch + after) * self.outputs, 0.0);
        let (outputs, u) = (self.outputs, self.u);
        (0..count).map(move |i| {
            let start = (before + i * pitch) * outputs;
            start..start + u * outputs
        })
    }

    /// Burn's `[O, I, K]` to the product's `[K·I, O]`.
    pub(super) fn unfold_weight(&self, weight: &[f32]) -> Vec<f32> {
        self.rearrange(weight, |o, i, k| (k * self.inputs + i) * self.outputs + o)
    }

    /// Burn's `[O, I, K]` to the `[K·O, I]` of the input's gradient, taps in reverse.
    pub(super) fn flip(&self, weight: &[f32]) -> Vec<f32> {
        let last = self.geometry.kernel - 1;
        self.rearrange(weight, |o, i, k| ((last - k) * self.outputs + o) * self.inputs + i)
    }

    fn rearrange(&self, weight: &[f32], to: impl Fn(usize, usize, usize) -> usize) -> Vec<f32> {
        let mut out = vec![0.0; weight.len()];
        let kernel = self.geometry.kernel;
        for (o, filter) in weight.chunks_exact(self.inputs * kernel).enumerate() {
            for (i, taps) in filter.chunks_exact(kernel).enumerate() {
                for (k, value) in taps.iter().enumerate() {
                    out[to(o, i, k)] = *value;
                }
            }
        }
        out
    }

    /// The product's `[K·I, O]` back to Burn's `[O, I, K]`.
    pub(super) fn fold_weight(&self, unfolded: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; unfolded.len()];
        let kernel = self.geometry.kernel;
        for (row, values) in unfolded.chunks_exact(self.outputs).enumerate() {
            let (k, i) = (row / self.inputs, row % self.inputs);
            for (o, value) in values.iter().enumerate() {
                out[(o * self.inputs + i) * kernel + k] = *value;
            }
        }
        out
    }
}

/// Buffers that a thread reuses from group to group.
#[derive(Default)]
pub(super) struct Scratch {
    padded: Vec<f32>,
    product: Vec<f32>,
    pub dz: Vec<f32>,
}

/// Copies the first `len` of every `pitch` elements.
fn gather(from: &[f32], to: &mut [f32], pitch: usize, len: usize) {
    for (from, to) in from.chunks(pitch).zip(to.chunks_exact_mut(len)) {
        to.copy_from_slice(&from[..len]);
    }
}
