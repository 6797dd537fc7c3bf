//! A small model whose posteriors depend on every sample.

use models::arch::{ArchSpec, Block, BlockKind, Head, Stem, Task};
use models::meta::DecisionDefaults;
use models::q8::{LayerParts, Parts};
use models::quant::Factor;

/// Samples between two windows of the model.
pub(crate) const HOP: usize = 81;
/// Samples of a window of the model.
pub(crate) const WINDOW: usize = 1000;

/// A generator of numbers that look random.
pub(crate) struct Noise(pub u64);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as u32
    }

    pub(crate) fn samples(&mut self, count: usize) -> Vec<i16> {
        (0..count).map(|_| self.next() as i16).collect()
    }
}

/// The network: four levels that windows share and one that they do not.
fn arch() -> ArchSpec {
    let block = |channels, pool| Block { channels, kernel: 3, pool, kind: BlockKind::Basic };
    ArchSpec {
        sample_rate_hz: 16_000,
        window: WINDOW as u32,
        stem: Stem::conv(4, 3, 3),
        blocks: vec![block(6, 3), block(8, 3), block(5, 3), block(8, 2)].into_iter().collect(),
        head: Head { channels: 6, levels: 0 },
        classes: 3,
        task: Task::MultiClass,
    }
}

/// A bias that does not drown what depends on the input.
fn small(random: u32, input_limit: f64) -> i32 {
    (f64::from(random as i16) * input_limit / 32_767.0) as i32
}

/// Random weights, and decisions that make many events.
pub(crate) fn parts() -> Parts {
    let arch = arch();
    let table = arch.layers().unwrap();
    let mut noise = Noise(12);
    let mut input_limit = 32_767.0;
    let mut layers = Vec::new();
    for (index, layer) in table.layers.iter().enumerate() {
        let (products, outputs) = (layer.in_channels * layer.kernel, layer.out_channels);
        let limit = if index % 2 == 1 { 127 } else { 5_000 };
        // What brings a typical sum into the range; of the classifier, to logits of a few units.
        let typical = 40.0 * input_limit * (products as f64).sqrt();
        let wanted = if index + 1 == table.layers.len() { 3_000.0 } else { f64::from(limit) };
        layers.push(LayerParts {
            weights: (0..outputs * products).map(|_| noise.next() as i8).collect(),
            biases: (0..outputs).map(|_| small(noise.next(), input_limit)).collect(),
            factors: vec![Factor::from_real(wanted / typical).unwrap(); outputs],
            limit,
            scale: 1.0,
        });
        input_limit = f64::from(limit);
    }
    let labels: Vec<String> = ["go", "st\"op", "_silence_"].map(str::to_owned).into();
    let mut decision = DecisionDefaults::for_labels(&labels, 16_000);
    (decision.hop, decision.smoothing, decision.suppression) = (HOP as u32, 2, 200);
    decision.thresholds = vec![Some(0.4), Some(0.4), None];
    Parts { preset: "test".into(), arch, labels, decision, seed: 1, layers }
}
