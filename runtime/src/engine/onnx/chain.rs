//! Reads the layers of a network of the family out of its ONNX graph.
//!
//! What `trainer export` writes is a chain up to the classifier: convolution, ReLU and max pooling for stem and basic
//! blocks, and for SE blocks a gate behind them; residual blocks, with gates and without; before the head the global
//! maxima that it reads. What lies behind the chain is a graph of its own, which the library runs as it is. Where a file
//! turns into something else, the chain ends there, and the library runs the more. A graph that is not even as its metadata
//! says as far as windows can share it, the library runs as a whole.

mod gates;
mod reader;

use std::sync::Arc;

use models::arch::ArchSpec;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

use super::super::shared::Shape;
use super::gate::Gate;
use super::inspect;
use super::peaks::Peaks;
use super::residual::Residual;
use reader::Reader;

/// A convolution on columns `[T, I]`, and the max pooling behind it.
#[derive(Debug, PartialEq)]
pub(super) struct Layer {
    pub(super) shape: Shape,
    /// Weights, `[K·I, O]`.
    pub(super) weight: Vec<f32>,
    /// Bias, `[O]`.
    pub(super) bias: Vec<f32>,
    /// I.
    pub(super) inputs: usize,
    /// O.
    pub(super) outputs: usize,
}

// Weights are finite numbers, which the load checks.
impl Eq for Layer {}

impl Layer {
    /// Whether padding makes up for the taps.
    const fn keeps_length(&self) -> bool {
        self.shape.padding.0 + self.shape.padding.1 + 1 == self.shape.kernel
    }
}

/// What makes columns of others. The first units make those of the levels that windows can share, one each.
#[derive(Clone, Debug)]
pub(super) enum Unit {
    /// A convolution with ReLU and pooling.
    Layer(Arc<Layer>),
    /// A residual block.
    Residual(Arc<Residual>),
    /// The gate of an SE block, behind its convolution.
    Gate(Arc<Gate>),
    /// The global maxima of levels.
    Peaks(Arc<Peaks>),
}

impl Unit {
    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Layer(layer) => layer.shape,
            Self::Residual(block) => block.shape,
            Self::Gate(_) | Self::Peaks(_) => Shape::POINT,
        }
    }

    /// O.
    pub(super) fn outputs(&self) -> usize {
        match self {
            Self::Layer(layer) => layer.outputs,
            Self::Residual(block) => block.outputs(),
            Self::Gate(gate) => gate.channels(),
            Self::Peaks(peaks) => peaks.channels,
        }
    }

    fn inputs(&self) -> usize {
        match self {
            Self::Layer(layer) => layer.inputs,
            Self::Residual(block) => block.inputs(),
            Self::Gate(gate) => gate.channels(),
            Self::Peaks(peaks) => peaks.channels,
        }
    }
}

/// The beginning of a network, and the rest of it.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// Stem, blocks, head, as far as they are a chain.
    pub(super) units: Vec<Unit>,
    /// Columns of each one's output of a whole window.
    pub(super) lens: Vec<usize>,
    /// From the chain's output, `[1, O, T]`, to the posteriors.
    pub(super) rest: ModelProto,
}

impl Chain {
    /// The chain that a graph begins with; `None` if not even what windows can share is as in `arch`.
    pub(super) fn read(proto: &ModelProto, arch: &ArchSpec) -> Option<Self> {
        let graph = proto.graph.as_ref()?;
        let table = arch.layers().ok()?;
        let mut reader = Reader::new(arch, Walk { graph, value: input(graph)?, next: 0 });
        let (_, layers) = table.layers.split_last()?;
        for (index, sizes) in layers.iter().enumerate() {
            if reader.layer(index, sizes).is_none() {
                break;
            }
        }
        reader.longest_chain(proto)
    }

    /// Zero columns around the input of a unit, or of what lies behind all: those that it wants itself, or if it keeps
    /// its input's columns, what reads them then.
    pub(super) fn margin(&self, unit: usize) -> (usize, usize) {
        let reader = self.units[unit..].iter().find(|unit| !matches!(unit, Unit::Gate(_)));
        reader.map_or((0, 0), |reader| reader.shape().padding)
    }
}

fn input(graph: &GraphProto) -> Option<&str> {
    let is_weight = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    let mut inputs = graph.input.iter().filter(|input| !is_weight(&input.name));
    inputs.next().map(|input| input.name.as_str())
}

/// Follows the chain from node to node.
#[derive(Clone, Copy)]
struct Walk<'a> {
    graph: &'a GraphProto,
    /// What the next node reads.
    value: &'a str,
    /// Its place in the graph.
    next: usize,
}

impl<'a> Walk<'a> {
    /// The next node and its output, if it is of this type and reads these values first.
    fn take(&mut self, op_type: &str, values: &[&str]) -> Option<(&'a NodeProto, &'a str)> {
        let node = self.graph.node.get(self.next)?;
        let reads = node.input.len() >= values.len()
            && node.input.iter().zip(values).all(|(input, value)| input == value);
        let [output] = node.output.as_slice() else { return None };
        (node.op_type == op_type && reads).then_some(())?;
        self.next += 1;
        Some((node, output))
    }

    fn comes(&self, op_type: &str) -> bool {
        self.graph.node.get(self.next).is_some_and(|node| node.op_type == op_type)
    }

    /// Convolution, ReLU and, if any, max pooling.
    fn layer(&mut self) -> Option<Layer> {
        let (mut layer, made) = self.convolution(self.value)?;
        self.value = self.plain("Relu", &[made])?;
        layer.shape.pool = self.max_pool()?;
        Some(layer)
    }

