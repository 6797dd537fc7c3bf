//! Reads units: the operators that each is made of, in their order, and how they fit together.

use tract_onnx::pb::AttributeProto;

use super::super::gate::Gate;
use super::super::mel::Mel;
use super::super::residual::Residual;
use super::walk::Walk;
use super::{Layer, Shape};

impl<'a> Walk<'a> {
    /// Convolution, ReLU and, if any, max pooling.
    pub(super) fn layer(&mut self) -> Option<Layer> {
        let (mut layer, made) = self.convolution(self.value)?;
        self.value = self.plain("Relu", &[made])?;
        layer.shape.pool = self.max_pool()?;
        Some(layer)
    }

    /// A mel spectrum: convolution, squares, product with the bands, logarithm.
    pub(super) fn mel(&mut self) -> Option<Mel> {
        let (waves, parts) = self.convolution(self.value)?;
        let (_, powers) = self.take("Mul", &[parts, parts])?;
        let (bands, energies) = self.convolution(powers)?;
        (_, self.value) = self.take("Log", &[energies])?;
        Mel::new(&waves, &bands)
    }

    /// A residual block with so many channels in.
    pub(super) fn residual(&mut self, inputs: usize) -> Option<Residual> {
        let input = self.value;
        let (mut last, mut branch) = self.convolution(input)?;
        let mut first = None;
        if self.comes("Relu") {
            let inner = self.plain("Relu", &[branch])?;
            first = Some(last);
            (last, branch) = self.convolution(inner)?;
        }
        let (mut gate, mut factors) = (None, None);
        if self.comes("GlobalAveragePool") {
            let (found, made) = self.gate(branch, last.outputs)?;
            (gate, factors) = (Some(found), Some(made));
        }
        let (mut shortcut, mut added) = (None, input);
        if inputs != last.outputs {
            let (layer, made) = self.convolution(input)?;
            (shortcut, added) = (Some(layer), made);
        }
        if let Some(factors) = factors {
            branch = self.plain("Mul", &[branch, factors])?;
        }
        let sum = self.plain("Add", &[branch, added])?;
        self.value = self.plain("Relu", &[sum])?;
        let pool = self.max_pool()?;
        let mut shape = last.shape;
        if let Some(first) = &first {
            shape.kernel += first.shape.kernel - 1;
            shape.padding.0 += first.shape.padding.0;
            shape.padding.1 += first.shape.padding.1;
        }
        let same = first.iter().chain([&last]).all(|l| l.shape.stride == 1 && l.keeps_length());
        let fits = first.as_ref().is_none_or(|first| first.outputs == last.inputs);
        let adds = shortcut.as_ref().is_none_or(|layer: &Layer| {
            layer.shape == Shape::POINT && layer.inputs == inputs && layer.outputs == last.outputs
        });
        (same && fits && adds).then_some(Residual {
            shape: Shape { pool, ..shape },
            first,
            last,
            gate,
            shortcut,
        })
    }

    /// The gate behind the convolution of an SE block, of so many channels.
    pub(super) fn gated(&mut self, channels: usize) -> Option<Gate> {
        let value = self.value;
        let (gate, factors) = self.gate(value, channels)?;
        self.value = self.plain("Mul", &[value, factors])?;
        Some(gate)
    }

    /// The gate that the means of so many channels of a value make, and its factors.
    fn gate(&mut self, value: &str, channels: usize) -> Option<(Gate, &'a str)> {
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
