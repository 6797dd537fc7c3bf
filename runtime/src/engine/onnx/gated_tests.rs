//! Networks of every kind as ONNX, read as a chain, against the library, which runs the graph as it is.

use models::arch::{Activation, Alpha, ArchSpec, BlockKind, LayerName, Node, Op, preset};
use models::meta::{DecisionDefaults, ModelMeta, Provenance};
use proptest::prelude::*;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, OperatorSetIdProto};

use super::Plan;
use super::chain::Chain;
use super::shared_tests::{arches, check_chain, numbers};
use crate::tiny_model::{int, ints, node, value, weights};

/// A graph in the making.
struct Writer<F> {
    graph: GraphProto,
    /// Random numbers between -1 and 1.
    number: F,
}

impl<F: FnMut() -> f32> Writer<F> {
    /// Adds an operator, and returns the name of its output.
    fn add(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let name = format!("value{}", self.graph.node.len());
        self.graph.node.push(node(op, inputs, &name, attributes));
        name
    }

    /// Adds random weights, and returns their name.
    fn weights(&mut self, dims: &[usize], bound: f32) -> String {
        let name = format!("weights{}", self.graph.initializer.len());
        let count: usize = dims.iter().product();
        let values: Vec<f32> = (0..count).map(|_| bound * (self.number)()).collect();
        let dims: Vec<i64> = dims.iter().map(|dim| *dim as i64).collect();
        self.graph.initializer.push(weights(&name, &dims, &values));
        name
    }

    fn convolution(&mut self, node: &Node, input: &str) -> String {
        let Op::Conv { kernel, stride, padding: (before, after), activation, pool, .. } = node.op
        else {
            panic!("{} has no weights", node.part.name())
        };
        let (inputs, outputs) = (node.in_channels, node.out_channels);
        let bound = (3.0 / (kernel * inputs) as f32).sqrt();
        let weight = self.weights(&[outputs, inputs, kernel], bound);
        let bias = self.weights(&[outputs], 0.2);
        let attributes = vec![
            ints("kernel_shape", &[kernel as i64]),
            ints("strides", &[stride as i64]),
            ints("pads", &[before as i64, after as i64]),
        ];
        let made = self.add("Conv", &[input, &weight, &bias], attributes);
        let made = match activation {
            Activation::None => made,
            Activation::Relu => self.add("Relu", &[&made], vec![]),
            Activation::Sigmoid => self.add("Sigmoid", &[&made], vec![]),
        };
        self.max_pool(made, pool)
    }

    fn max_pool(&mut self, value: String, pool: usize) -> String {
        if pool == 1 {
            return value;
        }
        let pool = pool as i64;
        let attributes = vec![ints("kernel_shape", &[pool]), ints("strides", &[pool])];
        self.add("MaxPool", &[&value], attributes)
    }

    /// Gate, shortcut and what follows.
    fn join(&mut self, op: Op, operands: &[&str]) -> String {
        let Op::Join { gated, residual, relu, pool } = op else { panic!("{op:?} joins nothing") };
        let mut value = operands[0].to_owned();
        if gated {
            value = self.add("Mul", &[&value, operands[1]], vec![]);
        }
        if residual {
            value = self.add("Add", &[&value, operands[operands.len() - 1]], vec![]);
        }
        if relu {
            value = self.add("Relu", &[&value], vec![]);
        }
        self.max_pool(value, pool)
    }

    fn peaks(&mut self, operands: &[&str]) -> String {
        let peaks = operands.iter().map(|value| self.add("GlobalMaxPool", &[*value], vec![]));
        let peaks: Vec<String> = peaks.collect();
        let peaks: Vec<&str> = peaks.iter().map(String::as_str).collect();
        self.add("Concat", &peaks, vec![int("axis", 1)])
    }

    fn classifier(&mut self, node: &Node, input: &str) -> String {
        let (features, classes) = (node.in_channels * node.in_len, node.out_channels);
        let flat = self.add("Flatten", &[input], vec![int("axis", 1)]);
        let weight = self.weights(&[features, classes], 0.5);
        let bias = self.weights(&[classes], 0.2);
        let logits = self.add("Gemm", &[&flat, &weight, &bias], vec![]);
        self.add("Softmax", &[&logits], vec![int("axis", -1)])
    }
}

