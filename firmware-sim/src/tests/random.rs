//! Random networks, weights and sounds.

use models::arch::{ArchSpec, Block, BlockKind, Head, Stem, Task};
use models::meta::DecisionDefaults;
use models::q8::{LayerParts, Parts};
use models::quant::Factor;
use proptest::prelude::*;
use std::string::{String, ToString};
use std::vec::Vec;

/// Networks of a few columns: kernels with and without padding, pools that drop columns.
pub(crate) fn arch() -> impl Strategy<Value = ArchSpec> {
    let block = (1..9u16, 1..6u8, 1..4u8);
    let blocks = prop::collection::vec(block, 1..5);
    let stem = (1..9u16, 1..6u8, 1..5u8);
    (stem, blocks, 1..9u16, 2..6u16, 60..600u32, any::<bool>())
        .prop_map(|(stem, blocks, head, classes, window, multi_label)| ArchSpec {
            sample_rate_hz: 16_000,
            window,
            stem: Stem { channels: stem.0, kernel: stem.1, stride: stem.2 },
            blocks: blocks
                .into_iter()
                .map(|(channels, kernel, pool)| {
                    let kind = BlockKind::Basic;
                    Block { channels, kernel, pool, kind }
                })
                .collect(),
            head: Head { channels: head, levels: 0 },
            classes,
            task: if multi_label { Task::MultiLabel } else { Task::MultiClass },
        })
        .prop_filter("a network", |arch| arch.layers().is_ok())
}

/// A generator of numbers that look random.
pub(crate) struct Noise(pub u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as u32
    }

    pub(crate) fn samples(&mut self, count: usize) -> Vec<i16> {
        (0..count).map(|_| self.next() as i16).collect()
    }
}

/// A model with random numbers, its activations spread over the range of 8 or 16 bits.
pub(crate) fn model(arch: &ArchSpec, seed: u64) -> Parts {
    let mut noise = Noise(seed);
    let table = arch.layers().unwrap();
    let last = table.layers.len() - 1;
    let mut input_limit = 32_767.0;
    let mut layers = Vec::new();
    for (index, layer) in table.layers.iter().enumerate() {
        let products = layer.in_channels * layer.kernel;
        let limit = if noise.next().is_multiple_of(2) { 127 } else { 5_000 };
        // What brings a typical sum into the range; of the classifier, to logits of a few units.
        let typical = 40.0 * f64::from(input_limit) * (products as f64).sqrt();
        let wanted = if index == last { 3_000.0 } else { f64::from(limit) };
        let outputs = layer.out_channels;
        layers.push(LayerParts {
            weights: (0..outputs * products).map(|_| noise.next() as i8).collect(),
            biases: (0..outputs).map(|_| (noise.next() as i16).into()).collect(),
            factors: (0..outputs).map(|_| Factor::from_real(wanted / typical).unwrap()).collect(),
            limit,
            scale: 1.0,
        });
        input_limit = f32::from(limit);
    }
    let labels: Vec<String> = (0..arch.classes).map(|class| class.to_string()).collect();
    Parts {
        preset: "random".into(),
        arch: arch.clone(),
        decision: DecisionDefaults::for_labels(&labels, arch.sample_rate_hz),
        labels,
        seed,
        layers,
    }
}
