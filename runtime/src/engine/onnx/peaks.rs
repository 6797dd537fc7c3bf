//! A tract operator for the global maxima that the multi-level head reads, on columns side by side, `[T, C]`.

use tract_onnx::tract_core::internal::*;

use super::rows::largest;

/// Which levels the head reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Peaks {
    /// The units of the chain that make them.
    pub(super) levels: Vec<usize>,
    /// Channels of all of them together.
    pub(super) channels: usize,
}

/// Columns of a whole window, with zero columns around them that belong to what else reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Map {
    /// Zero columns before.
    pub(super) before: usize,
    /// Columns without the zeros, at least 1.
    pub(super) columns: usize,
    pub(super) channels: usize,
}

/// The largest value of each channel of some maps: one column with the channels of all of them, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PeakColumns {
    pub(super) maps: Vec<Map>,
}

impl PeakColumns {
    fn channels(&self) -> usize {
        self.maps.iter().map(|map| map.channels).sum()
    }
}

impl Op for PeakColumns {
    fn name(&self) -> StaticName {
        "PeakColumns".into()
    }

    op_as_typed_op!();
}

impl EvalOp for PeakColumns {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut out = Tensor::zero::<f32>(&[1, self.channels()])?;
        let mut made = out.try_as_plain_ram_mut()?;
        let mut rest = made.as_slice_mut::<f32>()?;
        for (Map { before, columns, channels }, input) in self.maps.iter().zip(&inputs) {
            let view = input.view();
            let x = view.as_slice::<f32>()?;
            ensure!(x.len() >= (before + columns) * channels, "{} elements for {self:?}", x.len());
            let (now, later) = rest.split_at_mut(*channels);
            largest(now, &x[before * channels..][..columns * channels]);
            rest = later;
        }
        Ok(tvec!(out.into_tvalue()))
    }
}

impl TypedOp for PeakColumns {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(inputs.len() == self.maps.len(), "{} inputs for {self:?}", inputs.len());
        for (input, map) in inputs.iter().zip(&self.maps) {
            let Some([columns, channels]) = input.shape.as_concrete() else {
                bail!("columns have two axes of fixed length");
            };
            ensure!(
                *columns >= map.before + map.columns && *channels == map.channels,
                "{columns} columns of {channels} channels for {map:?}"
            );
        }
        Ok(tvec!(f32::fact([1, self.channels()])))
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_those_of_the_columns_between_the_zeros() {
        let maps = vec![
            Map { before: 1, columns: 2, channels: 2 },
            Map { before: 0, columns: 1, channels: 1 },
            Map { before: 0, columns: 3, channels: 1 },
        ];
        let inputs = [
            Tensor::from_shape(&[4, 2], &[0.0_f32, 0.0, -3.0, 1.0, -2.0, 0.5, 0.0, 0.0]),
            Tensor::from_shape(&[1, 1], &[-4.0_f32]),
            Tensor::from_shape(&[4, 1], &[1.0_f32, 7.0, 2.0, 9.0]),
        ];
        let inputs = inputs.into_iter().map(|input| input.unwrap().into_tvalue()).collect();
        let op = PeakColumns { maps };
        let made = op.eval_out_of_plan(inputs).unwrap().unwrap();
        let view = made[0].view();
        assert_eq!(view.as_slice::<f32>().unwrap(), [-2.0, 1.0, -4.0, 7.0]);
    }
}
