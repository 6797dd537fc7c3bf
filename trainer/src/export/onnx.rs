//! The ONNX graph, in the official protobuf schema.
//!
//! Input `waveform`, `[batch, 1, window]`; output `posteriors`, `[batch, classes]`; the batch is
//! dynamic. Operators: Conv, Relu, MaxPool, Flatten, Gemm, Softmax.

use models::meta::ModelMeta;
use prost::Message as _;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto, type_proto,
};

use super::fold::{Folded, FoldedLayer};

/// Operator set of the graph.
const OPSET: i64 = 17;
/// Version of the file format that goes with it.
const IR_VERSION: i64 = 8;

/// The model as the bytes of an ONNX file.
#[must_use]
pub fn encode(folded: &Folded, meta: &ModelMeta) -> Vec<u8> {
    let mut graph = Graph::default();
    let mut value = "waveform".to_owned();
    let last = folded.layers.len() - 1;
    for (index, layer) in folded.layers.iter().enumerate() {
        let name = match index {
            0 => "stem".to_owned(),
            _ if index == last => "head".to_owned(),
            _ => format!("block{index}"),
        };
        value = graph.layer(&name, &value, layer);
    }
    value = graph.node("Flatten", "flatten", &[&value], vec![int("axis", 1)]);
    let [features, classes] = folded.shape;
    graph.tensor("classifier.weight", &[features, classes], &folded.weight);
    graph.tensor("classifier.bias", &[classes], &folded.bias);
    let inputs = [value.as_str(), "classifier.weight", "classifier.bias"];
    value = graph.node("Gemm", "classifier", &inputs, vec![]);
    graph.node("Softmax", "posteriors", &[&value], vec![int("axis", -1)]);
    model(graph, meta).encode_to_vec()
}

fn model(graph: Graph, meta: &ModelMeta) -> ModelProto {
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

#[derive(Default)]
struct Graph {
    nodes: Vec<NodeProto>,
    tensors: Vec<TensorProto>,
}

impl Graph {
    /// Adds convolution, ReLU and (if any) pooling, and returns the name of their output.
    fn layer(&mut self, name: &str, input: &str, layer: &FoldedLayer) -> String {
        let geometry = layer.geometry;
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        self.tensor(&weight, &layer.shape, &layer.weight);
        self.tensor(&bias, &[layer.shape[0]], &layer.bias);
        let (before, after) = geometry.padding;
        let attributes = vec![
            ints("kernel_shape", &[geometry.kernel]),
            ints("strides", &[geometry.stride]),
            ints("pads", &[before, after]),
        ];
        let inputs = [input, weight.as_str(), bias.as_str()];
        let conv = self.node("Conv", &format!("{name}.conv"), &inputs, attributes);
        let relu = self.node("Relu", &format!("{name}.relu"), &[&conv], vec![]);
        if geometry.pool == 1 {
            return relu;
        }
        let attributes =
            vec![ints("kernel_shape", &[geometry.pool]), ints("strides", &[geometry.pool])];
        self.node("MaxPool", &format!("{name}.pool"), &[&relu], attributes)
    }

    /// Adds a node that is called like its only output.
    fn node(
        &mut self,
        op_type: &str,
        name: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> String {
        self.nodes.push(NodeProto {
            op_type: op_type.to_owned(),
            name: name.to_owned(),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![name.to_owned()],
            attribute,
            ..NodeProto::default()
        });
        name.to_owned()
    }

    fn tensor(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        self.tensors.push(TensorProto {
            name: name.to_owned(),
            dims: shape.iter().map(|dim| *dim as i64).collect(),
            data_type: DataType::Float.into(),
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
    }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: attribute_proto::AttributeType::Int.into(),
        i: value,
        ..AttributeProto::default()
    }
}

fn ints(name: &str, values: &[usize]) -> AttributeProto {
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
