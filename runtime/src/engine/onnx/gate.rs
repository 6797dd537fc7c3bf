//! A tract operator for the gates of SE blocks, on columns side by side, `[T, C]`.

use std::fmt;
use std::sync::Arc;

use tract_onnx::tract_core::internal::*;

use super::chain::Layer;
use super::columns::multiply;
use super::rows::{Sums, rectify, repeated, scale};

/// What makes one factor for each of C channels out of their means over a window: a linear layer with ReLU and one with
/// a sigmoid.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gate {
    /// From C means to the hidden units, as a convolution of one tap.
    pub(super) squeeze: Layer,
    /// From them to C factors.
    pub(super) excite: Layer,
}

impl Gate {
    /// C.
    pub(super) const fn channels(&self) -> usize {
        self.excite.outputs
    }

    /// The factors, from 0 to 1, of such means.
    pub(super) fn factors(&self, means: &[f32]) -> Vec<f32> {
        let mut hidden = vec![0.0; self.squeeze.outputs];
        multiply(&self.squeeze, means, &mut hidden);
        rectify(&mut hidden, &self.squeeze.bias);
        let mut factors = vec![0.0; self.excite.outputs];
        multiply(&self.excite, &hidden, &mut factors);
        for (factor, bias) in factors.iter_mut().zip(&self.excite.bias) {
            *factor = 1.0 / (1.0 + (-(*factor + bias)).exp());
        }
        factors
    }

    /// Multiplies so many columns with their gate. There may be zeros around them.
    fn apply(&self, x: &mut [f32], columns: usize) {
        let mut sums = Sums::new(self.channels());
        sums.add(x);
        let factors = self.factors(&sums.means(columns));
        scale(x, &repeated(&factors));
    }
}

/// Columns of a whole window times the gate that they make. Zero columns around them, which the next layer wants, stay.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct GateColumns {
    pub(super) gate: Arc<Gate>,
    /// Columns of the window, without the zeros.
    pub(super) columns: usize,
}

impl fmt::Debug for GateColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (channels, hidden) = (self.gate.channels(), self.gate.squeeze.outputs);
        write!(f, "GateColumns({channels} by {hidden}, {})", self.columns)
    }
}

impl Op for GateColumns {
    fn name(&self) -> StaticName {
        "GateColumns".into()
    }

    op_as_typed_op!();
}

impl EvalOp for GateColumns {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        // In place: nobody else reads the input.
        let mut columns = args_1!(inputs).into_tensor();
        self.gate.apply(columns.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?, self.columns);
        Ok(tvec!(columns.into_tvalue()))
    }
}

impl TypedOp for GateColumns {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let Some([columns, channels]) = inputs[0].shape.as_concrete() else {
            bail!("columns have two axes of fixed length");
        };
        ensure!(
            *columns >= self.columns && *channels == self.gate.channels(),
            "{columns} columns of {channels} channels for {self:?}"
        );
        Ok(tvec!(f32::fact([*columns, *channels])))
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use super::super::super::shared::Shape;
    use super::*;

    fn linear(weight: &[f32], bias: &[f32]) -> Layer {
        let (inputs, outputs) = (weight.len() / bias.len(), bias.len());
        let (weight, bias) = (weight.to_vec(), bias.to_vec());
        Layer { shape: Shape::POINT, weight, bias, inputs, outputs }
    }

    #[test]
    fn columns_are_multiplied_with_what_their_means_make() {
        // The means are 2 and −1; the hidden units 2 + 2 + 0.5 and, below 0, 2 − 3.
        let gate = Gate {
            squeeze: linear(&[1.0, 1.0, -2.0, 3.0], &[0.5, 0.0]),
            excite: linear(&[0.2, -0.4, 9.0, 9.0], &[0.1, 0.8]),
        };
        let op = GateColumns { gate: Arc::new(gate), columns: 3 };
        let x = [0.0_f32, 0.0, 1.0, -3.0, 2.0, 1.0, 3.0, -1.0, 0.0, 0.0];
        let input = Tensor::from_shape(&[5, 2], &x).unwrap();
        let made = op.eval_out_of_plan(tvec!(input.into_tvalue())).unwrap().unwrap();
        let sigmoid = |value: f32| 1.0 / (1.0 + (-value).exp());
        let factors = [sigmoid(4.5 * 0.2 + 0.1), sigmoid(4.5 * -0.4 + 0.8)];
        assert_eq!(made[0].shape(), [5, 2]);
        let view = made[0].view();
        for (index, made) in view.as_slice::<f32>().unwrap().iter().enumerate() {
            let expected = x[index] * factors[index % 2];
            assert!((made - expected).abs() < 1e-6, "{index}: {made} {expected}");
        }
    }
}
