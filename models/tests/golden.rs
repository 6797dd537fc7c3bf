//! The bytes of a file of version 2, as `docs/model-format.md` describes them.
#![allow(clippy::unwrap_used)]

use models::arch::{ArchSpec, Block, BlockKind, Head, Stem, Task};
use models::meta::DecisionDefaults;
use models::q8::{FormatError, LayerParts, Model, Parts, padded, with_decision};
use models::quant::Factor;
use models::stream::{ClassSettings, NEVER, ONE};

/// A file in hexadecimal; what follows a `#` is a comment.
const SMALL: &str = include_str!("golden/version-2.hex");
/// What the same file was before.
const VERSION_1: &str = include_str!("golden/version-1.hex");

fn bytes(text: &str) -> Vec<u8> {
    let code = text.lines().flat_map(|line| line.split('#').next());
    let digits = code.flat_map(str::split_whitespace);
    digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}

fn golden() -> Vec<u8> {
    bytes(SMALL)
}

/// Numbers that tell where they belong: weights count up from `first`, and so do the others.
fn layer(outputs: usize, row: usize, first: i8, limit: u16, scale: f32) -> LayerParts {
    let count = outputs as i32;
    let weights = (0..outputs * row).map(|index| first.wrapping_add(index as i8)).collect();
    let biases = (0..count).map(|index| (index - 1) * 1000 * i32::from(first)).collect();
    let factor = |index| Factor { multiplier: (1 << 30) + index, shift: 30 + index as u8 };
    LayerParts { weights, biases, factors: (0..count).map(factor).collect(), limit, scale }
}

fn small() -> Parts {
    Parts {
        preset: "small".into(),
        arch: ArchSpec {
            sample_rate_hz: 16_000,
            window: 300,
            stem: Stem::conv(2, 3, 40),
            blocks: [Block { channels: 3, kernel: 2, pool: 3, kind: BlockKind::Basic }]
                .into_iter()
                .collect(),
            head: Head { channels: 2, levels: 0 },
            classes: 2,
            task: Task::MultiLabel,
        },
        labels: vec!["ja".into(), "nö".into()],
        decision: DecisionDefaults {
            hop: 120,
            smoothing: 3,
            min_count: 2,
            release: 0.5,
            warm_up: 1,
            suppression: 16_000,
            cooldowns: vec![24_000, 0],
            gate: 1000,
            thresholds: vec![Some(0.5), None],
        },
        seed: 1 << 40,
        layers: vec![
            layer(2, 3, 1, 127, 0.5),
            layer(3, 2 * 2, -6, 32_767, 0.25),
            layer(2, 3, 100, 300, 2.0),
            layer(2, 2 * 2, -128, 32_767, 1.0 / 1024.0),
        ],
    }
}

#[test]
fn the_writer_makes_the_golden_bytes() {
    let bytes = small().encode();
    let hex: Vec<String> = bytes.chunks(16).map(|row| format!("{row:02x?}")).collect();
    assert_eq!(bytes, golden(), "it made\n{}", hex.join("\n"));
}

#[test]
fn the_reader_gives_the_numbers_back() {
    let (bytes, parts) = (golden(), small());
    let model = Model::parse(&bytes).unwrap();
    assert_eq!((model.preset(), model.arch(), model.seed()), ("small", &parts.arch, 1 << 40));
    assert_eq!(model.labels().collect::<Vec<_>>(), ["ja", "nö"]);
    let decision = model.decision();
    assert_eq!(decision.settings(300), parts.decision.settings(300));
    assert_eq!((decision.hop, decision.warm_up), (120, 1));
    assert_eq!(decision.thresholds().collect::<Vec<_>>(), [ONE / 2, NEVER]);
    let classes: Vec<ClassSettings> = parts.decision.classes().collect();
    assert_eq!(decision.classes().collect::<Vec<_>>(), classes);
    assert_eq!((classes[0].cooldown, decision.gate), (24_000, 1000));
    assert_eq!(decision.defaults(), parts.decision);
    assert_eq!(model.layers().len(), parts.layers.len());
    for (layer, wanted) in model.layers().iter().zip(&parts.layers) {
        assert_eq!((layer.limit, layer.scale), (wanted.limit, wanted.scale));
        let (outputs, inputs) = (layer.shape.outputs, layer.shape.inputs);
        let rows = (0..outputs).flat_map(|output| layer.row(output).chunks(padded(inputs)));
        let weights = rows.flat_map(|tap| &tap[..inputs]).map(|weight| weight.cast_signed());
        assert_eq!(weights.collect::<Vec<i8>>(), wanted.weights);
        let biases: Vec<i32> = (0..outputs).map(|output| layer.bias(output)).collect();
        let factors: Vec<Factor> = (0..outputs).map(|output| layer.factor(output)).collect();
        assert_eq!((biases, factors), (wanted.biases.clone(), wanted.factors.clone()));
    }
}

#[test]
fn files_of_other_versions_are_refused() {
    let error = Model::parse(&bytes(VERSION_1)).unwrap_err();
    assert_eq!(error, FormatError::Version(1));
    assert_eq!(
        error.to_string(),
        "the model has format version 1, this program reads version 2; export it again"
    );
}

#[test]
fn data_begins_at_a_multiple_of_16() {
    let bytes = golden();
    let body_len = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let data_len = u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
    assert_eq!((20 + body_len).next_multiple_of(16) + data_len, bytes.len());
}

#[test]
fn a_decision_is_replaced_and_nothing_else() {
    let decision = DecisionDefaults {
        hop: 7,
        smoothing: 4,
        suppression: 99,
        cooldowns: Vec::new(),
        thresholds: vec![None, Some(0.75)],
        ..small().decision
    };
    let parts = Parts { decision: decision.clone(), ..small() };
    let mut bytes = golden();
    bytes.extend([1, 2, 3]);
    assert_eq!(with_decision(&bytes, &decision).unwrap(), parts.encode());
    let foreign = DecisionDefaults { thresholds: vec![None; 3], ..decision };
    assert_eq!(with_decision(&bytes, &foreign), Err(FormatError::Decision));
    bytes[30] ^= 1;
    assert_eq!(with_decision(&bytes, &foreign), Err(FormatError::Checksum));
}