/// What `trainer export` writes of a network, with random weights.
fn exported(arch: &ArchSpec, seed: u64) -> ModelProto {
    let mut writer = Writer { graph: GraphProto::default(), number: numbers(seed) };
    let mut made: Vec<String> = Vec::new();
    for node in arch.nodes().unwrap() {
        let operands: Vec<&str> = node.operands.iter().map(|place| made[*place].as_str()).collect();
        let input = operands.first().copied().unwrap_or("waveform");
        let output = match node.op {
            Op::Conv { .. } if node.layer == LayerName::Classifier => {
                writer.classifier(&node, input)
            }
            Op::Conv { .. } => writer.convolution(&node, input),
            Op::Mel { .. } => panic!("there is no mel spectrum among the kinds of blocks"),
            Op::Mean => writer.add("GlobalAveragePool", &[input], vec![]),
            Op::Join { .. } => writer.join(node.op, &operands),
            Op::Peaks => writer.peaks(&operands),
        };
        made.push(output);
    }
    let graph = GraphProto {
        name: "exported".to_owned(),
        input: vec![value("waveform", vec![Some(1), Some(1), Some(arch.window.into())])],
        output: vec![value(made.last().unwrap(), vec![Some(1), Some(arch.classes.into())])],
        ..writer.graph
    };
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

fn meta(arch: &ArchSpec) -> ModelMeta {
    let labels: Vec<String> = (0..arch.classes).map(|class| class.to_string()).collect();
    ModelMeta {
        preset: "any".to_owned(),
        arch: arch.clone(),
        decision: DecisionDefaults::for_labels(&labels, arch.sample_rate_hz),
        labels,
        provenance: Provenance::default(),
    }
}

/// Compares the posteriors of a random window with those of the library.
fn compare(proto: &ModelProto, arch: &ArchSpec, seed: u64) {
    let meta = meta(arch);
    let mut number = numbers(seed + 1);
    let window: Vec<f32> = (0..arch.window).map(|_| number()).collect();
    let posteriors = |mut plan: Plan| {
        let mut out = vec![0.0; usize::from(arch.classes)];
        plan.run(&window, &mut out).unwrap();
        out
    };
    let found = posteriors(Plan::new(proto, &meta).unwrap());
    let expected = posteriors(Plan::graph(proto, &meta).unwrap());
    for (found, expected) in found.iter().zip(&expected) {
        // Never true of what is no number.
        let near = (found - expected).abs() <= 1e-4;
        assert!(near, "{found} {expected}: {arch:?}");
    }
}

/// The operators behind a chain.
fn left(chain: &Chain) -> Vec<&str> {
    chain.rest.graph.iter().flat_map(|graph| &graph.node).map(|node| &*node.op_type).collect()
}

const CLASSIFIER: [&str; 3] = ["Flatten", "Gemm", "Softmax"];

/// The network with such kinds of blocks, and a head that reads so many levels, if there are as many.
fn of_kinds(mut arch: ArchSpec, kinds: &[usize], levels: u8) -> ArchSpec {
    let all = [
        BlockKind::Basic,
        BlockKind::Se(Alpha::Over(2)),
        BlockKind::Res1,
        BlockKind::Res2,
        BlockKind::ReSe1(Alpha::Times(2)),
        BlockKind::ReSe2(Alpha::Over(8)),
    ];
    for (block, kind) in arch.blocks.iter_mut().zip(kinds) {
        block.kind = all[*kind];
    }
    arch.head.levels = levels.min(arch.blocks.len() as u8);
    arch
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn networks_of_every_kind_are_read_up_to_their_classifier(
        arch in arches(), kinds in prop::collection::vec(0..6usize, 8), levels in 0..4u8,
        seed in any::<u32>(),
    ) {
        let arch = of_kinds(arch, &kinds, levels);
        prop_assume!(arch.layers().is_ok());
        let proto = exported(&arch, seed.into());
        let chain = Chain::read(&proto, &arch).unwrap();
        prop_assert_eq!(left(&chain), CLASSIFIER);
        compare(&proto, &arch, seed.into());
    }

    #[test]
    fn sharing_changes_no_network_with_gates(
        arch in arches(), kinds in prop::collection::vec(0..6usize, 8), levels in 0..4u8,
        hop in 1..100u32, shared in 1..8usize, seed in any::<u32>(),
    ) {
        let arch = of_kinds(arch, &kinds, levels);
        prop_assume!(arch.layers().is_ok());
        let pools = arch.blocks.iter().take(shared - 1).map(|block| u32::from(block.pool));
        let stride = u32::from(arch.stem.stride) * pools.product::<u32>();
        let chain = Chain::read(&exported(&arch, seed.into()), &arch).unwrap();
        check_chain(&chain, &arch, (hop / stride).max(1) * stride, shared, seed.into(), &[50]);
    }
}

#[test]
fn presets_are_read_up_to_their_classifier() {
    let names = ["se-nano", "rese-micro", "samplecnn-multi-speech", "rese1-speech-reduced"];
    for name in names {
        let arch = preset(name, 5).unwrap();
        let proto = exported(&arch, 3);
        assert_eq!(left(&Chain::read(&proto, &arch).unwrap()), CLASSIFIER, "{name}");
        compare(&proto, &arch, 3);
    }
}

/// A network with blocks of every kind, whose head reads the last three.
fn mixed() -> ArchSpec {
    let mut arch = preset("3^6", 5).unwrap();
    arch.stem.channels = 4;
    arch.head.channels = 6;
    for (block, channels) in arch.blocks.iter_mut().zip([4, 5, 5, 6, 6, 8]) {
        block.channels = channels;
    }
    of_kinds(arch, &[2, 4, 1, 5, 0, 1], 3)
}

#[test]
fn what_is_no_network_of_the_family_stays_with_the_library() {
    let arch = mixed();
    let original = exported(&arch, 9);
    let count = original.graph.as_ref().unwrap().node.len();
    let mut changed = 0;
    for place in 0..count {
        let mut proto = original.clone();
        let node = &mut proto.graph.as_mut().unwrap().node[place];
        let other = match node.op_type.as_str() {
            "Relu" | "Sigmoid" => "Tanh",
            "GlobalAveragePool" => "GlobalMaxPool",
            "GlobalMaxPool" => "GlobalAveragePool",
            "Mul" => "Add",
            "Add" => "Sub",
            _ => continue,
        };
        other.clone_into(&mut node.op_type);
        // The node itself stays in any case, and all that follow it.
        let left = Chain::read(&proto, &arch).map_or(count, |chain| left(&chain).len());
        assert!(left >= count - place, "{place}: {left} of {count}");
        compare(&proto, &arch, 9);
        changed += 1;
    }
    assert!(changed > 15, "{changed} of {count}");
}

#[test]
fn a_chain_ends_before_what_hides_a_value_that_is_read_later() {
    let arch = mixed();
    let mut proto = exported(&arch, 9);
    let graph = proto.graph.as_mut().unwrap();
    // The classifier reads what the head makes and, beside it, what the head reads.
    let place = |op: &str| graph.node.iter().position(|node| node.op_type == op).unwrap();
    let (concat, flatten) = (place("Concat"), place("Flatten"));
    let peaks = graph.node[concat].output[0].clone();
    let head = graph.node[flatten].input[0].clone();
    graph.node.insert(flatten, node("Concat", &[&head, &peaks], "both", vec![int("axis", 1)]));
    graph.node[flatten + 1].input[0] = "both".to_owned();
    let features = 6 + 6 + 6 + 8;
    let values: Vec<f32> =
        (0..features * 5).map(|index| ((index % 7) as f32 - 3.0) / 10.0).collect();
    let name = graph.node[flatten + 2].input[1].clone();
    let tensor = graph.initializer.iter_mut().find(|tensor| tensor.name == name).unwrap();
    *tensor = weights(&name, &[features as i64, 5], &values);
    let chain = Chain::read(&proto, &arch).unwrap();
    assert_eq!(left(&chain)[..3], ["Conv", "Relu", "Concat"]);
    compare(&proto, &arch, 9);
}
