//! Exported networks of every kind on streams: whatever windows share, each has the posteriors that it has by itself.

use std::path::Path;

use models::arch::{ArchSpec, PRESETS, Streaming, preset};
use proptest::prelude::*;
use rand::RngExt;
use runtime::engine::{Engine as _, Stream, TractEngine};

use super::parity_tests::{meta, narrow, network};
use super::{fold, onnx};
use crate::draw;
use crate::net::Compute;

const CLASSES: usize = 5;
/// Channels of the stem. With fewer, sharing would save too little to be done.
const STEM_CHANNELS: u16 = 8;
/// Samples of the longest window.
const LONGEST: u32 = 60_000;
/// Largest difference of a posterior.
const TOLERANCE: f32 = 1e-5;

/// Names of presets, of those with mel spectra, and of the general family.
fn names() -> impl Strategy<Value = String> {
    let general = (2..=5u32).flat_map(|m| (3..=14u32).map(move |n| (m, n)));
    let fits = |window: u32| window <= LONGEST;
    let general = general.filter(|(m, n)| m.checked_pow(n + 1).is_some_and(fits));
    let general: Vec<String> = general.map(|(m, n)| format!("{m}^{n}")).collect();
    let presets: Vec<String> = PRESETS.iter().map(|&name| name.to_owned()).collect();
    let mel = presets.iter().filter(|name| name.starts_with("melcnn-"));
    let mel: Vec<String> = mel.flat_map(|name| [name.clone(), format!("res2-{name}")]).collect();
    prop_oneof![
        6 => prop::sample::select(presets),
        1 => prop::sample::select(mel),
        4 => prop::sample::select(general),
    ]
}

/// The network with few channels.
fn few_channels(name: &str) -> ArchSpec {
    let arch = preset(name, CLASSES as u16).unwrap();
    let times = arch.stem.channels.div_ceil(STEM_CHANNELS);
    narrow(arch, times)
}

/// A hop near this share of a window: as it comes from a user, or a multiple of a level's stride.
fn hop(arch: &ArchSpec, share: f64, level: Option<usize>) -> u32 {
    let wanted = ((share * f64::from(arch.window)) as u32).max(1);
    let Some(level) = level else { return Streaming::near(arch, wanted).unwrap() };
    let table = arch.layers().unwrap();
    let levels = &table.layers[..arch.blocks.len() + 1];
    let stride = levels[level % levels.len()].stride as u32;
    (wanted / stride).max(1) * stride
}

/// The posteriors of the windows of a stream that comes in pieces of these sizes, in turn.
fn heard(stream: &mut dyn Stream, mut samples: &[f32], sizes: &[usize]) -> Vec<[f32; CLASSES]> {
    let (mut found, mut sizes) = (Vec::new(), sizes.iter().cycle());
    while !samples.is_empty() {
        let size = sizes.next().map_or(samples.len(), |size| samples.len().min(*size));
        let (mut piece, rest) = samples.split_at(size);
        while !piece.is_empty() {
            let mut out = [0.0; CLASSES];
            let (taken, ended) = stream.push(piece, &mut out).unwrap();
            piece = &piece[taken..];
            found.extend(ended.then_some(out));
        }
        samples = rest;
    }
    found
}

/// The same, each window by itself.
fn whole(engine: &mut TractEngine, samples: &[f32], hop: u32) -> Vec<[f32; CLASSES]> {
    let window = engine.meta().arch.window as usize;
    let windows = samples.windows(window).step_by(hop as usize);
    let posteriors = windows.map(|window| {
        let mut out = [0.0; CLASSES];
        engine.posteriors(window, &mut out).unwrap();
        out
    });
    posteriors.collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        max_shrink_iters: 64,
        ..ProptestConfig::default()
    })]

    #[test]
    fn sharing_changes_no_network(
        name in names(), share in 0.02..1.2f64, level in prop::option::of(0..17usize),
        sizes in prop::collection::vec(1..9000usize, 1..6), reset in 0.0..1.0f64, seed in any::<u64>(),
    ) {
        let arch = few_channels(&name);
        let hop = hop(&arch, share, level);
        let net = network(&arch, 1, &Compute::cpu());
        let bytes = onnx::encode(&fold::fold(&net), &meta(&arch));
        let load = || TractEngine::from_bytes(&bytes, Path::new(&name)).unwrap();
        let (mut engine, mut stream) = (load(), load().into_stream(hop).unwrap());
        let mut rng = draw::rng(seed, "streams", &[]);
        let mut noise =
            |len: usize| -> Vec<f32> { (0..len).map(|_| rng.random_range(-0.7..0.7)).collect() };
        let (window, hop_len) = (arch.window as usize, hop as usize);
        // The reset comes anywhere in a hop, before or behind the first window.
        let before = noise((reset * (window + 2 * hop_len) as f64) as usize);
        let after = noise(window + 3 * hop_len + hop_len / 2);
        for (samples, at_least) in [(before, 0), (after, 4)] {
            let found = heard(stream.as_mut(), &samples, &sizes);
            let expected = whole(&mut engine, &samples, hop);
            prop_assert!(found.len() == expected.len() && found.len() >= at_least);
            for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                for (found, expected) in found.iter().zip(expected) {
                    // Never true of what is no number.
                    let same = (found - expected).abs() <= TOLERANCE;
                    prop_assert!(same, "hop {hop}, window {index}: {found} {expected}");
                }
            }
            stream.reset();
        }
    }
}
