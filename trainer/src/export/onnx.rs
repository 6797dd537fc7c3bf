//! The ONNX graph, in the official protobuf schema.
//!
//! Input `waveform`, `[batch, 1, window]`; output `posteriors`, `[batch, classes]`; the batch is
//! dynamic. Operators: Conv, Relu, MaxPool, Flatten, Gemm, and Softmax or Sigmoid; of gates `GlobalAveragePool`, Sigmoid
//! and Mul, of shortcuts Add, of the multi-level head `GlobalMaxPool` and Concat, of a mel spectrum Conv, Mul and Log.

use models::arch::{Activation, LayerName, Node, Op, Part, Task};
use models::meta::ModelMeta;
use prost::Message as _;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto, type_proto,
};

use super::fold::{Folded, Weights};
use crate::net::{FLOOR, Mel};

/// Operator set of the graph.
const OPSET: i64 = 17;
/// Version of the file format that goes with it.
const IR_VERSION: i64 = 8;

/// The model as the bytes of an ONNX file.
#[must_use]
pub fn encode(folded: &Folded, meta: &ModelMeta) -> Vec<u8> {
    let mut graph = Graph::default();
    let mut outputs: Vec<String> = Vec::with_capacity(folded.nodes.len());
    for (node, weights) in &folded.nodes {
        let read = node.operands.iter().map(|operand| outputs[*operand].as_str());
        let operands: Vec<&str> =
            if outputs.is_empty() { vec!["waveform"] } else { read.collect() };
        let output = match (node.layer, weights) {
            (LayerName::Classifier, Some(weights)) => {
                graph.classifier(operands[0], weights, meta.arch.task)
            }
            (_, Some(weights)) => graph.convolution(node, operands[0], weights),
            (_, None) => graph.operation(node, &operands),
        };
        outputs.push(output);
    }
    model(graph, meta).encode_to_vec()
}

/// The name that a node's parts have in common.
pub(super) fn name(node: &Node) -> String {
    let layer = match node.layer {
        LayerName::Block(number) => format!("block{number}"),
        layer => layer.to_string(),
    };
    match node.part {
        Part::Conv | Part::Mel => layer,
        part => format!("{layer}.{}", part.name()),
    }
}

pub(super) fn model(graph: Graph, meta: &ModelMeta) -> ModelProto {
    let window = i64::from(meta.arch.window);
    let classes = i64::from(meta.arch.classes);
    let properties = meta.to_properties().into_iter();
    ModelProto {
        ir_version: IR_VERSION,
        producer_name: "auricle-trainer".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        graph: Some(GraphProto {
            name: meta.preset.clone(),
            node: graph.nodes,
            initializer: graph.tensors,
            input: vec![float_value("waveform", &[None, Some(1), Some(window)])],
            output: vec![float_value("posteriors", &[None, Some(classes)])],
            ..GraphProto::default()
        }),
        metadata_props: properties
            .map(|(key, value)| StringStringEntryProto { key, value })
            .collect(),
        ..ModelProto::default()
    }
}

/// A graph in the making.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<NodeProto>,
    tensors: Vec<TensorProto>,
    /// Stands before the names of what is added.
    prefix: String,
}

impl Graph {
    /// From now on names begin with this.
    pub(super) fn set_prefix(&mut self, prefix: &str) {
        prefix.clone_into(&mut self.prefix);
    }

    /// The name under which something is added.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Adds a convolution with what follows it, and returns the name of the output.
    pub(super) fn convolution(&mut self, node: &Node, input: &str, weights: &Weights) -> String {
        let Op::Conv { kernel, stride, padding: (before, after), activation, pool, .. } = node.op
        else {
            unreachable!("only convolutions have weights")
        };
        let name = name(node);
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        self.tensor(&weight, &weights.shape, &weights.weight);
        self.tensor(&bias, &[weights.shape[0]], &weights.bias);
        let attributes = vec![
            ints("kernel_shape", &[kernel]),
            ints("strides", &[stride]),
            ints("pads", &[before, after]),
        ];
        let (weight, bias) = (self.name(&weight), self.name(&bias));
        let inputs = [input, weight.as_str(), bias.as_str()];
        let conv = self.node("Conv", &format!("{name}.conv"), &inputs, attributes);
        let activated = match activation {
            Activation::None => conv,
            Activation::Relu => self.node("Relu", &format!("{name}.relu"), &[&conv], vec![]),
            Activation::Sigmoid => {
                self.node("Sigmoid", &format!("{name}.sigmoid"), &[&conv], vec![])
            }
        };
        self.max_pool(&name, activated, pool)
    }

