//! Reads what needs a whole window: gates, and the global maxima before the head.

use tract_onnx::pb::AttributeProto;

use super::super::gate::Gate;
use super::{Shape, Walk};

impl<'a> Walk<'a> {
    /// The gate behind the convolution of an SE block, of so many channels.
    pub(super) fn gated(&mut self, channels: usize) -> Option<Gate> {
        let value = self.value;
        let (gate, factors) = self.gate(value, channels)?;
        self.value = self.plain("Mul", &[value, factors])?;
        Some(gate)
    }

    /// The gate that the means of so many channels of a value make, and its factors.
    pub(super) fn gate(&mut self, value: &str, channels: usize) -> Option<(Gate, &'a str)> {
        let means = self.plain("GlobalAveragePool", &[value])?;
        let (squeeze, sums) = self.convolution(means)?;
        let hidden = self.plain("Relu", &[sums])?;
        let (excite, sums) = self.convolution(hidden)?;
        let factors = self.plain("Sigmoid", &[sums])?;
        let points = [&squeeze, &excite].iter().all(|layer| layer.shape == Shape::POINT);
        let fits = squeeze.inputs == channels
            && excite.inputs == squeeze.outputs
            && excite.outputs == channels;
        (points && fits).then_some((Gate { squeeze, excite }, factors))
    }

    /// The global maxima of values, their channels one after the other.
    pub(super) fn peaks(&mut self, values: &[&str]) -> Option<()> {
        let peaks = values.iter().map(|value| self.plain("GlobalMaxPool", &[*value]));
        let peaks: Vec<&str> = peaks.collect::<Option<_>>()?;
        let (node, made) = self.take("Concat", &peaks)?;
        let [AttributeProto { name, i: 1, .. }] = node.attribute.as_slice() else { return None };
        (node.input.len() == peaks.len() && name == "axis").then_some(())?;
        self.value = made;
        Some(())
    }
}
