//! What the filters of a network respond to.
//!
//! For each filter the waveform is looked for that it responds to most (*activation maximisation*): from noise, by steps
//! along the gradient. What is told of it is its spectrum.
//!
//! Source: Kim, Lee, Nam, "Comparison and analysis of SampleCNN architectures for audio classification" (2019),
//! section 4; Erhan et al., "Visualizing higher-layer features of a deep network" (2009).

use burn::module::Module as _;
use burn::tensor::{Tensor, TensorData};
use models::arch::{ArchSpec, LayerName, Node};
use rand::RngExt as _;
use serde::Serialize;

use super::spectrum::Spectrum;
use crate::draw;
use crate::net::{Compute, Network};

/// Waveforms that climb at a time.
const BATCH: usize = 32;
/// The noise to start from lies in minus to plus half of this.
const NOISE: f32 = 0.03;
/// Length of the papers' waveforms in samples: 3^6.
pub const SAMPLES: usize = 729;

/// How the waveforms are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Ascent {
    /// Length of the waveforms in samples.
    pub samples: usize,
    /// Steps along the gradient, each one with a root mean square of 1.
    pub steps: u32,
    /// Seed of the noise to start from.
    pub seed: u64,
}

/// What one filter responds to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Filter {
    /// Which filter of the layer, from 0.
    pub filter: usize,
    /// Frequency of the spectrum's largest value.
    pub peak_hz: f32,
    /// The layer's output for the waveform that was found, the mean over its columns.
    pub activation: f32,
    /// log10(1 + 10·power) from 0 Hz to half the rate.
    pub spectrum: Vec<f32>,
}

/// What the filters of a layer respond to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerFilters {
    /// The layer.
    pub layer: String,
    /// Its filters, sorted by the frequency of their peak.
    pub filters: Vec<Filter>,
    /// Filters that respond to nothing that was tried.
    pub silent: Vec<usize>,
}

impl LayerFilters {
    /// The peak below which the share `share` of the filters lies, in Hz; `None` without filters.
    #[must_use]
    pub fn peak_at(&self, share: f64) -> Option<f32> {
        let last = self.filters.len().checked_sub(1)?;
        Some(self.filters[(share * last as f64).round() as usize].peak_hz)
    }

    /// Share of the filters whose peak is below `hz`.
    #[must_use]
    pub fn share_below(&self, hz: f32) -> f64 {
        let below = self.filters.iter().filter(|filter| filter.peak_hz < hz).count();
        below as f64 / self.filters.len().max(1) as f64
    }

    /// The mean share of a spectrum that reaches half of its largest value: small for a line, large for a pattern of
    /// many.
    #[must_use]
    pub fn breadth(&self) -> f64 {
        let breadth = |filter: &Filter| {
            let largest = filter.spectrum.iter().fold(0.0f32, |a, b| a.max(*b));
            let count = filter.spectrum.iter().filter(|value| **value >= largest / 2.0).count();
            count as f64 / filter.spectrum.len() as f64
        };
        self.filters.iter().map(breadth).sum::<f64>() / self.filters.len().max(1) as f64
    }
}

/// The stem and the blocks, at most `most`, and the samples that the last one of them needs for a column. Only
/// those that get along with `samples`, if that is told.
///
/// # Errors
/// The architecture is none.
pub fn layers(
    arch: &ArchSpec,
    most: usize,
    samples: Option<usize>,
) -> Result<(Vec<LayerName>, usize), models::arch::ArchError> {
    let table = arch.layers()?;
    let stem = table.layers[0];
    let (mut names, mut needed) = (Vec::new(), 0);
    // Nothing of a mel spectrum is learnt.
    let first = usize::from(arch.stem.mel);
    for layer in table.layers[first..table.layers.len() - 2].iter().take(most) {
        let needs = layer.stride - stem.stride + stem.kernel;
        if samples.is_none_or(|samples| needs <= samples) {
            names.push(layer.name);
            needed = needs;
        }
    }
    Ok((names, needed))
}

/// The node that makes a layer's output, and how many channels it has.
///
/// # Panics
/// If there is no such layer.
#[must_use]
pub fn output(net: &Network, layer: LayerName) -> (usize, usize) {
    let of_layer = |node: &Node| node.layer == layer;
    let node = net.nodes().iter().rposition(of_layer).expect("a layer of the network");
    (node, net.nodes()[node].out_channels)
}

