//! Checks of an ONNX file before the inference library sees it.
//!
//! A file is untrusted. The checks bound what it can make the library do: only operators of
//! feed-forward networks, whose outputs grow with their inputs and not with numbers in the file;
//! no nested graphs; no other files; no tensor that claims another size than it has.

use models::meta::ModelMeta;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto,
    tensor_proto::{DataLocation, DataType},
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};

use super::guard::one_line;

/// Operators of feed-forward networks, those of this family and of usual variations.
const OPERATORS: &[&str] = &[
    "Abs",
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "Div",
    "Dropout",
    "Elu",
    "Exp",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "MatMul",
    "MaxPool",
    "Mul",
    "Neg",
    "PRelu",
    "Pow",
    "ReduceMax",
    "ReduceMean",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Shape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Tanh",
    "Transpose",
    "Unsqueeze",
];

/// Largest integer attribute (kernel, stride, padding, group): the largest window of the family.
const MAX_ATTRIBUTE: u64 = 1 << 24;

/// Why a file is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It cannot be run.
    Refused(String),
    /// It contradicts its metadata.
    Mismatch(String),
}

fn refused<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Refused(reason.into()))
}

/// Checks `proto` and fixes its input to one window of the length in `meta`.
pub(super) fn prepare(proto: &mut ModelProto, meta: &ModelMeta) -> Result<(), Fault> {
    let Some(graph) = &mut proto.graph else {
        return refused("it has no graph");
    };
    check_nodes(graph)?;
    for tensor in &graph.initializer {
        check_tensor(tensor)?;
    }
    if !graph.sparse_initializer.is_empty() {
        return refused("sparse weights are not supported");
    }
    // Shapes that the file claims for inner tensors are hints at best.
    graph.value_info.clear();
    check_output(graph)?;
    fix_input(graph, meta.arch.window)
}

fn check_nodes(graph: &GraphProto) -> Result<(), Fault> {
    for node in &graph.node {
        let known = OPERATORS.contains(&node.op_type.as_str());
        if !known || !matches!(node.domain.as_str(), "" | "ai.onnx") {
            let name = one_line(&node.op_type);
            return refused(format!("operator `{name}` is not supported"));
        }
        for attribute in &node.attribute {
            check_attribute(node, attribute)?;
        }
    }
    Ok(())
}

fn check_attribute(node: &NodeProto, attribute: &AttributeProto) -> Result<(), Fault> {
    let AttributeProto { name, i, ints, t, g, tensors, graphs, .. } = attribute;
    if g.is_some() || !graphs.is_empty() || !tensors.is_empty() {
        return refused(format!("operator `{}` has a nested graph", node.op_type));
    }
    if attribute.sparse_tensor.is_some() || !attribute.sparse_tensors.is_empty() {
        return refused(format!("operator `{}` has a sparse tensor", node.op_type));
    }
    if let Some(tensor) = t {
        check_tensor(tensor)?;
    }
    let volume = ints.iter().fold(1_u64, |product, value| {
        product.saturating_mul(if name == "kernel_shape" { value.unsigned_abs() } else { 1 })
    });
    let largest = ints.iter().chain([i]).map(|value| value.unsigned_abs()).max();
    if volume.max(largest.unwrap_or(0)) > MAX_ATTRIBUTE {
        return refused(format!("operator `{}` has an absurd attribute", node.op_type));
    }
    Ok(())
}

/// Compares the size that a tensor claims with the data that it has.
fn check_tensor(tensor: &TensorProto) -> Result<(), Fault> {
    let name = one_line(&tensor.name);
    if tensor.data_location == Some(DataLocation::External as i32) {
        return refused(format!("weights `{name}` are in another file"));
    }
    let (element_bytes, stored) = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) => (4, tensor.float_data.len()),
        Ok(DataType::Double) => (8, tensor.double_data.len()),
        Ok(DataType::Int64) => (8, tensor.int64_data.len()),
        Ok(DataType::Int32) => (4, tensor.int32_data.len()),
        Ok(DataType::Bool) => (1, tensor.int32_data.len()),
        _ => return refused(format!("weights `{name}` are of an unsupported type")),
    };
    let claimed = tensor.dims.iter().try_fold(1_usize, |product, dim| {
        usize::try_from(*dim).ok().and_then(|dim| product.checked_mul(dim))
    });
    let raw = tensor.raw_data.len();
    let fits = |count: usize| match raw {
        0 => count == stored,
        _ => stored == 0 && count.checked_mul(element_bytes) == Some(raw),
    };
    match claimed.is_some_and(fits) {
        true => Ok(()),
        false => refused(format!("weights `{name}` are damaged")),
    }
}

fn check_output(graph: &GraphProto) -> Result<(), Fault> {
    let [output] = graph.output.as_slice() else {
        return refused(format!("it has {} outputs, not one", graph.output.len()));
    };
    let mut made = graph.node.iter().flat_map(|node| &node.output);
    match made.any(|name| *name == output.name) {
        true => Ok(()),
        false => refused("nothing computes its output"),
    }
}

