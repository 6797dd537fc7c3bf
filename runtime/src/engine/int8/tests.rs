//! The runtime's int8 engine equals the microcontroller's, bit for bit.

use std::path::Path;

use firmware_sim::{Engine as Reference, memory_words};
use models::arch::{ArchSpec, BlockKind, Streaming, preset};
use models::q8::Model;
use models::stream::from_f32;
use proptest::prelude::*;

use super::Int8Engine;
use crate::engine::{Engine, EngineError, Gated, Rolling, Stream};

/// The same random networks as in the tests of the microcontroller's engine.
#[path = "../../../../firmware-sim/src/tests/random.rs"]
mod random;

use random::{Noise, any_arch, arch};

/// A model with random weights and widths.
fn model(arch: &ArchSpec, seed: u64, gate: u32) -> Vec<u8> {
    let mut parts = random::model(arch, seed);
    parts.decision.gate = gate;
    parts.encode()
}

/// The posteriors of all windows.
fn posteriors(mut stream: Box<dyn Stream>, pieces: &[&[f32]]) -> Vec<Vec<f32>> {
    let classes = stream.meta().labels.len();
    let mut found = Vec::new();
    for piece in pieces {
        let mut piece = *piece;
        while !piece.is_empty() {
            let mut out = vec![0.0; classes];
            let (taken, ended) = stream.push(piece, &mut out).unwrap();
            piece = &piece[taken..];
            found.extend(ended.then_some(out));
        }
    }
    found
}

fn load(bytes: &[u8]) -> Int8Engine {
    Int8Engine::from_bytes(bytes, Path::new("model.q8")).unwrap()
}

/// What comes before each of the cuts, and the rest.
fn pieces<'a>(mut rest: &'a [f32], cuts: &[usize]) -> Vec<&'a [f32]> {
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, others) = rest.split_at((*cut).min(rest.len()));
        pieces.push(piece);
        rest = others;
    }
    pieces.push(rest);
    pieces
}

/// Windows that share what saves work, nothing, and at most so many levels, from sound in pieces. With a gate, part of
/// the sound is quiet.
fn check(arch: &ArchSpec, hop: u32, levels: usize, seed: u64, cuts: &[usize], gate: u32) {
    let bytes = model(arch, seed, gate);
    let parsed = Model::parse(&bytes).unwrap();
    let mut memory = vec![0; memory_words(&parsed, hop).unwrap()];
    let mut reference = Reference::new(&parsed, hop, &mut memory).unwrap();
    let len = arch.window as usize + 4 * hop as usize + 3;
    let mut samples = Noise(seed + 1).samples(len);
    if gate > 0 {
        let quiet = &mut samples[cuts[0].min(len)..];
        quiet.iter_mut().take(len * 2 / 3).for_each(|sample| *sample /= 256);
    }
    let floats: Vec<f32> = samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    let mut expected = Vec::new();
    reference.push(&samples, |posteriors, _| expected.push(posteriors.to_vec()));
    let single: Box<dyn Stream> = Box::new(Rolling::new(load(&bytes), hop));
    let mut streams = vec![load(&bytes).into_stream(hop), single];
    let shared = Streaming::new(arch, hop).unwrap().cut(arch, levels);
    if !shared.shared.is_empty() && hop <= arch.window {
        streams.push(load(&bytes).sharing(shared));
    }
    for stream in streams {
        let found = posteriors(Box::new(Gated::new(stream, gate)), &pieces(&floats, cuts));
        let found: Vec<Vec<u16>> =
            found.into_iter().map(|window| window.into_iter().map(from_f32).collect()).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn presets_equal_the_microcontroller() {
    // The columns of `mcu` hold no whole number of long vectors.
    let presets = [
        ("nano", 2187),
        ("mcu", 729),
        ("2^13", 1024),
        ("nano", 1000),
        ("rese-nano", 2187),
        ("se-mcu", 2187),
        ("rese-mcu", 2187),
    ];
    for (name, hop) in presets {
        check(&preset(name, 5).unwrap(), hop, 20, 3, &[5000], 0);
    }
}

#[test]
fn residual_blocks_are_shared() {
    for kind in [BlockKind::Res1, BlockKind::Res2] {
        let mut arch = preset("nano", 5).unwrap();
        arch.blocks[1].kind = kind;
        arch.blocks[3].kind = kind;
        let work = load(&model(&arch, 3, 0)).into_stream(2187).work();
        assert!(work.shared_layers > 4, "{kind:?}: {work:?}");
        check(&arch, 2187, 20, 3, &[5000], 0);
    }
}

#[test]
fn what_is_no_model_is_told_in_one_line() {
    let mut bytes = model(&preset("nano", 2).unwrap(), 1, 0);
    bytes[200] ^= 1;
    let error = Int8Engine::from_bytes(&bytes, Path::new("a/model.q8")).unwrap_err();
    assert_eq!(error.to_string(), "a/model.q8: the model is damaged: its checksum does not match");
}

#[test]
fn windows_of_another_length_are_refused() {
    let bytes = model(&preset("nano", 2).unwrap(), 1, 0);
    let mut engine = Int8Engine::from_bytes(&bytes, Path::new("model.q8")).unwrap();
    let error = engine.posteriors(&[0.0; 7], &mut [0.0; 2]).unwrap_err();
    assert!(matches!(error, EngineError::Shape { .. }));
}

/// Lengths of the pieces that sound comes in, at least one.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..500usize, 1..6)
}

/// The same network, but for the gates of its blocks.
fn without_gates(mut arch: ArchSpec) -> ArchSpec {
    for block in &mut arch.blocks {
        block.kind = match block.kind {
            BlockKind::Basic | BlockKind::Se(_) => BlockKind::Basic,
            BlockKind::Res1 | BlockKind::ReSe1(_) => BlockKind::Res1,
            BlockKind::Res2 | BlockKind::ReSe2(_) => BlockKind::Res2,
        };
    }
    arch
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_networks_equal_the_microcontroller(
        arch in arch(), hop in 1..150u32, levels in 1..6usize, seed in any::<u32>(), cuts in cuts(),
        gate in prop::sample::select(vec![0, 10_000]),
    ) {
        check(&arch, hop, levels, seed.into(), &cuts, gate);
    }

    #[test]
    fn networks_of_any_kind_equal_the_microcontroller(
        arch in any_arch(), hop in 1..150u32, levels in 1..6usize, seed in any::<u32>(), cuts in cuts(),
        gate in prop::sample::select(vec![0, 10_000]),
    ) {
        check(&arch, hop, levels, seed.into(), &cuts, gate);
    }

    #[test]
    fn shared_residual_blocks_equal_the_microcontroller(
        arch in any_arch(), hop in 1..150u32, levels in 2..6usize, seed in any::<u32>(), cuts in cuts(),
        gate in prop::sample::select(vec![0, 10_000]),
    ) {
        let arch = without_gates(arch);
        let pools = arch.blocks.iter().take(levels - 1).map(|block| u32::from(block.pool));
        let stride = u32::from(arch.stem.stride) * pools.product::<u32>();
        check(&arch, hop.next_multiple_of(stride), levels, seed.into(), &cuts, gate);
    }
}
