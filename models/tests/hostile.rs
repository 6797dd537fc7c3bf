//! No bytes make the reader of `.q8` files panic, and whatever it lets through is whole.
#![allow(clippy::unwrap_used)]

mod support;

use models::arch::{ArchSpec, Block, BlockKind, Head, LayerName, Stem, Streaming, Task};
use models::q8::{FormatError, HEADER_LEN, MemoryPlan, Model, Parts};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use support::{container, mutate, networks};

/// Reads a file; of a model, everything that can be asked of it.
fn read(bytes: &[u8]) -> Result<(), FormatError> {
    let model = Model::parse(bytes)?;
    let arch = model.arch();
    let classes = usize::from(arch.classes);
    assert_eq!(model.labels().filter(|label| !label.is_empty()).count(), classes);
    assert_eq!(model.decision().thresholds().len(), classes);
    assert_eq!(model.decision().classes().len(), classes);
    assert!(model.decision().settings(arch.window).smoothing > 0);
    let table = arch.layers().unwrap();
    assert_eq!(model.layers().len(), arch.nodes().unwrap().len());
    for layer in model.layers() {
        let last = layer.shape.outputs - 1;
        assert_eq!(layer.row(last).len(), layer.shape.row());
        assert!(layer.factor(last).is_valid() && [8, 16].contains(&layer.bits()));
        let _ = layer.bias(last);
    }
    let strides = table.layers.iter().map(|layer| layer.stride as u32);
    for hop in strides.chain([1, model.decision().hop, arch.window, u32::MAX]) {
        let plan = MemoryPlan::new(&model, hop);
        assert!(plan.bytes() >= 2 * plan.samples);
        let cost = Streaming::new(arch, hop).unwrap().cost(&table);
        assert!(cost.per_hop() > 0);
    }
    assert!(MemoryPlan::for_windows(&model).bytes() >= 2 * arch.window as usize);
    Ok(())
}

/// The error has words as well.
fn survives(bytes: &[u8]) -> bool {
    read(bytes).map_err(|error| assert!(!error.to_string().is_empty())).is_ok()
}

/// A small network with every kind of layer.
fn small() -> Parts {
    let kind = BlockKind::Basic;
    let arch = ArchSpec {
        sample_rate_hz: 16_000,
        window: 300,
        stem: Stem::conv(3, 5, 4),
        blocks: [(4, 3, 2), (5, 2, 3)]
            .into_iter()
            .map(|(channels, kernel, pool)| Block { channels, kernel, pool, kind })
            .collect(),
        head: Head { channels: 3, levels: 0 },
        classes: 3,
        task: Task::MultiClass,
    };
    networks::model(&arch, 5)
}

fn sound_file() -> Vec<u8> {
    small().encode()
}

#[test]
fn every_truncation_is_refused() {
    let whole = sound_file();
    for len in 0..whole.len() {
        let error = read(&whole[..len]).unwrap_err();
        let wanted = match len {
            0..4 => FormatError::NotQ8,
            4..HEADER_LEN => FormatError::Truncated { needed: HEADER_LEN as u64 },
            _ => FormatError::Truncated { needed: whole.len() as u64 },
        };
        assert_eq!(error, wanted, "{len} bytes");
    }
    assert_eq!(read(&whole), Ok(()));
}

#[test]
fn every_body_cut_short_is_malformed() {
    let whole = sound_file();
    let body_len = u32::from_le_bytes(whole[12..16].try_into().unwrap()) as usize;
    let data_start = (HEADER_LEN + body_len).next_multiple_of(16);
    let body = &whole[HEADER_LEN..HEADER_LEN + body_len];
    for len in 0..body_len {
        let short = container::seal(&body[..len], &whole[data_start..]);
        assert_eq!(read(&short), Err(FormatError::Malformed), "{len} bytes");
    }
    assert_eq!(container::seal(body, &whole[data_start..]), whole);
}

#[test]
fn data_of_another_length_is_refused() {
    let whole = sound_file();
    let body_len = u32::from_le_bytes(whole[12..16].try_into().unwrap()) as usize;
    let data = &whole[(HEADER_LEN + body_len).next_multiple_of(16)..];
    let body = &whole[HEADER_LEN..HEADER_LEN + body_len];
    let needed = data.len() as u64;
    for len in (0..data.len()).chain([data.len() + 1, data.len() + 4]) {
        let mut other = data.to_vec();
        other.resize(len, 0);
        let error = read(&container::seal(body, &other)).unwrap_err();
        assert_eq!(error, FormatError::DataLength { needed }, "{len} bytes");
    }
}

#[test]
fn bytes_behind_the_end_are_not_looked_at() {
    let mut bytes = sound_file();
    bytes.extend([0xFF; 100]);
    assert_eq!(read(&bytes), Ok(()));
}

