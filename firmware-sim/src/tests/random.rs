//! Random networks, weights and sounds.

use models::arch::{Activation, Alpha, ArchSpec, Block, BlockKind, Head, Op, Stem, Task};
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
    // Filters of a few samples, and of whole frames.
    let reach = prop_oneof![5 => (1..6u16, 1..5u16), 1 => (20..300u16, 10..150u16)];
    let stem = (1..9u16, reach).prop_map(|(channels, (kernel, stride))| (channels, kernel, stride));
    (stem, blocks, 1..9u16, 2..6u16, 60..600u32, any::<bool>())
        .prop_map(|(stem, blocks, head, classes, window, multi_label)| ArchSpec {
            sample_rate_hz: 16_000,
            window,
            stem: Stem::conv(stem.0, stem.1, stem.2),
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

/// The same with blocks of any kind and any head.
pub(crate) fn any_arch() -> impl Strategy<Value = ArchSpec> {
    let alpha = prop_oneof![(1..4u8).prop_map(Alpha::Times), (1..9u8).prop_map(Alpha::Over)];
    let kind = (0..6usize, alpha).prop_map(|(kind, alpha)| match kind {
        0 => BlockKind::Basic,
        1 => BlockKind::Se(alpha),
        2 => BlockKind::Res1,
        3 => BlockKind::Res2,
        4 => BlockKind::ReSe1(alpha),
        _ => BlockKind::ReSe2(alpha),
    });
    let kinds = prop::collection::vec(kind, 4);
    let network = (arch(), kinds, 0..4u8).prop_map(|(mut arch, kinds, levels)| {
        arch.blocks.iter_mut().zip(kinds).for_each(|(block, kind)| block.kind = kind);
        arch.head.levels = levels;
        arch
    });
    network.prop_filter("a network", |arch| arch.layers().is_ok())
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
    let nodes = arch.nodes().unwrap();
    let last = nodes.len() - 1;
    let mut layers: Vec<LayerParts> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let limits = node.operands.iter().map(|operand| f64::from(layers[*operand].limit));
        let limits: Vec<f64> = limits.collect();
        let input_limit = limits.first().copied().unwrap_or(32_767.0);
        let signed = matches!(node.op, Op::Conv { activation: Activation::None, .. } | Op::Mean);
        let narrow = noise.next().is_multiple_of(2) && !signed;
        let limit = if narrow { 127 } else { 5_000 };
        let factor = |real: f64| Factor::from_real(real).unwrap();
        let (outputs, wanted) = (node.out_channels, f64::from(limit));
        let (products, factors) = match node.op {
            Op::Conv { kernel, activation, .. } => {
                let products = node.in_channels * kernel;
                // What brings a typical sum into the range; of logits, to a few units.
                let logits = index == last || activation == Activation::Sigmoid;
                let wanted = if logits { 3_000.0 } else { wanted };
                let typical = 40.0 * input_limit * (products as f64).sqrt();
                (products, std::vec![factor(wanted / typical); outputs])
            }
            Op::Mel { .. } => unreachable!("models in integers have no mel spectra"),
            Op::Mean => (0, std::vec![factor(4.0 * wanted / input_limit / node.in_len as f64)]),
            Op::Join { gated, residual, .. } => {
                let gate = if gated { 2.0 / 32_768.0 } else { 1.0 };
                let scale = |limit: f64| 256.0 * wanted / limit;
                let mut factors = std::vec![factor(gate * scale(limits[0]))];
                if residual {
                    factors.push(factor(0.7 * scale(limits[limits.len() - 1])));
                }
                (0, factors)
            }
            Op::Peaks => (0, limits.iter().map(|limit| factor(wanted / limit)).collect()),
        };
        let biases = if products == 0 { factors.len() } else { outputs };
        layers.push(LayerParts {
            weights: (0..outputs * products).map(|_| noise.next() as i8).collect(),
            biases: (0..biases).map(|_| (noise.next() as i16).into()).collect(),
            factors,
            limit,
            scale: 1.0,
        });
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
