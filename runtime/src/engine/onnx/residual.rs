//! A tract operator for one residual block without gate, on columns side by side, `[T, C]`.

use std::fmt;
use std::sync::Arc;

use tract_onnx::tract_core::internal::*;

use super::super::shared::Shape;
use super::chain::Layer;
use super::columns::{self, pool_and_rectify};

/// One or two convolutions, a shortcut, and what follows their sum.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Residual {
    /// Of all convolutions together, and of the pooling.
    pub(super) shape: Shape,
    /// The convolution before the last one, with its ReLU.
    pub(super) first: Option<Layer>,
    /// The last convolution, without ReLU.
    pub(super) last: Layer,
    /// The convolution of the shortcut, if it is none of its input.
    pub(super) shortcut: Option<Layer>,
}

/// A residual block on a run of columns: as many as its columns of the output are computed from. The output is
/// `[before + columns + after, O]`.
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

    /// `out`, `[columns, O]`, from `x`.
    fn compute(&self, x: &[f32], outside: (usize, usize), out: &mut [f32]) {
        let rows = out.len() / self.outputs() * self.shape.pool;
        let x = &x[..(rows + self.shape.kernel - 1) * self.inputs()];
        let inner = self.first.as_ref().map(|first| {
            let rows = rows + self.last.shape.kernel - 1;
            let mut made = columns::product(first, x, rows);
            for row in made.chunks_exact_mut(first.outputs) {
                for (value, bias) in row.iter_mut().zip(&first.bias) {
                    let sum = *value + bias;
                    // What is no number stays none, so that a mistake shows.
                    *value = if sum < 0.0 { 0.0 } else { sum };
                }
            }
            let (before, after) = first.shape.padding;
            let start = outside.0.saturating_sub(before).min(rows);
            let end = rows - outside.1.saturating_sub(after).min(rows);
            made[..start * first.outputs].fill(0.0);
            made[end * first.outputs..].fill(0.0);
            made
        });
        let mut sum = columns::product(&self.last, inner.as_deref().unwrap_or(x), rows);
        let middle = &x[self.shape.padding.0 * self.inputs()..][..rows * self.inputs()];
        let shortcut = self.shortcut.as_ref().map(|layer| columns::product(layer, middle, rows));
        let added = shortcut.as_deref().unwrap_or(middle);
        sum.iter_mut().zip(added).for_each(|(sum, value)| *sum += value);
        let bias = self.last.bias.iter();
        let bias: Vec<f32> = match &self.shortcut {
            Some(layer) => bias.zip(&layer.bias).map(|(a, b)| a + b).collect(),
            None => bias.copied().collect(),
        };
        let pools = sum.chunks_exact(self.shape.pool * self.outputs());
        for (out, rows) in out.chunks_exact_mut(self.outputs()).zip(pools) {
            pool_and_rectify(out, rows, &bias);
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