#[test]
fn what_the_header_says_is_checked() {
    let changed = |at: usize, value: u8| {
        let mut bytes = sound_file();
        bytes[at] = value;
        container::repair(&mut bytes);
        read(&bytes).unwrap_err()
    };
    assert_eq!(changed(0, b'a'), FormatError::NotQ8);
    assert_eq!(changed(4, 1), FormatError::Version(1));
    assert_eq!(changed(5, 1), FormatError::Version(258));
    let mut damaged = sound_file();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(read(&damaged), Err(FormatError::Checksum));
}

/// Encodes a model with one thing changed.
fn parts_with(change: impl FnOnce(&mut Parts)) -> Result<(), FormatError> {
    let mut parts = small();
    change(&mut parts);
    read(&parts.encode())
}

#[test]
fn what_the_body_says_is_checked() {
    assert_eq!(parts_with(|_| ()), Ok(()));
    assert_eq!(parts_with(|p| p.labels[1].clear()), Err(FormatError::Labels));
    assert_eq!(parts_with(|p| p.labels.truncate(2)), Err(FormatError::Labels));
    assert_eq!(parts_with(|p| p.labels[0].push('\n')), Err(FormatError::Labels));
    assert_eq!(parts_with(|p| p.decision.hop = 0), Err(FormatError::Decision));
    assert_eq!(parts_with(|p| p.decision.smoothing = 0), Err(FormatError::Decision));
    assert_eq!(parts_with(|p| p.decision.min_count = 0), Err(FormatError::Decision));
    assert_eq!(parts_with(|p| p.decision.release = 0.0), Err(FormatError::Decision));
    assert_eq!(parts_with(|p| p.decision.gate = u32::MAX), Err(FormatError::Decision));
    assert_eq!(parts_with(|p| p.decision.cooldowns = vec![1]), Err(FormatError::Decision));
    assert_eq!(parts_with(|p| p.decision.cooldowns = vec![u32::MAX; 3]), Ok(()));
    assert_eq!(parts_with(|p| p.decision.thresholds.truncate(2)), Err(FormatError::Decision));
    let stem = Err(FormatError::Layer(LayerName::Stem));
    assert_eq!(parts_with(|p| p.layers[0].limit = 0), stem);
    assert_eq!(parts_with(|p| p.layers[0].limit = 32_768), stem);
    assert_eq!(parts_with(|p| p.layers[0].factors[0].shift = 0), stem);
    assert_eq!(parts_with(|p| p.layers[0].factors[0].shift = 63), stem);
    assert_eq!(parts_with(|p| p.layers[0].factors[0].multiplier = -1), stem);
    assert_eq!(parts_with(|p| p.layers[0].factors[0].multiplier = (1 << 30) - 1), stem);
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(parts_with(|p| p.layers[0].scale = scale), stem);
    }
}

#[test]
fn a_small_file_can_ask_for_more_memory_than_32_bits_can_count() {
    let mut parts = small();
    let kind = BlockKind::Basic;
    parts.arch.window = 1 << 24;
    parts.arch.stem = Stem::conv(256, 1, 1);
    parts.arch.blocks =
        [255, 255].map(|pool| Block { channels: 1, kernel: 1, pool, kind }).into_iter().collect();
    let bytes = networks::model(&parts.arch, 1).encode();
    assert!(bytes.len() < 8 << 10);
    let model = Model::parse(&bytes).unwrap();
    // The stem's columns are shared, and a window of them is kept.
    let needed = u64::from(parts.arch.window) * 256;
    let bytes = MemoryPlan::new(&model, 1).bytes();
    assert!(bytes as u64 > needed || bytes == usize::MAX, "{bytes} bytes");
}

/// Shares of files that are sound, so that the properties below are known to reach what is behind the
/// checks.
#[test]
fn some_hostile_files_are_models() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut sound = |strategy: BoxedStrategy<Vec<u8>>| {
        let files = (0..300).map(|_| strategy.new_tree(&mut runner).unwrap().current());
        files.filter(|bytes| survives(bytes)).count()
    };
    assert!(sound(mutate::flipped().boxed()) >= 20);
    assert!(sound(mutate::numbers().boxed()) >= 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn flipped_bytes(bytes in mutate::flipped()) {
        survives(&bytes);
    }

    #[test]
    fn garbage_under_a_valid_header(bytes in mutate::garbage()) {
        survives(&bytes);
    }

    #[test]
    fn hostile_lengths(bytes in mutate::lengths()) {
        survives(&bytes);
    }

    #[test]
    fn hostile_numbers(bytes in mutate::numbers()) {
        survives(&bytes);
    }

    #[test]
    fn sound_models_come_back(arch in networks::arch(), seed: u64) {
        let bytes = networks::model(&arch, seed).encode();
        prop_assert_eq!(read(&bytes), Ok(()));
        let model = Model::parse(&bytes).unwrap();
        prop_assert_eq!(model.arch(), &arch);
    }
}
