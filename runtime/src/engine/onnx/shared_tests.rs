//! Windows that share their columns equal windows computed by themselves.

use std::sync::Arc;

use models::arch::{
    ArchSpec, Block, BlockKind, Head, Node, Op, Part, Stem, Streaming, Task, preset,
};
use proptest::prelude::*;
use tract_onnx::pb::ModelProto;

use super::chain::{Chain, Layer, Unit};
use super::mel::Mel;
use super::mel_tests::front_end;
use super::residual::Residual;
use super::stages::{Stages, Tail};
use crate::engine::shared::{Shape, Shared};
use crate::tiny_model::classifier_proto;

/// Numbers between -1 and 1 that look random.
pub(super) fn numbers(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1 << 23) as f32) - 1.0
    }
}

/// A layer with random weights.
fn layer(number: &mut impl FnMut() -> f32, node: &Node) -> Layer {
    let Op::Conv { kernel, stride, padding, pool, .. } = node.op else {
        panic!("{} has no weights", node.part.name())
    };
    let (inputs, outputs) = (node.in_channels, node.out_channels);
    let bound = (3.0 / (kernel * inputs) as f32).sqrt();
    Layer {
        weight: (0..kernel * inputs * outputs).map(|_| bound * number()).collect(),
        bias: (0..outputs).map(|_| 0.2 * number()).collect(),
        shape: Shape { kernel, stride, padding, pool },
        inputs,
        outputs,
    }
}

/// A network with random weights.
fn chain(arch: &ArchSpec, seed: u64) -> Chain {
    let mut number = numbers(seed);
    let table = arch.layers().unwrap();
    let nodes = arch.nodes().unwrap();
    let layers = &table.layers[..table.layers.len() - 1];
    let units = layers.iter().enumerate().map(|(index, shape)| {
        if index == 0 && arch.stem.mel {
            let (waves, bands) = front_end(arch.stem, 0.1, &mut number);
            return Unit::Mel(Arc::new(Mel::new(&waves, &bands).unwrap()));
        }
        let mut find = |part| {
            let mut parts = nodes.iter().filter(|node| node.layer == shape.name);
            let node = parts.find(|node| node.part == part)?;
            Some(layer(&mut number, node))
        };
        let conv = find(Part::Conv).unwrap();
        let block = index.checked_sub(1).and_then(|block| arch.blocks.get(block));
        if block.is_none_or(|block| !block.kind.is_residual()) {
            return Unit::Layer(Arc::new(conv));
        }
        let second = find(Part::Second);
        let (first, last) = match second {
            Some(second) => (Some(conv), second),
            None => (None, conv),
        };
        let shortcut = find(Part::Shortcut);
        let shape = Shape::of(arch, index);
        Unit::Residual(Arc::new(Residual { shape, first, last, gate: None, shortcut }))
    });
    let units: Vec<_> = units.collect();
    let last = layers.last().unwrap();
    let features = last.out_channels * last.out_len;
    let classes = usize::from(arch.classes);
    let weights: Vec<f32> = (0..features * classes).map(|_| 0.5 * number()).collect();
    let shape = [1, last.out_channels, last.out_len];
    let rest: ModelProto = classifier_proto(shape, classes, &weights);
    Chain { units, lens: layers.iter().map(|shape| shape.out_len).collect(), rest }
}

/// The posteriors of every window of the stream, each computed for itself.
fn whole(chain: &Chain, arch: &ArchSpec, hop: usize, stream: &[f32]) -> Vec<Vec<f32>> {
    let window = arch.window as usize;
    let mut tail = Tail::new(chain, 0, window).unwrap();
    let windows = stream.windows(window).step_by(hop);
    let posteriors = windows.map(|window| {
        let mut out = vec![0.0; usize::from(arch.classes)];
        tail.input().copy_from_slice(window);
        tail.run(&mut out).unwrap();
        out
    });
    posteriors.collect()
}

/// The same from a stream that comes in pieces.
fn shared(shared: &mut Shared<Stages>, classes: usize, pieces: &[&[f32]]) -> Vec<Vec<f32>> {
    let mut found = Vec::new();
    for piece in pieces {
        let mut piece = *piece;
        while !piece.is_empty() {
            let mut out = vec![0.0; classes];
            let (taken, ended) = shared.push(piece.iter().copied(), Some(&mut out)).unwrap();
            piece = &piece[taken..];
            found.extend(ended.then_some(out));
        }
    }
    found
}