    /// A residual block with so many channels in.
    fn residual(&mut self, inputs: usize) -> Option<Residual> {
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

    /// The output of the next node, if it is of this type, reads these values and has no settings.
    fn plain(&mut self, op_type: &str, values: &[&str]) -> Option<&'a str> {
        let (node, made) = self.take(op_type, values)?;
        (node.attribute.is_empty() && node.input.len() == values.len()).then_some(made)
    }

    /// The length of the max pooling of the value, 1 if there is none.
    fn max_pool(&mut self) -> Option<usize> {
        if !self.comes("MaxPool") {
            return Some(1);
        }
        let (node, made) = self.take("MaxPool", &[self.value])?;
        self.value = made;
        let Attributes { kernel, stride, padding } = Attributes::of(node)?;
        kernel.filter(|pool| *pool > 0 && stride == *pool && padding == (0, 0))
    }

    /// A convolution of a value, and what it makes.
    fn convolution(&mut self, value: &str) -> Option<(Layer, &'a str)> {
        let (node, made) = self.take("Conv", &[value])?;
        let [_, weight, bias] = node.input.as_slice() else { return None };
        let ([outputs, inputs, kernel], weight) = self.weights(weight)?;
        let ([biases], bias) = self.weights(bias)?;
        let convolution = Attributes::of(node)?;
        let fits = biases == outputs && convolution.kernel == Some(kernel) && kernel > 0;
        (fits && convolution.stride > 0).then_some(())?;
        let mut columns = vec![0.0; weight.len()];
        for (output, filter) in weight.chunks_exact(inputs * kernel).enumerate() {
            for (input, taps) in filter.chunks_exact(kernel).enumerate() {
                for (tap, value) in taps.iter().enumerate() {
                    columns[(tap * inputs + input) * outputs + output] = *value;
                }
            }
        }
        let Attributes { stride, padding, .. } = convolution;
        let shape = Shape { kernel, stride, padding, pool: 1 };
        Some((Layer { shape, weight: columns, bias, inputs, outputs }, made))
    }

    /// The rest of the graph as one of its own, with an input of this shape.
    fn rest(&self, proto: &ModelProto, shape: [usize; 3]) -> Option<ModelProto> {
        let (chain, behind) = self.graph.node.split_at(self.next);
        let outputs = self.graph.output.iter().map(|output| &output.name);
        let wanted: Vec<&String> =
            behind.iter().flat_map(|node| &node.input).chain(outputs).collect();
        // The rest reads nothing of the chain but its end.
        let made = chain.iter().flat_map(|node| &node.output).map(String::as_str);
        let mut made = made.chain(input(self.graph)).filter(|name| *name != self.value);
        made.all(|name| !wanted.iter().any(|wanted| *wanted == name)).then_some(())?;
        let mut rest = proto.clone();
        let graph = rest.graph.as_mut()?;
        graph.node.drain(..self.next);
        graph.initializer.retain(|tensor| wanted.contains(&&tensor.name));
        let is_weight = |name: &str| self.graph.initializer.iter().any(|t| t.name == name);
        graph.input.retain(|input| !is_weight(&input.name));
        let [input] = graph.input.as_mut_slice() else { return None };
        self.value.clone_into(&mut input.name);
        inspect::set_shape(input, shape.map(|dim| dim as i64))?;
        Some(rest)
    }

    /// The values of an initializer and its shape.
    fn weights<const D: usize>(&self, name: &str) -> Option<([usize; D], Vec<f32>)> {
        let tensor = self.graph.initializer.iter().find(|tensor| tensor.name == name)?;
        let dims = tensor.dims.iter().map(|dim| usize::try_from(*dim).ok());
        let dims: [usize; D] = dims.collect::<Option<Vec<_>>>()?.try_into().ok()?;
        let values = values(tensor)?;
        let count = dims.iter().try_fold(1usize, |product, dim| product.checked_mul(*dim))?;
        (count == values.len() && count > 0).then_some((dims, values))
    }
}

fn values(tensor: &TensorProto) -> Option<Vec<f32>> {
    use tract_onnx::pb::tensor_proto::DataType;
    (tensor.data_type == DataType::Float as i32).then_some(())?;
    if tensor.raw_data.is_empty() {
        return Some(tensor.float_data.clone());
    }
    let (words, rest) = tensor.raw_data.as_chunks::<4>();
    rest.is_empty().then(|| words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}

/// What a convolution or pooling says of itself.
struct Attributes {
    kernel: Option<usize>,
    stride: usize,
    padding: (usize, usize),
}

impl Attributes {
    /// `None` for anything out of the ordinary: dilations, groups, automatic padding.
    fn of(node: &NodeProto) -> Option<Self> {
        let mut found = Self { kernel: None, stride: 1, padding: (0, 0) };
        for AttributeProto { name, ints, i, .. } in &node.attribute {
            let one = |ints: &[i64]| match ints {
                [value] => usize::try_from(*value).ok(),
                _ => None,
            };
            match name.as_str() {
                "kernel_shape" => found.kernel = Some(one(ints)?),
                "strides" => found.stride = one(ints)?,
                "pads" => {
                    let [before, after] = ints.as_slice() else { return None };
                    found.padding = (one(&[*before])?, one(&[*after])?);
                }
                "dilations" => (one(ints)? == 1).then_some(())?,
                "group" => (*i == 1).then_some(())?,
                "ceil_mode" | "storage_order" => (*i == 0).then_some(())?,
                _ => return None,
            }
        }
        Some(found)
    }
}
