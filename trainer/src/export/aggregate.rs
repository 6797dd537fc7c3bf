//! Networks, the pooling of their levels and a classifier on it, as one ONNX file.
//!
//! The input is a batch of whole clips, `[N, 1, samples]`. For each network they are cut into segments, which the network
//! sees as a batch of `S N`, all clips' first segments first; of each level follow the maximum over time, the mean over
//! the segments and the concatenation of all.

use models::arch::Task;
use models::meta::ModelMeta;
use prost::Message as _;

use super::fold::fold;
use super::onnx::{Graph, int, ints, model};
use crate::features::head::Head;
use crate::features::levels;
use crate::net::Network;
use models::stream::segment_starts;

/// What stands in the metadata in the place of a preset's name.
pub const PRESET: &str = "features";

/// A network of the model.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The network, for inference.
    pub net: &'a Network,
    /// Samples of its window.
    pub window: usize,
}

/// The model as the bytes of an ONNX file. Its clips are as long as the window of `meta`.
#[must_use]
pub fn encode(members: &[Member<'_>], head: &Head, meta: &ModelMeta) -> Vec<u8> {
    let mut graph = Graph::default();
    let mut pooled = Vec::new();
    for (index, member) in members.iter().enumerate() {
        graph.set_prefix(&format!("network{}.", index + 1));
        pooled.extend(network(&mut graph, member, meta.arch.window as usize));
    }
    graph.set_prefix("");
    let parts: Vec<&str> = pooled.iter().map(String::as_str).collect();
    let mut value = graph.node("Concat", "features", &parts, vec![int("axis", 1)]);
    for (index, layer) in head.layers.iter().enumerate() {
        if index > 0 {
            value = graph.node("Relu", &format!("head{index}.relu"), &[&value], vec![]);
        }
        let (weight, bias) = (format!("head{index}.weight"), format!("head{index}.bias"));
        let outputs = layer.bias.len();
        graph.tensor(&weight, &[layer.weight.len() / outputs, outputs], &layer.weight);
        graph.tensor(&bias, &[outputs], &layer.bias);
        value = graph.node("Gemm", &format!("head{index}"), &[&value, &weight, &bias], vec![]);
    }
    let (operator, attributes) = match meta.arch.task {
        Task::MultiClass => ("Softmax", vec![int("axis", -1)]),
        Task::MultiLabel => ("Sigmoid", vec![]),
    };
    graph.node(operator, "posteriors", &[&value], attributes);
    model(graph, meta).encode_to_vec()
}

/// Adds a network, and returns the names of its levels' pooled outputs, `[N, C]`.
fn network(graph: &mut Graph, member: &Member<'_>, length: usize) -> Vec<String> {
    let input = segments(graph, length, member.window);
    let folded = fold(member.net);
    let wanted = levels(member.net.nodes());
    let mut outputs: Vec<String> = Vec::new();
    for (node, weights) in folded.nodes.iter().take(wanted.last().map_or(0, |last| last + 1)) {
        let read = node.operands.iter().map(|operand| outputs[*operand].as_str());
        let operands: Vec<&str> = if outputs.is_empty() { vec![&input] } else { read.collect() };
        let output = match weights {
            Some(weights) => graph.convolution(node, operands[0], weights),
            None => graph.operation(node, &operands),
        };
        outputs.push(output);
    }
    let count = segment_starts(length, member.window).count() as i64;
    let pool = |(number, level): (usize, &usize)| {
        let name = format!("level{number}");
        let peak = graph.node("GlobalMaxPool", &format!("{name}.max"), &[&outputs[*level]], vec![]);
        let shape = format!("{name}.shape");
        graph.integers(&shape, &[count, -1, folded.nodes[*level].0.out_channels as i64]);
        let shape = graph.name(&shape);
        let rows = graph.node("Reshape", &format!("{name}.segments"), &[&peak, &shape], vec![]);
        let attributes = vec![ints("axes", &[0]), int("keepdims", 0)];
        graph.node("ReduceMean", &format!("{name}.mean"), &[&rows], attributes)
    };
    wanted.iter().enumerate().map(pool).collect()
}

/// The segments of the clips, `[S N, 1, window]`. Clips are at least as long as the window.
fn segments(graph: &mut Graph, length: usize, window: usize) -> String {
    let clip = "waveform";
    let starts: Vec<usize> = segment_starts(length, window).collect();
    if length == window {
        // The runtime cuts off what a graph begins with if that is a network as described; here others read the input, too.
        return graph.node("Identity", "segment", &[clip], vec![]);
    }
    graph.integers("axis", &[2]);
    let axis = graph.name("axis");
    let cut = |start: &usize| {
        let (from, to) = (format!("from{start}"), format!("to{start}"));
        graph.integers(&from, &[*start as i64]);
        graph.integers(&to, &[(*start + window) as i64]);
        let (from, to) = (graph.name(&from), graph.name(&to));
        graph.node("Slice", &format!("segment{start}"), &[clip, &from, &to, &axis], vec![])
    };
    let cuts: Vec<String> = starts.iter().map(cut).collect();
    let cuts: Vec<&str> = cuts.iter().map(String::as_str).collect();
    graph.node("Concat", "segments", &cuts, vec![int("axis", 0)])
}

#[cfg(test)]
mod tests {
    use burn::module::Module as _;
    use burn::tensor::{Tensor, TensorData};
    use models::arch::{ArchSpec, preset};
    use models::meta::{DecisionDefaults, Provenance};
    use rand::RngExt as _;

    use super::*;
    use crate::draw;
    use crate::export::check;
    use crate::features::head::Dense;
    use crate::features::pooled;
    use crate::net::{Compute, Dropout};

    #[test]
    fn the_file_computes_what_the_features_say() {
        let compute = Compute::cpu();
        let mut rng = draw::rng(1, "aggregate", &[]);
        let mut random =
            |count| -> Vec<f32> { (0..count).map(|_| rng.random_range(-0.7..0.7f32)).collect() };
        let arches = [
            preset("nano", 2).unwrap(),
            preset("rese-nano", 2).unwrap(),
            preset("3^6", 2).unwrap(),
            preset("melcnn-speech", 2).unwrap(),
        ];
        let nets: Vec<Network> = arches
            .iter()
            .map(|arch| {
                let window = arch.window as usize;
                let net = Network::new(arch, 5, &compute).unwrap();
                let x = TensorData::new(random(2 * window), [2, window]);
                let x = Tensor::from_data(x, &compute.training_device());
                let (_, statistics) = net.forward_train(x, &Dropout::NONE, &compute);
                net.with_statistics(&statistics).valid()
            })
            .collect();
        // Longer than a window and as long, then with a network first whose stem is a chain of its own for the runtime.
        for (length, used, task) in [
            (40_000, &[0, 1, 2][..], Task::MultiClass),
            (16_000, &[0, 2], Task::MultiLabel),
            (16_000, &[1, 0], Task::MultiClass),
            (20_000, &[3, 0], Task::MultiClass),
        ] {
            let window = |index: usize| arches[index].window as usize;
            let member = |index: &usize| Member { net: &nets[*index], window: window(*index) };
            let members: Vec<Member<'_>> = used.iter().map(member).collect();
            let width = |index: &usize| -> usize {
                let blocks = arches[*index].blocks.iter().rev().take(3);
                blocks.map(|block| usize::from(block.channels)).sum()
            };
            let width: usize = used.iter().map(width).sum();
            let head = Head {
                layers: vec![
                    Dense { weight: random(width * 5), bias: random(5) },
                    Dense { weight: random(10), bias: random(2) },
                ],
                choice: String::new(),
            };
            let labels = ["a".to_owned(), "b".to_owned()];
            let meta = ModelMeta {
                preset: "features".to_owned(),
                arch: ArchSpec { window: length as u32, task, ..arches[used[0]].clone() },
                decision: DecisionDefaults::for_labels(&labels, 16_000),
                labels: labels.into(),
                provenance: Provenance::default(),
            };
            let file = tempfile::NamedTempFile::with_suffix(".onnx").unwrap();
            std::fs::write(file.path(), encode(&members, &head, &meta)).unwrap();
            let own = |samples: &[f32], task| {
                let mut row = Vec::new();
                for member in &members {
                    let rows = pooled(member.net, samples, length, member.window, &compute);
                    row.extend(rows.concat());
                }
                let logits = TensorData::new(head.logits(&row), [1, 2]);
                check::posteriors(Tensor::from_data(logits, compute.inference_device()), task)
            };
            let difference = check::compare(file.path(), own);
            assert!(difference.is_ok(), "{length}: {}", difference.unwrap_err());
        }
    }
}