/// What the filters of one layer respond to. `net` is on the training device of `compute`, whose layers are Burn's
/// own ([`Compute::cpu_plain`]); `each` is told about every batch of filters.
///
/// # Panics
/// If the waveforms are too short for the layer, or there is no such layer.
#[must_use]
pub fn look(
    net: &Network,
    layer: LayerName,
    rate_hz: u32,
    ascent: Ascent,
    compute: &Compute,
    mut each: impl FnMut(usize),
) -> LayerFilters {
    let net = net.clone().no_grad();
    let (node, channels) = output(&net, layer);
    let spectrum = Spectrum::new(ascent.samples);
    let hz = rate_hz as f32 / ascent.samples as f32;
    let (mut filters, mut silent) = (Vec::new(), Vec::new());
    let all: Vec<usize> = (0..channels).collect();
    for batch in all.chunks(BATCH) {
        let (waveforms, activations) = climb(&net, node, batch, ascent, compute);
        for ((filter, waveform), activation) in
            batch.iter().zip(waveforms.chunks_exact(ascent.samples)).zip(activations)
        {
            if activation <= 0.0 || !activation.is_finite() {
                silent.push(*filter);
                continue;
            }
            let mean = waveform.iter().sum::<f32>() / waveform.len() as f32;
            let centred: Vec<f32> = waveform.iter().map(|sample| sample - mean).collect();
            let power = spectrum.power(&centred).into_iter();
            let spectrum: Vec<f32> = power.map(|power| (1.0 + 10.0 * power).log10()).collect();
            let peak_hz = crate::evaluate::predict::argmax(&spectrum) as f32 * hz;
            filters.push(Filter { filter: *filter, peak_hz, activation, spectrum });
        }
        each(batch.len());
    }
    filters.sort_by(|a, b| a.peak_hz.total_cmp(&b.peak_hz).then(a.filter.cmp(&b.filter)));
    LayerFilters { layer: layer.to_string(), filters, silent }
}

/// The waveforms of some filters one after the other, and what the filters make of them.
fn climb(
    net: &Network,
    node: usize,
    filters: &[usize],
    ascent: Ascent,
    compute: &Compute,
) -> (Vec<f32>, Vec<f32>) {
    let device = compute.training_device();
    let [count, channels] = [filters.len(), net.nodes()[node].out_channels];
    let mut chosen = vec![0.0f32; count * channels];
    for (row, filter) in chosen.chunks_exact_mut(channels).zip(filters) {
        row[*filter] = 1.0;
    }
    let chosen = TensorData::new(chosen, [count, 1, channels]);
    let chosen = Tensor::<3>::from_data(chosen, &device);
    let activations = |x: Tensor<2>| {
        let columns = net.columns(x, node, compute);
        // [B, V, C] to the mean over V of one channel a row: [B].
        (columns.mean_dim(1) * chosen.clone()).sum_dim(2).reshape([count])
    };
    let mut waveforms = noise(node, filters, ascent);
    let tensor = |waveforms: &[f32]| {
        let data = TensorData::new(waveforms.to_vec(), [count, ascent.samples]);
        Tensor::<2>::from_data(data, &device)
    };
    for _ in 0..ascent.steps {
        let x = tensor(&waveforms).require_grad();
        // The rows do not meet: the gradient of the sum is that of each.
        let gradients = activations(x.clone()).sum().backward();
        let Some(gradient) = x.grad(&gradients) else { break };
        let gradient = values(gradient);
        for (waveform, gradient) in
            waveforms.chunks_exact_mut(ascent.samples).zip(gradient.chunks_exact(ascent.samples))
        {
            let squares = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
            let rms = (squares / ascent.samples as f64).sqrt() as f32 + 1e-9;
            waveform.iter_mut().zip(gradient).for_each(|(sample, g)| *sample += g / rms);
        }
    }
    let found = values(activations(tensor(&waveforms)));
    (waveforms, found)
}

fn noise(node: usize, filters: &[usize], ascent: Ascent) -> Vec<f32> {
    let mut waveforms = Vec::with_capacity(filters.len() * ascent.samples);
    for filter in filters {
        let place = [node as u64, *filter as u64];
        let mut rng = draw::rng(ascent.seed, "filter noise", &place);
        waveforms.extend((0..ascent.samples).map(|_| (rng.random::<f32>() - 0.5) * NOISE));
    }
    waveforms
}

