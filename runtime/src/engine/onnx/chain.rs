//! Reads the layers of a network of the family out of its ONNX graph.
//!
//! What `trainer export` writes is a chain: convolution, ReLU and max pooling for stem, blocks and
//! head, then the classifier. A graph that is anything else is no chain; the library runs it as it is.

use std::sync::Arc;

use models::arch::ArchSpec;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

use super::super::shared::Shape;
use super::inspect;

/// A convolution on columns `[T, I]`, its ReLU and its max pooling.
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

/// The layers of a network.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// Stem, blocks, head.
    pub(super) layers: Vec<Arc<Layer>>,
    /// Columns of each layer's output of a whole window.
    pub(super) lens: Vec<usize>,
    /// From the head's output, `[1, O, T]`, to the posteriors.
    pub(super) classifier: ModelProto,
}

impl Chain {
    /// The chain that a graph is; `None` if it is no chain, or not that of `arch`.
    pub(super) fn read(proto: &ModelProto, arch: &ArchSpec) -> Option<Self> {
        let graph = proto.graph.as_ref()?;
        let table = arch.layers().ok()?;
        let mut walk = Walk { graph, value: input(graph)?, next: 0 };
        let convolutions = &table.layers[..table.layers.len() - 1];
        let mut layers = Vec::with_capacity(convolutions.len());
        for (index, sizes) in convolutions.iter().enumerate() {
            let layer = walk.layer()?;
            let fits = layer.shape == Shape::of(arch, index)
                && layer.inputs == sizes.in_channels
                && layer.outputs == sizes.out_channels;
            fits.then_some(())?;
            layers.push(Arc::new(layer));
        }
        let last = convolutions.last()?;
        let classifier = walk.rest(proto, [1, last.out_channels, last.out_len])?;
        let lens = convolutions.iter().map(|shape| shape.out_len).collect();
        Some(Self { layers, lens, classifier })
    }
}

fn input(graph: &GraphProto) -> Option<&str> {
    let is_weight = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    let mut inputs = graph.input.iter().filter(|input| !is_weight(&input.name));
    inputs.next().map(|input| input.name.as_str())
}

/// Follows the chain from node to node.
struct Walk<'a> {
    graph: &'a GraphProto,
    /// What the next node reads.
    value: &'a str,
    /// Its place in the graph.
    next: usize,
}

impl<'a> Walk<'a> {
    /// The next node, if it is of this type, reads the value and is the only one that does.
    fn take(&mut self, op_type: &str) -> Option<&'a NodeProto> {
        let node = self.graph.node.get(self.next)?;
        let readers = self.graph.node.iter().flat_map(|node| &node.input);
        let only = readers.filter(|input| *input == self.value).count() == 1;
        let reads = node.input.first().is_some_and(|input| input == self.value);
        let [output] = node.output.as_slice() else { return None };
        (node.op_type == op_type && reads && only).then_some(())?;
        (self.value, self.next) = (output, self.next + 1);
        Some(node)
    }

    fn layer(&mut self) -> Option<Layer> {
        let node = self.take("Conv")?;
        let [_, weight, bias] = node.input.as_slice() else { return None };
        let ([outputs, inputs, kernel], weight) = self.weights(weight)?;
        let ([biases], bias) = self.weights(bias)?;
        let convolution = Attributes::of(node)?;
        let fits = biases == outputs && convolution.kernel == Some(kernel) && kernel > 0;
        (fits && convolution.stride > 0).then_some(())?;
        self.take("Relu")?.attribute.is_empty().then_some(())?;
        let mut pool = 1;
        if self.graph.node.get(self.next)?.op_type == "MaxPool" {
            let pooling = Attributes::of(self.take("MaxPool")?)?;
            pool = pooling.kernel?;
            (pool > 0 && pooling.stride == pool && pooling.padding == (0, 0)).then_some(())?;
        }
        let mut columns = vec![0.0; weight.len()];
        for (output, filter) in weight.chunks_exact(inputs * kernel).enumerate() {
            for (input, taps) in filter.chunks_exact(kernel).enumerate() {
                for (tap, value) in taps.iter().enumerate() {
                    columns[(tap * inputs + input) * outputs + output] = *value;
                }
            }
        }
        let Attributes { stride, padding, .. } = convolution;
        let shape = Shape { kernel, stride, padding, pool };
        Some(Layer { shape, weight: columns, bias, inputs, outputs })
    }

    /// The rest of the graph as one of its own, with an input of this shape.
    fn rest(&self, proto: &ModelProto, shape: [usize; 3]) -> Option<ModelProto> {
        let mut rest = proto.clone();
        let graph = rest.graph.as_mut()?;
        graph.node.drain(..self.next);
        let read = |name: &str| graph.node.iter().any(|node| node.input.iter().any(|i| i == name));
        // The rest reads nothing of the chain but its end.
        let made = self.graph.node[..self.next].iter().flat_map(|node| &node.output);
        made.filter(|name| *name != self.value).all(|name| !read(name)).then_some(())?;
        let kept: Vec<bool> = graph.initializer.iter().map(|tensor| read(&tensor.name)).collect();
        let mut kept = kept.into_iter();
        graph.initializer.retain(|_| kept.next().unwrap_or(true));
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
