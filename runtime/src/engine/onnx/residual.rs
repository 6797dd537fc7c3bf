//! A tract operator for one residual block, on columns side by side, `[T, C]`.
//!
//! It goes block by block, so that what one convolution makes is near when the next one reads it. With a gate it goes
//! twice: a gate reads the mean of the whole branch, which is the one map that is kept as a whole.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use tract_onnx::tract_core::internal::*;

use super::super::shared::Shape;
use super::chain::Layer;
use super::columns::{BLOCK, multiply, multiply_and_add};
use super::gate::Gate;
use super::rows::{Sums, pool_and_rectify, rectify, repeated, scale, scale_and_add};

/// One or two convolutions (the *branch*), a gate on them, a shortcut, and what follows their sum.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Residual {
    /// Of all convolutions together, and of the pooling.
    pub(super) shape: Shape,
    /// The convolution before the last one, with its ReLU.
    pub(super) first: Option<Layer>,
    /// The last convolution, without ReLU.
    pub(super) last: Layer,
    /// What multiplies the branch, if anything does. Such blocks are computed of whole windows only.
    pub(super) gate: Option<Gate>,
    /// The convolution of the shortcut, if it is none of its input.
    pub(super) shortcut: Option<Layer>,
}

/// A residual block on a run of columns: as many as its columns of the output are computed from, or with a gate all of
/// the window. The output is `[before + columns + after, O]`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ResidualColumns {
    pub(super) block: Arc<Residual>,
    /// Columns that it makes.
    pub(super) columns: usize,
    /// Columns of the input, at its start and at its end, that lie outside of the window. What the first
    /// convolution makes of them is padding of the second one, and zero.
    pub(super) outside: (usize, usize),
    /// Zero columns before and after the output, which the next layer wants.
    pub(super) margin: (usize, usize),
}

impl fmt::Debug for ResidualColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { block, columns, outside, margin } = self;
        let (shape, inputs, outputs) = (block.shape, block.inputs(), block.outputs());
        write!(
            f,
            "ResidualColumns({inputs} to {outputs}, {shape:?}, {columns}, outside {outside:?}, margin {margin:?})"
        )
    }
}

impl Residual {
    pub(super) fn inputs(&self) -> usize {
        self.first.as_ref().unwrap_or(&self.last).inputs
    }

    pub(super) const fn outputs(&self) -> usize {
        self.last.outputs
    }

    /// [`ResidualColumns::outside`] for a whole window of `len` columns, which makes so many.
    pub(super) const fn outside(&self, len: usize, columns: usize) -> (usize, usize) {
        let (before, after) = self.shape.padding;
        // Pooling may drop the last columns, and with them some of the zeros; but a gate reads all.
        let dropped = if self.gate.is_some() { 0 } else { len - columns * self.shape.pool };
        (before, after.saturating_sub(dropped))
    }

    /// Rows of the branch that are computed at a time, whole pools.
    fn block(&self) -> usize {
        (BLOCK / (self.shape.pool * self.outputs())).max(1) * self.shape.pool
    }

    /// `out`, `[columns, O]`, from `x`.
    fn compute(&self, x: &[f32], outside: (usize, usize), out: &mut [f32]) {
        match &self.gate {
            None => self.compute_plain(x, outside, out),
            Some(gate) => self.compute_gated(gate, x, outside, out),
        }
    }

    fn compute_plain(&self, x: &[f32], outside: (usize, usize), out: &mut [f32]) {
        let (outputs, pool, block) = (self.outputs(), self.shape.pool, self.block());
        let mut branch = Branch::new(self, x, outside, out.len() / outputs * pool);
        let join = Join::new(self, x, None);
        let mut rows = vec![0.0; (out.len() * pool).min(block * outputs)];
        for (index, out) in out.chunks_mut(block / pool * outputs).enumerate() {
            let rows = &mut rows[..out.len() * pool];
            branch.compute(index * block, rows);
            join.compute(index * block, rows, out);
        }
    }

    fn compute_gated(&self, gate: &Gate, x: &[f32], outside: (usize, usize), out: &mut [f32]) {
        let (outputs, pool, block) = (self.outputs(), self.shape.pool, self.block());
        let len = x.len() / self.inputs() + 1 - self.shape.kernel;
        let mut branch = Branch::new(self, x, outside, len);
        let (mut rows, mut sums) = (vec![0.0; len * outputs], Sums::new(outputs));
        for (index, rows) in rows.chunks_mut(block * outputs).enumerate() {
            branch.compute(index * block, rows);
            sums.add(rows);
        }
        let mut means = sums.means(len);
        means.iter_mut().zip(&self.last.bias).for_each(|(mean, bias)| *mean += bias);
        let join = Join::new(self, x, Some(&gate.factors(&means)));
        let outs = out.chunks_mut(block / pool * outputs);
        for (index, (out, rows)) in outs.zip(rows.chunks_mut(block * outputs)).enumerate() {
            join.compute(index * block, &mut rows[..out.len() * pool], out);
        }
    }
}

