//! The runtime's int8 engine equals the microcontroller's, bit for bit.

use std::path::Path;

use firmware_sim::{Engine as Reference, memory_words};
use models::arch::{ArchSpec, BlockKind, preset};
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

/// With a gate, part of the sound is quiet.
fn check(arch: &ArchSpec, hop: u32, seed: u64, cut: usize, gate: u32) {
    let bytes = model(arch, seed, gate);
    let parsed = Model::parse(&bytes).unwrap();
    let mut memory = vec![0; memory_words(&parsed, hop).unwrap()];
    let mut reference = Reference::new(&parsed, hop, &mut memory).unwrap();
    let len = arch.window as usize + 4 * hop as usize + 3;
    let mut samples = Noise(seed + 1).samples(len);
    if gate > 0 {
        let quiet = &mut samples[cut.min(len)..];
        quiet.iter_mut().take(len * 2 / 3).for_each(|sample| *sample /= 256);
    }
    let floats: Vec<f32> = samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    let mut expected = Vec::new();
    reference.push(&samples, |posteriors, _| expected.push(posteriors.to_vec()));
    let (first, rest) = floats.split_at(cut.min(len));
    let load = || Int8Engine::from_bytes(&bytes, Path::new("model.q8")).unwrap();
    let single: Box<dyn Stream> = Box::new(Rolling::new(load(), hop));
    for stream in [load().into_stream(hop), single] {
        let found = posteriors(Box::new(Gated::new(stream, gate)), &[first, rest]);
        let found: Vec<Vec<u16>> =
            found.into_iter().map(|window| window.into_iter().map(from_f32).collect()).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn presets_equal_the_microcontroller() {
    let presets =
        [("nano", 2187), ("mcu", 729), ("2^13", 1024), ("nano", 1000), ("rese-nano", 2187)];
    for (name, hop) in presets {
        check(&preset(name, 5).unwrap(), hop, 3, 5000, 0);
    }
}

#[test]
fn residual_blocks_are_not_taken_for_single_layers() {
    let mut arch = preset("nano", 5).unwrap();
    arch.blocks[0].kind = BlockKind::Res2;
    check(&arch, 2187, 3, 5000, 0);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_networks_equal_the_microcontroller(
        arch in arch(), hop in 1..150u32, seed in any::<u32>(), cut in 0..500usize,
        gate in prop::sample::select(vec![0, 10_000]),
    ) {
        check(&arch, hop, seed.into(), cut, gate);
    }

    #[test]
    fn networks_of_any_kind_equal_the_microcontroller(
        arch in any_arch(), hop in 1..150u32, seed in any::<u32>(), cut in 0..500usize,
        gate in prop::sample::select(vec![0, 10_000]),
    ) {
        check(&arch, hop, seed.into(), cut, gate);
    }
}
