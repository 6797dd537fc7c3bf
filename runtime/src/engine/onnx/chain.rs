//! Reads the layers of a network of the family out of its ONNX graph.
//!
//! What `trainer export` writes begins with a chain: convolution, ReLU and max pooling for stem and basic blocks,
//! residual blocks, a mel spectrum in place of the stem. It ends at the first gate or global maximum; of a network
//! without them it ends before the classifier. What lies behind it is a graph of its own, which the library runs as it
//! is. So it does a whole graph that does not begin as its metadata says.

use std::sync::Arc;

use models::arch::{ArchSpec, BlockKind};
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

use super::super::shared::Shape;
use super::inspect;
use super::mel::Mel;
use super::residual::Residual;

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

/// What makes the columns of one level.
#[derive(Clone, Debug)]
pub(super) enum Unit {
    /// A convolution with ReLU and pooling.
    Layer(Arc<Layer>),
    /// A mel spectrum in place of the stem.
    Mel(Arc<Mel>),
    /// A residual block.
    Residual(Arc<Residual>),
}

impl Unit {
    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Layer(layer) => layer.shape,
            Self::Mel(mel) => mel.shape,
            Self::Residual(block) => block.shape,
        }
    }

    /// O.
    pub(super) fn outputs(&self) -> usize {
        match self {
            Self::Layer(layer) => layer.outputs,
            Self::Mel(mel) => mel.outputs(),
            Self::Residual(block) => block.outputs(),
        }
    }

    fn inputs(&self) -> usize {
        match self {
            Self::Layer(layer) => layer.inputs,
            Self::Mel(_) => 1,
            Self::Residual(block) => block.inputs(),
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
    /// The chain that a graph begins with; `None` if that is not the one of `arch`.
    pub(super) fn read(proto: &ModelProto, arch: &ArchSpec) -> Option<Self> {
        let graph = proto.graph.as_ref()?;
        let table = arch.layers().ok()?;
        let mut walk = Walk { graph, value: input(graph)?, next: 0 };
        let levels = arch.shareable_levels();
        // Behind all blocks follows the head.
        let whole = arch.head.levels == 0 && arch.blocks.iter().all(|b| b.kind.gate().is_none());
        let count = if whole { levels + 1 } else { levels };
        let (mut units, mut lens): (Vec<Unit>, Vec<usize>) = (Vec::new(), Vec::new());
        for (index, sizes) in table.layers[..count].iter().enumerate() {
            let block = index.checked_sub(1).and_then(|block| arch.blocks.get(block));
            let unit = match block.map(|block| block.kind) {
                Some(BlockKind::Res1 | BlockKind::Res2) => {
                    Unit::Residual(Arc::new(walk.residual(sizes.in_channels)?))
                }
                None if index == 0 && arch.stem.mel => Unit::Mel(Arc::new(walk.mel()?)),
                _ => Unit::Layer(Arc::new(walk.layer()?)),
            };
            let fits = unit.shape() == Shape::of(arch, index)
                && unit.inputs() == units.last().map_or(1, Unit::outputs)
                && unit.outputs() == sizes.out_channels;
            fits.then_some(())?;
            units.push(unit);
            lens.push(sizes.out_len);
        }
        let rest = walk.rest(proto, [1, units.last()?.outputs(), *lens.last()?])?;
        Some(Self { units, lens, rest })
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
        self.value = self.relu(made)?;
        layer.shape.pool = self.max_pool()?;
        Some(layer)
    }

    /// A mel spectrum: convolution, squares, product with the bands, logarithm.
    fn mel(&mut self) -> Option<Mel> {
        let (waves, parts) = self.convolution(self.value)?;
        let (_, powers) = self.take("Mul", &[parts, parts])?;
        let (bands, energies) = self.convolution(powers)?;
        (_, self.value) = self.take("Log", &[energies])?;
        Mel::new(&waves, &bands)
    }

    /// A residual block with so many channels in.
    fn residual(&mut self, inputs: usize) -> Option<Residual> {
        let input = self.value;
        let (mut last, mut branch) = self.convolution(input)?;
        let mut first = None;
        if self.comes("Relu") {
            let inner = self.relu(branch)?;
            first = Some(last);
            (last, branch) = self.convolution(inner)?;
        }
        let (mut shortcut, mut added) = (None, input);
        if inputs != last.outputs {
            let (layer, made) = self.convolution(input)?;
            (shortcut, added) = (Some(layer), made);
        }
        let (_, sum) = self.take("Add", &[branch, added])?;
        self.value = self.relu(sum)?;
        let pool = self.max_pool()?;
        let mut shape = last.shape;
        if let Some(first) = &first {
            shape.kernel += first.shape.kernel - 1;
            shape.padding.0 += first.shape.padding.0;
            shape.padding.1 += first.shape.padding.1;
        }
        let same = first.iter().chain([&last]).all(|l| l.shape.stride == 1 && l.keeps_length());
        let fits = first.as_ref().is_none_or(|first| first.outputs == last.inputs);
        let point = Shape { kernel: 1, stride: 1, padding: (0, 0), pool: 1 };
        let adds = shortcut.as_ref().is_none_or(|layer: &Layer| {
            layer.shape == point && layer.inputs == inputs && layer.outputs == last.outputs
        });
        (same && fits && adds).then_some(Residual {
            shape: Shape { pool, ..shape },
            first,
            last,
            shortcut,
        })
    }

    fn relu(&mut self, value: &str) -> Option<&'a str> {
        let (node, made) = self.take("Relu", &[value])?;
        node.attribute.is_empty().then_some(made)
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