/// The convolutions of a block on a run of columns.
struct Branch<'a> {
    block: &'a Residual,
    x: &'a [f32],
    /// What the first convolution makes for some rows of the last one.
    inner: Vec<f32>,
    /// Its bias, repeated.
    bias: Vec<f32>,
    /// Which of its rows lie inside of the window.
    inside: Range<usize>,
}

impl<'a> Branch<'a> {
    /// For so many rows.
    fn new(block: &'a Residual, x: &'a [f32], outside: (usize, usize), rows: usize) -> Self {
        let (mut bias, mut inside) = (Vec::new(), 0..0);
        if let Some(first) = &block.first {
            let (before, after) = first.shape.padding;
            let rows = rows + block.last.shape.kernel - 1;
            inside.start = outside.0.saturating_sub(before).min(rows);
            inside.end = rows - outside.1.saturating_sub(after).min(rows);
            bias = repeated(&first.bias);
        }
        Self { block, x, inner: Vec::new(), bias, inside }
    }

    /// As many rows as fit into `out`, from `from` on, without the last bias.
    fn compute(&mut self, from: usize, out: &mut [f32]) {
        let Residual { first, last, .. } = self.block;
        let x = &self.x[from * self.block.inputs()..];
        let Some(first) = first else {
            multiply(last, x, out);
            return;
        };
        let rows = out.len() / last.outputs + last.shape.kernel - 1;
        self.inner.resize(rows * first.outputs, 0.0);
        multiply(first, x, &mut self.inner);
        rectify(&mut self.inner, &self.bias);
        // What lies outside of the window is the last convolution's padding.
        let place = |row: usize| row.saturating_sub(from).min(rows) * first.outputs;
        let (start, end) = (place(self.inside.start), place(self.inside.end));
        self.inner[..start].fill(0.0);
        self.inner[end..].fill(0.0);
        multiply(last, &self.inner, out);
    }
}

/// What follows the convolutions of a block.
struct Join<'a> {
    block: &'a Residual,
    /// What the shortcut reads.
    x: &'a [f32],
    /// The factors of the gate, repeated.
    factors: Option<Vec<f32>>,
    /// Of branch and shortcut together.
    bias: Vec<f32>,
}

impl<'a> Join<'a> {
    fn new(block: &'a Residual, x: &'a [f32], factors: Option<&[f32]>) -> Self {
        let mut bias = block.last.bias.clone();
        if let Some(factors) = factors {
            scale(&mut bias, factors);
        }
        if let Some(shortcut) = &block.shortcut {
            bias.iter_mut().zip(&shortcut.bias).for_each(|(sum, bias)| *sum += bias);
        }
        let x = &x[block.shape.padding.0 * block.inputs()..];
        Self { block, x, factors: factors.map(repeated), bias }
    }

    /// `out = relu(max(branch · factors + shortcut) + bias)`, with the rows of the branch from `from` on.
    fn compute(&self, from: usize, branch: &mut [f32], out: &mut [f32]) {
        let Residual { shape, shortcut, .. } = self.block;
        let x = &self.x[from * self.block.inputs()..];
        match (shortcut, &self.factors) {
            (None, None) => branch.iter_mut().zip(x).for_each(|(sum, value)| *sum += value),
            (None, Some(factors)) => scale_and_add(branch, factors, x),
            (Some(shortcut), factors) => {
                if let Some(factors) = factors {
                    scale(branch, factors);
                }
                multiply_and_add(shortcut, x, branch);
            }
        }
        let pools = branch.chunks_exact(shape.pool * self.bias.len());
        for (out, rows) in out.chunks_exact_mut(self.bias.len()).zip(pools) {
            pool_and_rectify(out, rows, &self.bias);
        }
    }
}

impl Op for ResidualColumns {
    fn name(&self) -> StaticName {
        "ResidualColumns".into()
    }

    op_as_typed_op!();
}

impl EvalOp for ResidualColumns {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let view = input.view();
        let x = view.as_slice::<f32>()?;
        let (reach, outputs) = (self.block.shape.reach(self.columns), self.block.outputs());
        ensure!(x.len() >= reach * self.block.inputs(), "{} elements for {self:?}", x.len());
        let mut out = Tensor::zero::<f32>(&self.shape())?;
        let mut made = out.try_as_plain_ram_mut()?;
        let made = made.as_slice_mut::<f32>()?;
        let end = made.len() - self.margin.1 * outputs;
        self.block.compute(x, self.outside, &mut made[self.margin.0 * outputs..end]);
        Ok(tvec!(out.into_tvalue()))
    }
}

impl ResidualColumns {
    fn shape(&self) -> [usize; 2] {
        [self.margin.0 + self.columns + self.margin.1, self.block.outputs()]
    }
}

impl TypedOp for ResidualColumns {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let Some([columns, channels]) = inputs[0].shape.as_concrete() else {
            bail!("columns have two axes of fixed length");
        };
        let reach = self.block.shape.reach(self.columns);
        ensure!(
            *columns >= reach && *channels == self.block.inputs(),
            "{columns} columns of {reach}"
        );
        Ok(tvec!(f32::fact(self.shape())))
    }

    as_op!();
}