fn fix_input(graph: &mut GraphProto, window: u32) -> Result<(), Fault> {
    let GraphProto { input, initializer, .. } = graph;
    let is_weight = |name: &str| initializer.iter().any(|tensor| tensor.name == name);
    let mut inputs = input.iter_mut().filter(|input| !is_weight(&input.name));
    let (Some(waveform), None) = (inputs.next(), inputs.next()) else {
        return refused("it has not exactly one input");
    };
    let Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), .. }) =
        &mut waveform.r#type
    else {
        return refused("its input has no type");
    };
    if tensor.elem_type != DataType::Float as i32 {
        return refused("its input is not of 32-bit floats");
    }
    let dims = tensor.shape.as_ref().map_or(&[] as &[_], |shape| shape.dim.as_slice());
    check_input_shape(dims, window).map_err(Fault::Mismatch)?;
    tensor.shape = Some(shape([1, 1, i64::from(window)]));
    Ok(())
}

/// Gives a tensor value another shape; `None` if it is no tensor.
pub(super) fn set_shape(value: &mut ValueInfoProto, dims: [i64; 3]) -> Option<()> {
    let type_proto::Value::TensorType(tensor) = value.r#type.as_mut()?.value.as_mut()?;
    tensor.shape = Some(shape(dims));
    Some(())
}

fn shape(dims: [i64; 3]) -> TensorShapeProto {
    let dim = dims.map(|value| Dimension {
        denotation: String::new(),
        value: Some(dimension::Value::DimValue(value)),
    });
    TensorShapeProto { dim: dim.into() }
}

/// Compares the shape that the file gives its input with `[batch, 1, window]`.
fn check_input_shape(dims: &[Dimension], window: u32) -> Result<(), String> {
    let fixed = |dim: &Dimension| match dim.value {
        Some(dimension::Value::DimValue(value)) => Some(value),
        _ => None,
    };
    let [_, channels, samples] = dims else {
        return Err(format!("its input has {} axes, not batch, 1, window", dims.len()));
    };
    if let Some(channels) = fixed(channels).filter(|channels| *channels != 1) {
        return Err(format!("it takes {channels} channels, not one"));
    }
    match fixed(samples).filter(|samples| *samples != i64::from(window)) {
        Some(samples) => Err(format!("it takes {samples} samples, the metadata says {window}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny_model::{tiny_meta, tiny_proto};

    fn fault(change: impl FnOnce(&mut GraphProto)) -> Fault {
        let mut proto = tiny_proto(&tiny_meta());
        change(proto.graph.as_mut().unwrap());
        prepare(&mut proto, &tiny_meta()).unwrap_err()
    }

    fn refusal(change: impl FnOnce(&mut GraphProto)) -> String {
        match fault(change) {
            Fault::Refused(reason) => reason,
            Fault::Mismatch(what) => panic!("{what}"),
        }
    }

    #[test]
    fn the_input_is_fixed_to_one_window() {
        let meta = tiny_meta();
        let mut proto = tiny_proto(&meta);
        prepare(&mut proto, &meta).unwrap();
        let input = format!("{:?}", proto.graph.unwrap().input[0]);
        assert!(input.contains(&format!("DimValue({})", meta.arch.window)), "{input}");
        assert!(!input.contains("DimParam"), "{input}");
    }

    #[test]
    fn what_no_network_of_the_family_has_is_refused() {
        let reason = refusal(|graph| graph.node[0].op_type = "Loop".into());
        assert_eq!(reason, "operator `Loop` is not supported");
        let reason = refusal(|graph| graph.node[0].attribute[0].g = Some(GraphProto::default()));
        assert!(reason.ends_with("has a nested graph"), "{reason}");
        let reason = refusal(|graph| graph.node[0].attribute[0].ints = vec![1 << 40]);
        assert!(reason.ends_with("has an absurd attribute"), "{reason}");
        let reason = refusal(|graph| graph.output.clear());
        assert_eq!(reason, "it has 0 outputs, not one");
        let reason = refusal(|graph| graph.output[0].name.push('x'));
        assert_eq!(reason, "nothing computes its output");
        let reason = refusal(|graph| graph.input.clear());
        assert_eq!(reason, "it has not exactly one input");
        let reason = refusal(|graph| graph.input[0].r#type = None);
        assert_eq!(reason, "its input has no type");
    }

    #[test]
    fn weights_must_have_the_size_they_claim() {
        for dims in [vec![-1], vec![i64::MAX, i64::MAX], vec![3]] {
            let reason = refusal(|graph| graph.initializer[0].dims = dims);
            assert!(reason.ends_with("are damaged"), "{reason}");
        }
        let reason = refusal(|graph| {
            graph.initializer[0].data_location = Some(DataLocation::External as i32);
        });
        assert!(reason.ends_with("are in another file"), "{reason}");
    }

    #[test]
    fn a_window_of_another_length_contradicts_the_metadata() {
        let mut meta = tiny_meta();
        let mut proto = tiny_proto(&meta);
        meta.arch.window += 1;
        let fault = prepare(&mut proto, &meta).unwrap_err();
        let Fault::Mismatch(what) = fault else { panic!("{fault:?}") };
        assert!(what.starts_with("it takes "), "{what}");
    }
}
