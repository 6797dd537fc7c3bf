//! Random networks with random numbers.

use models::arch::{ArchSpec, Block, BlockKind, Head, Stem, Task};
use models::meta::DecisionDefaults;
use models::q8::{LayerParts, Parts};
use models::quant::Factor;
use proptest::prelude::*;

/// Numbers of 8 bits, most of them small.
fn size() -> impl Strategy<Value = u8> {
    prop_oneof![6 => 1..5u8, 1 => 1..=255u8]
}

/// Networks with kernels, strides and pools of any size, short windows and few channels.
pub(crate) fn arch() -> impl Strategy<Value = ArchSpec> {
    let block = (1..6u16, size(), size());
    let blocks = prop::collection::vec(block, 1..=16);
    (1..6u16, size(), size(), blocks, 1..6u16, 2..5u16, 1..4000u32, any::<bool>()).prop_filter_map(
        "a network",
        |(channels, kernel, stride, blocks, head, classes, window, multi_label)| {
            let mut arch = ArchSpec {
                sample_rate_hz: 16_000,
                window,
                stem: Stem::conv(channels, kernel.into(), stride.into()),
                blocks: heapless::Vec::new(),
                head: Head { channels: head, levels: 0 },
                classes,
                task: if multi_label { Task::MultiLabel } else { Task::MultiClass },
            };
            // As many blocks as the window has columns for.
            for (channels, kernel, pool) in blocks {
                let kind = BlockKind::Basic;
                let before = arch.blocks.clone();
                arch.blocks.push(Block { channels, kernel, pool, kind }).ok()?;
                if arch.layers().is_err() {
                    arch.blocks = before;
                }
            }
            arch.layers().is_ok().then_some(arch)
        },
    )
}

/// A generator of numbers that look random.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as u32
    }
}

/// A model whose weights, biases and factors are noise, with a threshold that is often reached.
pub(crate) fn model(arch: &ArchSpec, seed: u64) -> Parts {
    let mut noise = Noise(seed);
    let table = arch.layers().unwrap();
    let last = table.layers.len() - 1;
    let mut layers = Vec::new();
    let mut input_limit = 32_767.0;
    for (index, layer) in table.layers.iter().enumerate() {
        let products = layer.in_channels * layer.kernel;
        let wide = noise.next().is_multiple_of(2);
        let limit = if wide { 5_000 } else { 127 };
        // What brings a typical sum into the range; of the classifier, to logits of a few units.
        let typical = 40.0 * input_limit * (products as f64).sqrt();
        let wanted = if index == last { 3_000.0 } else { f64::from(limit) };
        let factor = Factor::from_real(wanted / typical).unwrap();
        input_limit = f64::from(limit);
        let outputs = layer.out_channels;
        layers.push(LayerParts {
            weights: (0..outputs * products).map(|_| noise.next() as i8).collect(),
            biases: (0..outputs).map(|_| (noise.next() as i8).into()).collect(),
            factors: vec![factor; outputs],
            limit,
            scale: 0.5,
        });
    }
    let labels: Vec<String> = (0..arch.classes).map(|class| format!("class {class}")).collect();
    let mut decision = DecisionDefaults::for_labels(&labels, arch.sample_rate_hz);
    decision.hop = (arch.window / 3).max(1);
    decision.suppression = arch.window;
    decision.thresholds.fill(Some(0.4));
    Parts { preset: "random".into(), arch: arch.clone(), labels, decision, seed, layers }
}

/// A small network that hears all sorts of things in noise.
pub(crate) fn talkative() -> Parts {
    let kind = BlockKind::Basic;
    let arch = ArchSpec {
        sample_rate_hz: 8_000,
        window: 120,
        stem: Stem::conv(3, 4, 4),
        blocks: [Block { channels: 4, kernel: 3, pool: 2, kind }].into_iter().collect(),
        head: Head { channels: 3, levels: 0 },
        classes: 3,
        task: Task::MultiClass,
    };
    let mut parts = model(&arch, 0);
    parts.decision.hop = 40;
    parts.decision.smoothing = 1;
    parts.decision.suppression = 80;
    parts.decision.thresholds[2] = None;
    parts
}
