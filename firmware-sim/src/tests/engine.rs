//! The streaming engine against the whole-window reference, bit for bit.

use models::arch::{ArchSpec, Node, Op, Part as Role};
use models::q8::{Model, Parts};
use models::stream::{Gate, Q15};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

use super::random;
use super::reference::{self, Map};
use crate::{
    Engine, EngineError, Observer, Part, Prepared, memory_words, roomy_memory_words,
    window_memory_words,
};

type Windows = Vec<(Vec<Q15>, u64)>;

/// What the reference says of every window.
fn expected(parts: &Parts, samples: &[i16], hop: usize) -> Windows {
    let window = parts.arch.window as usize;
    let starts = (0..samples.len().saturating_sub(window - 1)).step_by(hop);
    starts
        .map(|start| {
            let posteriors = reference::posteriors(parts, &samples[start..start + window]);
            (posteriors, (start + window) as u64)
        })
        .collect()
}

fn stream(engine: &mut Engine<'_, '_>, samples: &[i16], chunks: &[usize]) -> Windows {
    let mut found = Vec::new();
    let mut rest = samples;
    for chunk in chunks.iter().cycle() {
        let (now, later) = rest.split_at(rest.len().min(*chunk));
        engine.push(now, |posteriors, end| found.push((posteriors.to_vec(), end)));
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    found
}

/// The stride of a random level, times a random factor, so that levels are shared; or any hop.
fn any_hop(arch: &ArchSpec, level: usize, factor: usize, any: bool) -> usize {
    let table = arch.layers().unwrap();
    let stride = table.layers[level % (arch.blocks.len() + 1)].stride;
    if any { factor } else { stride * (1 + factor % 5) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn equals_the_reference(
        arch in random::arch(), seed: u64, level in 0..9usize, factor in 1..40usize, any: bool,
        chunks in prop::collection::vec(1..300usize, 1..6), before in 0..500usize,
    ) {
        let parts = random::model(&arch, seed);
        let bytes = parts.encode();
        let model = Model::parse(&bytes).unwrap();
        let hop = any_hop(&arch, level, factor, any);
        // Memory full of rubbish, to its last word.
        let mut memory = vec![0xDEAD_BEEF; memory_words(&model, hop as u32).unwrap()];
        let mut engine = Engine::new(&model, hop as u32, &mut memory).unwrap();
        let mut noise = random::Noise(seed);
        // Samples before a reset must leave no trace.
        let forgotten = noise.samples(before);
        stream(&mut engine, &forgotten, &chunks);
        engine.reset();
        let samples = noise.samples(arch.window as usize + 6 * hop + 7);
        let found = stream(&mut engine, &samples, &chunks);
        let expected = expected(&parts, &samples, hop);
        prop_assert_eq!(&found, &expected);
        if let Some(prepared) = Prepared::new(&model) {
            let mut engine = Engine::new(&model, hop as u32, &mut memory).unwrap();
            engine = engine.with_prepared(&prepared);
            prop_assert_eq!(stream(&mut engine, &samples, &chunks), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn quiet_windows_are_skipped_and_no_other(
        arch in random::arch(), seed: u64, level in 0..9usize, factor in 1..40usize, any: bool,
        chunks in prop::collection::vec(1..300usize, 1..6), gate in 1..30_000u32,
        sounds in prop::collection::vec((any::<bool>(), 1..400usize), 1..12),
    ) {
        let mut parts = random::model(&arch, seed);
        let hop = any_hop(&arch, level, factor, any);
        let mut samples = random::Noise(seed).samples(arch.window as usize + 12 * hop);
        let mut rest = samples.as_mut_slice();
        for (loud, length) in sounds {
            let (now, later) = rest.split_at_mut(length.min(rest.len()));
            if !loud {
                now.iter_mut().for_each(|sample| *sample /= 256);
            }
            rest = later;
        }
        let mut expected = expected(&parts, &samples, hop);
        let mut silence = Gate::new(gate, arch.window, hop as u32);
        let mut start = 0;
        for (posteriors, end) in &mut expected {
            silence.push(&samples[start..*end as usize]);
            start = *end as usize;
            if silence.is_quiet() {
                posteriors.fill(0);
            }
        }
        parts.decision.gate = gate;
        let bytes = parts.encode();
        let model = Model::parse(&bytes).unwrap();
        let mut memory = vec![0; memory_words(&model, hop as u32).unwrap()];
        let mut engine = Engine::new(&model, hop as u32, &mut memory).unwrap();
        prop_assert_eq!(stream(&mut engine, &samples, &chunks), expected.clone());
        engine.reset();
        prop_assert_eq!(stream(&mut engine, &samples, &chunks), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_kind_equals_the_reference(
        arch in random::any_arch(), seed: u64, hop in 1..200usize,
        chunks in prop::collection::vec(1..300usize, 1..6), before in 0..500usize, percent in 0..120usize,
    ) {
        let parts = random::model(&arch, seed);
        let bytes = parts.encode();
        let model = Model::parse(&bytes).unwrap();
        let least = memory_words(&model, hop as u32).unwrap();
        let most = roomy_memory_words(&model, hop as u32).unwrap();
        let mut noise = random::Noise(seed);
        let forgotten = noise.samples(before);
        let samples = noise.samples(arch.window as usize + 3 * hop + 7);
        let expected = expected(&parts, &samples, hop);
        for words in [least, least + (most - least) * percent / 100, most] {
            let mut memory = vec![0xDEAD_BEEF; words];
            let mut engine = Engine::new(&model, hop as u32, &mut memory).unwrap();
            stream(&mut engine, &forgotten, &chunks);
            engine.reset();
            prop_assert_eq!(&stream(&mut engine, &samples, &chunks), &expected);
        }
        let mut memory = vec![0; least - 1];
        let refused = Engine::new(&model, hop as u32, &mut memory).unwrap_err();
        prop_assert_eq!(refused, EngineError::Memory { needed: least, given: least - 1 });
    }

    #[test]
    fn an_observer_sees_each_column_once_with_any_memory(
        arch in random::any_arch(), seed: u64, percent in 0..120usize,
    ) {
        let parts = random::model(&arch, seed);
        let bytes = parts.encode();
        let model = Model::parse(&bytes).unwrap();
        let least = window_memory_words(&model);
        let most = roomy_memory_words(&model, arch.window).unwrap().max(least);
        let windows = [random::Noise(seed).samples(arch.window as usize), vec![0; arch.window as usize]];
        let nodes = arch.nodes().unwrap();
        let seen = |words: usize| {
            let mut memory = vec![0xDEAD_BEEF; words];
            let mut engine = Engine::for_windows(&model, &mut memory).unwrap();
            windows.each_ref().map(|window| {
                let mut columns = Columns(vec![Vec::new(); nodes.len() - 1]);
                engine.push_observed(window, &mut columns);
                columns.0
            })
        };
        let found = seen(least);
        for (found, window) in found.iter().zip(&windows) {
            let maps = reference::maps(&parts, window);
            for (index, (found, map)) in found.iter().zip(&maps).enumerate() {
                let read = |by: &&Node| by.operands.contains(&index);
                let whole = nodes.iter().filter(read).any(|by| matches!(by.op, Op::Mean | Op::Peaks));
                let gate = [Role::Mean, Role::Squeeze, Role::Excite].contains(&nodes[index].part);
                // Columns that pooling drops need not be there.
                let fewest = if gate { 0 } else if whole { map.len() } else { 1 };
                let most = if gate { 0 } else { map.len() };
                prop_assert!((fewest..=most).contains(&found.len()), "node {index}");
                prop_assert_eq!(found, &map[..found.len()], "node {}", index);
            }
        }
        prop_assert_eq!(&seen(least + (most - least) * percent / 100), &found);
        prop_assert_eq!(&seen(most), &found);
    }
}

/// All columns of a window, node by node.
struct Columns(Vec<Map>);

impl Observer for Columns {
    fn column(&mut self, layer: usize, _: Part, values: &[i16]) {
        self.0[layer].push(values.iter().map(|value| (*value).into()).collect());
    }

    fn window(&mut self, _: &[Q15], _: u64) {}
}

/// Gates and shortcuts change what comes out: the random numbers do not hide them.
#[test]
fn gates_and_shortcuts_matter() {
    let arch = models::arch::preset("rese-nano", 5).unwrap();
    let samples = random::Noise(4).samples(arch.window as usize);
    let parts = random::model(&arch, 3);
    let with = reference::posteriors(&parts, &samples);
    let nodes = arch.nodes().unwrap();
    for role in [Role::Excite, Role::Shortcut, Role::Second, Role::Squeeze] {
        let mut changed = parts.clone();
        for (node, layer) in nodes.iter().zip(&mut changed.layers) {
            if node.part == role {
                layer.weights.iter_mut().for_each(|weight| *weight = weight.wrapping_neg());
            }
        }
        assert_ne!(reference::posteriors(&changed, &samples), with, "{role:?}");
    }
}

#[test]
fn presets_on_their_default_hop() {
    for (name, hop) in [
        ("nano", 2187),
        ("nano", 729),
        ("nano", 1000),
        ("3^5", 27),
        ("2^6", 8),
        ("rese-nano", 2187),
    ] {
        let arch = models::arch::preset(name, 5).unwrap();
        let parts = random::model(&arch, 3);
        let bytes = parts.encode();
        let model = Model::parse(&bytes).unwrap();
        let mut memory = vec![u32::MAX; memory_words(&model, hop).unwrap()];
        let mut engine = Engine::new(&model, hop, &mut memory).unwrap();
        let samples = random::Noise(9).samples(arch.window as usize + 9 * hop as usize);
        let found = stream(&mut engine, &samples, &[256]);
        assert_eq!(found.len(), 10);
        assert_eq!(found, expected(&parts, &samples, hop as usize), "{name}, hop {hop}");
    }
}

#[test]
fn too_little_memory_is_refused() {
    let parts = random::model(&models::arch::preset("2^4", 3).unwrap(), 1);
    let bytes = parts.encode();
    let model = Model::parse(&bytes).unwrap();
    let needed = memory_words(&model, 4).unwrap();
    let mut memory = vec![0; needed - 1];
    let refused = Engine::new(&model, 4, &mut memory).unwrap_err();
    assert_eq!(refused, EngineError::Memory { needed, given: needed - 1 });
    assert_eq!(Engine::new(&model, 0, &mut memory).unwrap_err(), EngineError::NoHop);
}