    /// Adds an operation without weights, and returns the name of its output.
    pub(super) fn operation(&mut self, node: &Node, operands: &[&str]) -> String {
        let name = name(node);
        match node.op {
            Op::Conv { .. } => unreachable!("convolutions have weights"),
            Op::Mel { .. } => {
                let mel = Mel::of(node).expect("the node is a mel spectrum");
                self.mel(&mel, &name, operands[0])
            }
            Op::Mean => self.node("GlobalAveragePool", &name, operands, vec![]),
            Op::Join { gated, residual, relu, pool } => {
                let (first, others) = operands.split_at(1);
                let mut value = first[0].to_owned();
                let mut others = others.iter();
                if let Some(gate) = others.next().filter(|_| gated) {
                    value = self.node("Mul", &format!("{name}.gated"), &[&value, gate], vec![]);
                }
                if residual {
                    let shortcut = operands[operands.len() - 1];
                    value = self.node("Add", &format!("{name}.add"), &[&value, shortcut], vec![]);
                }
                if relu {
                    value = self.node("Relu", &format!("{name}.relu"), &[&value], vec![]);
                }
                self.max_pool(&name, value, pool)
            }
            Op::Peaks => {
                let peak = |(index, level): (usize, &&str)| {
                    self.node("GlobalMaxPool", &format!("{name}.{index}"), &[level], vec![])
                };
                let peaks: Vec<String> = operands.iter().enumerate().map(peak).collect();
                let peaks: Vec<&str> = peaks.iter().map(String::as_str).collect();
                self.node("Concat", &name, &peaks, vec![int("axis", 1)])
            }
        }
    }

    /// Adds a mel spectrum: a convolution with waves, the squares, a product with the bands, and the logarithm.
    fn mel(&mut self, mel: &Mel, name: &str, input: &str) -> String {
        let [waves, zeros, bands, floor] =
            ["waves", "zeros", "bands", "floor"].map(|part| format!("{name}.{part}"));
        self.tensor(&waves, &[mel.parts(), 1, mel.kernel], &mel.waves);
        self.tensor(&zeros, &[mel.parts()], &vec![0.0; mel.parts()]);
        self.tensor(&bands, &[mel.channels, mel.parts(), 1], &mel.bands);
        self.tensor(&floor, &[mel.channels], &vec![FLOOR; mel.channels]);
        let [waves, zeros, bands, floor] =
            [waves, zeros, bands, floor].map(|part| self.name(&part));
        let convolution = |kernel, stride| {
            vec![ints("kernel_shape", &[kernel]), ints("strides", &[stride]), ints("pads", &[0, 0])]
        };
        let attributes = convolution(mel.kernel, mel.stride);
        let parts =
            self.node("Conv", &format!("{name}.parts"), &[input, &waves, &zeros], attributes);
        let power = self.node("Mul", &format!("{name}.power"), &[&parts, &parts], vec![]);
        let attributes = convolution(1, 1);
        let energy = format!("{name}.energy");
        let energy = self.node("Conv", &energy, &[&power, &bands, &floor], attributes);
        self.node("Log", &format!("{name}.log"), &[&energy], vec![])
    }

    fn max_pool(&mut self, name: &str, value: String, pool: usize) -> String {
        if pool == 1 {
            return value;
        }
        let attributes = vec![ints("kernel_shape", &[pool]), ints("strides", &[pool])];
        self.node("MaxPool", &format!("{name}.pool"), &[&value], attributes)
    }

    fn classifier(&mut self, input: &str, weights: &Weights, task: Task) -> String {
        let [classes, inputs, columns] = weights.shape;
        let features = inputs * columns;
        let by_feature = (0..features * classes)
            .map(|index| weights.weight[index % classes * features + index / classes]);
        let by_feature: Vec<f32> = by_feature.collect();
        let flat = self.node("Flatten", "flatten", &[input], vec![int("axis", 1)]);
        self.tensor("classifier.weight", &[features, classes], &by_feature);
        self.tensor("classifier.bias", &[classes], &weights.bias);
        let inputs = [flat.as_str(), "classifier.weight", "classifier.bias"];
        let logits = self.node("Gemm", "classifier", &inputs, vec![]);
        match task {
            Task::MultiClass => {
                self.node("Softmax", "posteriors", &[&logits], vec![int("axis", -1)])
            }
            Task::MultiLabel => self.node("Sigmoid", "posteriors", &[&logits], vec![]),
        }
    }

    /// Adds a node that is called like its only output, and returns that name.
    pub(super) fn node(
        &mut self,
        op_type: &str,
        name: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> String {
        let name = self.name(name);
        self.nodes.push(NodeProto {
            op_type: op_type.to_owned(),
            name: name.clone(),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![name.clone()],
            attribute,
            ..NodeProto::default()
        });
        name
    }

    pub(super) fn tensor(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, shape, DataType::Float, bytes);
    }

    /// One axis of integers.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, &[values.len()], DataType::Int64, bytes);
    }

    fn constant(&mut self, name: &str, shape: &[usize], data_type: DataType, bytes: Vec<u8>) {
        self.tensors.push(TensorProto {
            name: self.name(name),
            dims: shape.iter().map(|dim| *dim as i64).collect(),
            data_type: data_type.into(),
            raw_data: bytes,
            ..TensorProto::default()
        });
    }
}

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: attribute_proto::AttributeType::Int.into(),
        i: value,
        ..AttributeProto::default()
    }
}

pub(super) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: attribute_proto::AttributeType::Ints.into(),
        ints: values.iter().map(|value| *value as i64).collect(),
        ..AttributeProto::default()
    }
}

/// An f32 value; dimensions without a number are called `batch`.
fn float_value(name: &str, dims: &[Option<i64>]) -> ValueInfoProto {
    let dim = |dim: &Option<i64>| Dimension {
        value: Some(match dim {
            Some(number) => dimension::Value::DimValue(*number),
            None => dimension::Value::DimParam("batch".to_owned()),
        }),
        ..Dimension::default()
    };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: DataType::Float.into(), shape: Some(shape) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}
