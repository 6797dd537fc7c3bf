//! A tiny model that tells low tones, high tones and silence apart.
//!
//! Two fixed filters (an average of 8 neighbours, a difference of neighbours), the mean of their
//! rectified outputs, a linear layer and a softmax.

use models::arch::preset;
use models::meta::{DecisionDefaults, ModelMeta, Provenance, SILENCE};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    attribute_proto::AttributeType,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};

/// Taps of the two filters.
const TAPS: i64 = 8;

/// Metadata of the model: 16 kHz, windows of 1024 samples, classes low, high and silence.
pub(crate) fn tiny_meta() -> ModelMeta {
    let labels: Vec<String> = ["low", "high", SILENCE].map(str::to_owned).into();
    let mut decision = DecisionDefaults::for_labels(&labels, 16_000);
    (decision.hop, decision.smoothing, decision.suppression) = (400, 2, 3200);
    ModelMeta {
        preset: "2^9".to_owned(),
        arch: preset("2^9", 3).expect("the name is of the general family"),
        labels,
        decision,
        provenance: Provenance::default(),
    }
}

/// The model as ONNX.
pub(crate) fn tiny_proto(meta: &ModelMeta) -> ModelProto {
    let window = i64::from(meta.arch.window);
    let average = [1.0 / 8.0; 8];
    let difference = [0.0, 0.0, 0.0, 0.5, -0.5, 0.0, 0.0, 0.0];
    let filters = [average, difference].concat();
    // Rows: low, high, silence; columns: mean of the average filter, of the difference filter.
    let rows = [40.0, -20.0, -20.0, 40.0, -40.0, -40.0];
    let graph = GraphProto {
        name: "tiny".to_owned(),
        node: vec![
            node("Conv", &["waveform", "filters"], "filtered", vec![ints("kernel_shape", &[TAPS])]),
            node("Relu", &["filtered"], "rectified", vec![]),
            node("GlobalAveragePool", &["rectified"], "means", vec![]),
            node("Flatten", &["means"], "features", vec![int("axis", 1)]),
            node("Gemm", &["features", "rows", "bias"], "logits", vec![int("transB", 1)]),
            node("Softmax", &["logits"], "posteriors", vec![int("axis", 1)]),
        ],
        initializer: vec![
            weights("filters", &[2, 1, TAPS], &filters),
            weights("rows", &[3, 2], &rows),
            weights("bias", &[3], &[0.0, 0.0, 2.0]),
        ],
        input: vec![value("waveform", [None, Some(1), Some(window)].into())],
        output: vec![value("posteriors", [None, Some(3)].into())],
        ..GraphProto::default()
    };
    let property = |(key, value)| StringStringEntryProto { key, value };
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        producer_name: "tiny".to_owned(),
        graph: Some(graph),
        metadata_props: meta.to_properties().into_iter().map(property).collect(),
        ..ModelProto::default()
    }
}

/// A classifier of `[1, C, T]` as ONNX, its weights `[C·T, classes]`.
#[allow(dead_code, reason = "only the unit tests look into networks")]
pub(crate) fn classifier_proto(shape: [usize; 3], classes: usize, rows: &[f32]) -> ModelProto {
    let features = (shape[1] * shape[2]) as i64;
    let graph = GraphProto {
        name: "classifier".to_owned(),
        node: vec![
            node("Flatten", &["head"], "features", vec![int("axis", 1)]),
            node("Gemm", &["features", "rows"], "logits", vec![]),
            node("Softmax", &["logits"], "posteriors", vec![int("axis", 1)]),
        ],
        initializer: vec![weights("rows", &[features, classes as i64], rows)],
        input: vec![value("head", shape.map(|dim| Some(dim as i64)).into())],
        output: vec![value("posteriors", [Some(1), Some(classes as i64)].into())],
        ..GraphProto::default()
    };
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

/// A sine of half the full scale at 16 kHz.
pub(crate) fn tone(frequency_hz: f32, samples: usize) -> Vec<f32> {
    let step = std::f32::consts::TAU * frequency_hz / 16_000.0;
    (0..samples).map(|index| 0.5 * (step * index as f32).sin()).collect()
}

pub(crate) fn node(
    op: &str,
    inputs: &[&str],
    output: &str,
    attribute: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        name: output.to_owned(),
        op_type: op.to_owned(),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute,
        ..NodeProto::default()
    }
}

pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    let r#type = AttributeType::Int as i32;
    AttributeProto { name: name.to_owned(), r#type, i, ..AttributeProto::default() }
}

pub(crate) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    let (r#type, ints) = (AttributeType::Ints as i32, ints.to_vec());
    AttributeProto { name: name.to_owned(), r#type, ints, ..AttributeProto::default() }
}

pub(crate) fn weights(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        float_data: values.to_vec(),
        ..TensorProto::default()
    }
}

fn value(name: &str, dims: Vec<Option<i64>>) -> ValueInfoProto {
    let symbolic = || dimension::Value::DimParam("batch".to_owned());
    let dim = dims.into_iter().map(|dim| Dimension {
        denotation: String::new(),
        value: Some(dim.map_or_else(symbolic, dimension::Value::DimValue)),
    });
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto { dim: dim.collect() }),
    };
    let value = Some(type_proto::Value::TensorType(tensor));
    let r#type = Some(TypeProto { denotation: String::new(), value });
    ValueInfoProto { name: name.to_owned(), r#type, doc_string: String::new() }
}