fn check(arch: &ArchSpec, hop: u32, levels: usize, seed: u64, cuts: &[usize]) {
    check_chain(&chain(arch, seed), arch, hop, levels, seed, cuts);
}

/// Compares the windows of a stream that comes in pieces and that share so many levels with windows by themselves.
pub(super) fn check_chain(
    chain: &Chain,
    arch: &ArchSpec,
    hop: u32,
    levels: usize,
    seed: u64,
    cuts: &[usize],
) {
    let streaming = Streaming::new(arch, hop).unwrap().cut(arch, levels);
    if streaming.shared.is_empty() || hop > arch.window {
        return;
    }
    let mut number = numbers(seed + 1);
    let len = arch.window as usize + 5 * hop as usize + 7;
    let stream: Vec<f32> = (0..len).map(|_| number()).collect();
    let expected = whole(chain, arch, hop as usize, &stream);
    let stages = Stages::new(chain, arch, &streaming).unwrap();
    let mut engine = Shared::new(stages, arch, &streaming);
    let mut pieces = Vec::new();
    let mut rest = stream.as_slice();
    for cut in cuts {
        let (piece, others) = rest.split_at((*cut).min(rest.len()));
        pieces.push(piece);
        rest = others;
    }
    pieces.push(rest);
    for round in 0..2 {
        let found = shared(&mut engine, arch.classes.into(), &pieces);
        assert_eq!(found.len(), expected.len());
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            for (found, expected) in found.iter().zip(expected) {
                // Never true of what is no number.
                let near = (found - expected).abs() <= 1e-5;
                assert!(near, "window {index}, round {round}: {found} {expected}, {streaming:?}");
            }
        }
        engine.reset();
    }
}

#[test]
fn presets_share_at_the_usual_hops() {
    for (name, hop) in [
        ("nano", 2187),
        ("micro", 729),
        ("mcu", 2187),
        ("3^9", 2187),
        ("2^13", 1024),
        ("melcnn-speech", 2400),
    ] {
        let arch = preset(name, 5).unwrap();
        for levels in [1, 3, 20] {
            check(&arch, hop, levels, 7, &[100, 3000]);
        }
    }
}

/// Networks of basic blocks.
pub(super) fn arches() -> impl Strategy<Value = ArchSpec> {
    let block = (1..6u16, 1..6u8, 1..5u8);
    let blocks = prop::collection::vec(block, 0..5);
    // Filters of a few samples, and of whole frames.
    let stem = prop_oneof![5 => (1..6u16, 1..4u16), 1 => (30..150u16, 20..60u16)];
    (1..6u16, stem, blocks, 1..5u16, 1..4u16, 0..60u32).prop_map(
        |(channels, (kernel, stride), blocks, head, classes, more)| {
            let least: u32 = blocks.iter().map(|block| u32::from(block.2)).product();
            let kind = BlockKind::Basic;
            let blocks = blocks.into_iter();
            let blocks =
                blocks.map(|(channels, kernel, pool)| Block { channels, kernel, pool, kind });
            ArchSpec {
                sample_rate_hz: 16_000,
                window: u32::from(kernel) + (least + more) * u32::from(stride),
                stem: Stem::conv(channels, kernel, stride),
                blocks: blocks.collect(),
                head: Head { channels: head, levels: 0 },
                classes,
                task: Task::MultiClass,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn sharing_changes_nothing(
        arch in arches(), hop in 1..200u32, whole_strides in any::<bool>(), levels in 1..8usize,
        seed in any::<u32>(), cuts in prop::collection::vec(0..300usize, 0..6),
        kinds in prop::collection::vec(0..3usize, 8), mel in any::<bool>(),
    ) {
        let mut arch = arch;
        // Only frames are long enough for a spectrum.
        arch.stem.mel = mel && arch.stem.kernel >= 30;
        for (block, kind) in arch.blocks.iter_mut().zip(kinds) {
            block.kind = [BlockKind::Basic, BlockKind::Res1, BlockKind::Res2][kind];
        }
        prop_assume!(arch.layers().is_ok());
        let all: u32 = arch.blocks.iter().map(|block| u32::from(block.pool)).product();
        let stride = u32::from(arch.stem.stride) * if whole_strides { all } else { 1 };
        let hop = (hop / stride).max(1) * stride;
        check(&arch, hop, levels, seed.into(), &cuts);
    }
}
