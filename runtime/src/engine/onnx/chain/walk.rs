//! Follows a graph from node to node.

use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

use super::super::inspect;
use super::{Layer, Shape};

fn input(graph: &GraphProto) -> Option<&str> {
    let is_weight = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    let mut inputs = graph.input.iter().filter(|input| !is_weight(&input.name));
    inputs.next().map(|input| input.name.as_str())
}

/// Follows the chain from node to node.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    graph: &'a GraphProto,
    /// What the next node reads.
    pub(super) value: &'a str,
    /// Its place in the graph.
    next: usize,
}

impl<'a> Walk<'a> {
    /// From the input of a graph on.
    pub(super) fn new(graph: &'a GraphProto) -> Option<Self> {
        Some(Self { graph, value: input(graph)?, next: 0 })
    }

    /// The next node and its output, if it is of this type and reads these values first.
    pub(super) fn take(
        &mut self,
        op_type: &str,
        values: &[&str],
    ) -> Option<(&'a NodeProto, &'a str)> {
        let node = self.graph.node.get(self.next)?;
        let reads = node.input.len() >= values.len()
            && node.input.iter().zip(values).all(|(input, value)| input == value);
        let [output] = node.output.as_slice() else { return None };
        (node.op_type == op_type && reads).then_some(())?;
        self.next += 1;
        Some((node, output))
    }

    pub(super) fn comes(&self, op_type: &str) -> bool {
        self.graph.node.get(self.next).is_some_and(|node| node.op_type == op_type)
    }

    /// The output of the next node, if it is of this type, reads these values and has no settings.
    pub(super) fn plain(&mut self, op_type: &str, values: &[&str]) -> Option<&'a str> {
        let (node, made) = self.take(op_type, values)?;
        (node.attribute.is_empty() && node.input.len() == values.len()).then_some(made)
    }

    /// The length of the max pooling of the value, 1 if there is none.
    pub(super) fn max_pool(&mut self) -> Option<usize> {
        if !self.comes("MaxPool") {
            return Some(1);
        }
        let (node, made) = self.take("MaxPool", &[self.value])?;
        self.value = made;
        let Attributes { kernel, stride, padding } = Attributes::of(node)?;
        kernel.filter(|pool| *pool > 0 && stride == *pool && padding == (0, 0))
    }

    /// A convolution of a value, and what it makes.
    pub(super) fn convolution(&mut self, value: &str) -> Option<(Layer, &'a str)> {
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
    pub(super) fn rest(&self, proto: &ModelProto, shape: [usize; 3]) -> Option<ModelProto> {
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
