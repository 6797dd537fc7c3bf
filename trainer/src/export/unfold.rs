//! The way back: a network from the ONNX file that it was written to.
//!
//! Batch norms were folded into their convolutions; here each becomes one that changes nothing, so that the network
//! computes what the file does.

use burn::module::Param;
use burn::tensor::{Device, TensorData};
use models::arch::{ArchSpec, LayerName, Op};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto};

use super::onnx::name;
use crate::kernel::EPSILON;
use crate::net::{Compute, Layer, Linear, Network};

/// The network of an ONNX file of architecture `arch`.
///
/// # Errors
/// What the file lacks that `trainer export` writes.
pub fn unfold(proto: &ModelProto, arch: &ArchSpec, compute: &Compute) -> Result<Network, String> {
    let graph = proto.graph.as_ref().ok_or("it has no graph")?;
    let mut net = Network::new(arch, 0, compute).map_err(|error| error.to_string())?;
    let device = compute.training_device();
    let (mut layers, mut gates) = (Vec::new(), Vec::new());
    for node in net.nodes() {
        let Op::Conv { kernel, norm, .. } = node.op else { continue };
        let (name, [outputs, inputs]) = (name(node), [node.out_channels, node.in_channels]);
        let read = |what: &str, shape: &[usize]| values(graph, &format!("{name}.{what}"), shape);
        if node.layer == LayerName::Classifier {
            let features = inputs * kernel;
            let weight =
                TensorData::new(read("weight", &[features, outputs])?, [features, outputs]);
            let bias = TensorData::new(read("bias", &[outputs])?, [outputs]);
            net.weight = Param::from_data(weight, &device);
            net.bias = Param::from_data(bias, &device);
            break;
        }
        let weight = read("weight", &[outputs, inputs, kernel])?;
        let bias = TensorData::new(read("bias", &[outputs])?, [outputs]);
        if norm {
            let filters = TensorData::new(weight, [outputs, inputs, kernel]);
            let geometry = net.layers[layers.len()].geometry();
            let layer = Layer::new(filters, geometry, &device);
            layers.push(without_effect(layer, bias, outputs, &device));
        } else {
            let at = |index: usize| weight[index % outputs * inputs + index / outputs];
            let transposed = (0..inputs * outputs).map(at).collect();
            let mut gate = Linear::new(TensorData::new(transposed, [inputs, outputs]), &device);
            gate.bias = Param::from_data(bias, &device);
            gates.push(gate);
        }
    }
    net.layers = layers;
    net.gates = gates;
    Ok(net)
}

/// A layer with this bias and a batch norm that changes nothing.
fn without_effect(mut layer: Layer, bias: TensorData, channels: usize, device: &Device) -> Layer {
    let variance = TensorData::new(vec![1.0 - EPSILON; channels], [channels]);
    layer.bias = Param::from_data(bias, device);
    layer.variance = Param::from_data(variance, device).set_require_grad(false);
    layer
}

fn values(graph: &GraphProto, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let found = graph.initializer.iter().find(|tensor| tensor.name == name);
    let tensor = found.ok_or_else(|| format!("it has no weights `{name}`"))?;
    let TensorProto { dims, data_type, raw_data, .. } = tensor;
    let fits = dims.iter().map(|dim| usize::try_from(*dim).ok()).eq(shape.iter().map(|d| Some(*d)));
    let (words, rest) = raw_data.as_chunks::<4>();
    let count: usize = shape.iter().product();
    if !fits || *data_type != DataType::Float as i32 || words.len() != count || !rest.is_empty() {
        return Err(format!("its weights `{name}` have another shape"));
    }
    Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}
