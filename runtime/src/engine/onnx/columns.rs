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

/// Elements of a product that are pooled at a time; they stay in the second-level cache.
const BLOCK: usize = 1 << 16;

/// Convolution, ReLU and max pooling: `[T, I]`, of which the first `reach(columns)` columns count, to
/// `[before + columns + after, O]`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) layer: Arc<Layer>,
    /// Columns of the output, without the zeros around them.
    pub(super) columns: usize,
    /// Zero columns before and after them, which the next layer wants.
    pub(super) margin: (usize, usize),
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, columns, margin } = self;
        let Layer { shape, inputs, outputs, .. } = &**layer;
        write!(f, "Columns({inputs} to {outputs}, {shape:?}, columns {columns}, margin {margin:?})")
    }
}

impl Columns {
    /// Elements of the input.
    pub(super) fn input_len(&self) -> usize {
        self.layer.shape.reach(self.columns) * self.layer.inputs
    }

    fn shape(&self) -> [usize; 2] {
        [self.margin.0 + self.columns + self.margin.1, self.layer.outputs]
    }

    fn compute(&self, x: &[f32], out: &mut [f32]) {
        let Layer { shape, weight, bias, inputs, outputs } = &*self.layer;
        let Shape { kernel, stride, pool, .. } = *shape;
        let taps = kernel * inputs;
        let filters = View::rows(weight, taps, *outputs);
        let (before, after) = (self.margin.0 * outputs, self.margin.1 * outputs);
        let end = out.len() - after;
        out[..before].fill(0.0);
        out[end..].fill(0.0);
        let block = (BLOCK / (pool * outputs)).max(1);
        let mut product = vec![0.0; block.min(self.columns) * pool * outputs];
        for (index, out) in out[before..end].chunks_mut(block * outputs).enumerate() {
            let rows = out.len() / outputs * pool;
            let seen = &x[index * block * pool * stride * inputs..];
            let seen = View::strided(seen, rows, taps, stride * inputs);
            let product = &mut product[..rows * outputs];
            matmul(product, seen, filters, false);
            let pools = product.chunks_exact(pool * outputs);
            for (out, rows) in out.chunks_exact_mut(*outputs).zip(pools) {
                pool_and_rectify(out, rows, bias);
            }
        }
    }
}

/// `out = relu(max(rows) + bias)`. What is no number stays none, so that a mistake shows.
fn pool_and_rectify(out: &mut [f32], rows: &[f32], bias: &[f32]) {
    let (first, rest) = rows.split_at(out.len());
    out.copy_from_slice(first);
    for row in rest.chunks_exact(out.len()) {
        for (out, value) in out.iter_mut().zip(row) {
            *out = if *out > *value { *out } else { *value };
        }
    }
    for (out, bias) in out.iter_mut().zip(bias) {
        let sum = *out + bias;
        *out = if sum < 0.0 { 0.0 } else { sum };
    }
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
        ensure!(x.len() >= self.input_len(), "{} elements for {self:?}", x.len());
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
        let reach = self.layer.shape.reach(self.columns);
        ensure!(
            *columns >= reach && *channels == self.layer.inputs,
            "{columns} columns of {reach}"
        );
        Ok(tvec!(f32::fact(self.shape())))
    }

    as_op!();
}