pub(super) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32 values")
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use burn::module::Param;
    use models::arch::{Block, BlockKind, Head, Stem, Task, preset};

    use super::super::spectrum::hann;
    use super::*;

    const ASCENT: Ascent = Ascent { samples: SAMPLES, steps: 20, seed: 3 };

    /// Band passes of 64 samples in the stem.
    fn band_passes(centres_hz: &[f32], compute: &Compute) -> (ArchSpec, Network) {
        let (channels, kernel) = (centres_hz.len() as u16, 64);
        let arch = ArchSpec {
            sample_rate_hz: 16_000,
            window: 729,
            stem: Stem::conv(channels, kernel, 1),
            blocks: [Block { channels: 2, kernel: 3, pool: 3, kind: BlockKind::Basic }]
                .into_iter()
                .collect(),
            head: Head { channels: 2, levels: 0 },
            classes: 2,
            task: Task::MultiClass,
        };
        let mut net = Network::new(&arch, 0, compute).unwrap();
        let taps = hann(kernel.into());
        let filter = |hz: &f32| {
            let step = TAU * hz / 16_000.0;
            taps.iter()
                .enumerate()
                .map(|(i, w)| w * (step * i as f32).cos() / 16.0)
                .collect::<Vec<_>>()
        };
        let weights: Vec<f32> = centres_hz.iter().flat_map(filter).collect();
        let weights = TensorData::new(weights, [centres_hz.len(), 1, kernel.into()]);
        net.layers[0].weight = Param::from_data(weights, &compute.training_device());
        (arch, net)
    }

    #[test]
    fn band_passes_are_found_at_their_frequency_and_sorted() {
        let compute = Compute::cpu_plain();
        let centres = [3000.0, 500.0, 6500.0, 1200.0];
        let (_, net) = band_passes(&centres, &compute);
        let found = look(&net, LayerName::Stem, 16_000, ASCENT, &compute, |_| {});
        let order: Vec<usize> = found.filters.iter().map(|filter| filter.filter).collect();
        assert_eq!((order, found.silent.len()), (vec![1, 3, 0, 2], 0));
        for filter in &found.filters {
            let wanted = centres[filter.filter];
            assert!((filter.peak_hz - wanted).abs() < 150.0, "{wanted}: {}", filter.peak_hz);
            assert_eq!(filter.spectrum.len(), 365);
            assert!(filter.activation > 1.0);
        }
        assert_eq!(found.share_below(2000.0), 0.5);
        assert!(found.breadth() < 0.5 && found.peak_at(1.0) > found.peak_at(0.0));
    }

    #[test]
    fn filters_that_respond_to_nothing_are_told_apart() {
        let compute = Compute::cpu_plain();
        let (_, mut net) = band_passes(&[1000.0, 2000.0], &compute);
        let shift = TensorData::new(vec![0.0f32, -1e9], [2]);
        net.layers[0].beta = Param::from_data(shift, &compute.training_device());
        let found = look(&net, LayerName::Stem, 16_000, ASCENT, &compute, |_| {});
        assert_eq!((found.filters.len(), found.silent), (1, vec![1]));
    }

    #[test]
    fn every_kind_of_block_can_be_looked_into_and_gives_the_same_again() {
        let compute = Compute::cpu_plain();
        for name in ["nano", "se-nano", "rese-nano", "res2-scene"] {
            let mut arch = preset(name, 4).unwrap();
            arch.blocks.iter_mut().for_each(|block| block.channels = block.channels.min(8));
            let net = Network::new(&arch, 1, &compute).unwrap();
            let (names, needed) = layers(&arch, 4, None).unwrap();
            assert_eq!((names.len(), needed), (4, 81), "{name}");
            let ascent = Ascent { samples: 81, steps: 2, seed: 1 };
            for layer in names {
                let once = look(&net, layer, 16_000, ascent, &compute, |_| {});
                assert!(!once.filters.is_empty(), "{name} {layer}");
                assert_eq!(once, look(&net, layer, 16_000, ascent, &compute, |_| {}));
                assert!(once.filters.is_sorted_by(|a, b| a.peak_hz <= b.peak_hz));
            }
        }
    }

    #[test]
    fn the_papers_samples_reach_six_layers() {
        let arch = preset("samplecnn-speech", 4).unwrap();
        let (names, needed) = layers(&arch, 6, None).unwrap();
        assert_eq!((names.len(), needed, names[5]), (6, SAMPLES, LayerName::Block(5)));
        assert_eq!(layers(&arch, 6, Some(100)).unwrap().0.len(), 4);
        assert_eq!(layers(&arch, 20, None).unwrap().0.len(), 9);
    }
}
