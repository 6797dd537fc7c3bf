//! A tract operator for one layer on columns side by side, `[T, C]`.
//!
//! tract's own convolution works on `[C, T]` and copies every input K times to bring it into the order
//! of its product. On columns side by side the product needs no copy (see [`matrix`]), and what
//! it makes is pooled while it is still in the cache.

use std::fmt;
use std::sync::Arc;

use matrix::{View, matmul};
use tract_onnx::tract_core::internal::*;

use super::super::shared::Shape;
use super::chain::Layer;
use super::rows::pool_and_rectify;

/// Elements of a product that are pooled at a time; they stay in the second-level cache.
pub(super) const BLOCK: usize = 1 << 16;

/// Convolution, ReLU and max pooling of runs of columns, one run after the other in `[T, I]`: each as
/// many as its columns of the output are computed from. What follows them does not count. The output is `[before +
/// columns + after, O]`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) layer: Arc<Layer>,
    /// Columns that each run makes. Several of them are few, and of stride 1.
    pub(super) runs: Vec<usize>,
    /// Zero columns before and after the output, which the next layer wants.
    pub(super) margin: (usize, usize),
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, runs, margin } = self;
        let Layer { shape, inputs, outputs, .. } = &**layer;
        write!(f, "Columns({inputs} to {outputs}, {shape:?}, runs {runs:?}, margin {margin:?})")
    }
}

impl Columns {
    /// Columns of the input.
    pub(super) fn reach(&self) -> usize {
        self.runs.iter().map(|columns| self.layer.shape.reach(*columns)).sum()
    }

    fn shape(&self) -> [usize; 2] {
        let columns: usize = self.runs.iter().sum();
        [self.margin.0 + columns + self.margin.1, self.layer.outputs]
    }

    fn compute(&self, x: &[f32], out: &mut [f32]) {
        let outputs = self.layer.outputs;
        let (before, after) = (self.margin.0 * outputs, self.margin.1 * outputs);
        let end = out.len() - after;
        out[..before].fill(0.0);
        out[end..].fill(0.0);
        match self.runs.len() {
            1 => self.long_run(x, &mut out[before..end]),
            _ => self.short_runs(x, &mut out[before..end]),
        }
    }

    /// Block by block, so that a block is pooled while it is near.
    fn long_run(&self, x: &[f32], out: &mut [f32]) {
        let Layer { shape: Shape { stride, pool, .. }, inputs, outputs, .. } = &*self.layer;
        let block = (BLOCK / (pool * outputs)).max(1);
        let mut product = vec![0.0; out.len().min(block * outputs) * pool];
        for (index, out) in out.chunks_mut(block * outputs).enumerate() {
            let product = &mut product[..out.len() * pool];
            multiply(&self.layer, &x[index * block * pool * stride * inputs..], product);
            self.pool_and_rectify(product, out);
        }
    }

    /// All at once: reading the weights takes longer than the rows that mix the end of a run with the
    /// start of the next one, and that nobody reads.
    fn short_runs(&self, x: &[f32], mut out: &mut [f32]) {
        let Layer { shape, outputs, .. } = &*self.layer;
        let rows = self.reach() + 1 - shape.kernel;
        let mut product = vec![0.0; rows * outputs];
        multiply(&self.layer, x, &mut product);
        let mut first = 0;
        for columns in &self.runs {
            let (now, later) = out.split_at_mut(columns * outputs);
            self.pool_and_rectify(&product[first * outputs..][..now.len() * shape.pool], now);
            (out, first) = (later, first + shape.reach(*columns));
        }
    }

    fn pool_and_rectify(&self, product: &[f32], out: &mut [f32]) {
        let Layer { shape, bias, outputs, .. } = &*self.layer;
        let pools = product.chunks_exact(shape.pool * outputs);
        for (out, rows) in out.chunks_exact_mut(*outputs).zip(pools) {
            pool_and_rectify(out, rows, bias);
        }
    }
}

/// A layer's convolution without its bias: as many rows as fit into the product, of the inputs from the start of `x`
/// on.
pub(super) fn multiply(layer: &Layer, x: &[f32], product: &mut [f32]) {
    multiply_into(layer, x, product, false);
}

/// The same, added to what is there.
pub(super) fn multiply_and_add(layer: &Layer, x: &[f32], sum: &mut [f32]) {
    multiply_into(layer, x, sum, true);
}

fn multiply_into(layer: &Layer, x: &[f32], product: &mut [f32], add: bool) {
    let Layer { shape, weight, inputs, outputs, .. } = layer;
    let (rows, taps) = (product.len() / outputs, shape.kernel * inputs);
    let seen = View::strided(x, rows, taps, shape.stride * inputs);
    matmul(product, seen, View::rows(weight, taps, *outputs), add);
}

impl Op for Columns {
    fn name(&self) -> StaticName {
        "Columns".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Columns {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let view = input.view();
        let x = view.as_slice::<f32>()?;
        ensure!(x.len() >= self.reach() * self.layer.inputs, "{} elements for {self:?}", x.len());
        let mut out = Tensor::zero::<f32>(&self.shape())?;
        self.compute(x, out.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?);
        Ok(tvec!(out.into_tvalue()))
    }
}

impl TypedOp for Columns {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let Some([columns, channels]) = inputs[0].shape.as_concrete() else {
            bail!("columns have two axes of fixed length");
        };
        let reach = self.reach();
        ensure!(
            *columns >= reach && *channels == self.layer.inputs,
            "{columns} columns of {reach}"
        );
        Ok(tvec!(f32::fact(self.shape())))
    }

    as_op!();
}
