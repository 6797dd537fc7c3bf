//! Which part of a window made the network decide as it did.
//!
//! What is explained is a class's *log odds*, ln(p / (1 − p)) of its posterior p: they keep growing where the posterior
//! is close to 1 already. Two methods tell what each sample adds to them:
//!
//! - The *gradient* by the input times the input (Shrikumar et al., "Not just a black box", 2016), smoothed over 20 ms: how the
//!   log odds change with the sample's size.
//! - *Occlusion* (Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014): how much of them is
//!   lost when a stretch is replaced with silence.

use std::ops::Range;

use burn::module::Module as _;
use burn::tensor::{Tensor, TensorData};
use models::arch::Task;

use super::filters::values;
use super::spectrum::hann;
use crate::net::{Compute, Network};

/// Windows a forward pass.
const BATCH: usize = 32;
/// Smoothed over so many frames a second: 20 ms.
const SMOOTHING: u32 = 50;
/// Frames a second.
pub const FRAMES: u32 = 100;

/// What each 10 ms of a window add to the log odds of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// For each frame; below 0 where it speaks against the class.
    pub frames: Vec<f32>,
    /// Length of a frame in samples.
    pub frame_samples: usize,
}

impl Evidence {
    fn new(rate_hz: u32) -> Self {
        Self { frames: Vec::new(), frame_samples: (rate_hz / FRAMES).max(1) as usize }
    }

    /// The shortest row of frames that holds half of all that speaks for the class; `None` where nothing does.
    #[must_use]
    pub fn half(&self) -> Option<Range<usize>> {
        let positive = |frame: usize| f64::from(self.frames[frame].max(0.0));
        let half = (0..self.frames.len()).map(positive).sum::<f64>() / 2.0;
        let (mut start, mut sum, mut best) = (0, 0.0, None::<Range<usize>>);
        for end in 0..self.frames.len() {
            sum += positive(end);
            // What is left after the first frame of the row is dropped must still be half.
            while start < end && sum - positive(start) >= half {
                sum -= positive(start);
                start += 1;
            }
            let shorter = best.as_ref().is_none_or(|best| end + 1 - start < best.len());
            if sum >= half && half > 0.0 && shorter {
                best = Some(start..end + 1);
            }
        }
        best
    }
}

/// The log odds of `class`.
///
/// # Panics
/// If there is no such class.
#[must_use]
pub fn log_odds(logits: &[f32], class: usize, task: Task) -> f64 {
    let logit = f64::from(logits[class]);
    match task {
        Task::MultiLabel => logit,
        Task::MultiClass => {
            let others = || others(logits, class);
            let largest = others().fold(f64::NEG_INFINITY, |a, (_, b)| a.max(b));
            let sum: f64 = others().map(|(_, other)| (other - largest).exp()).sum();
            logit - largest - sum.ln()
        }
    }
}

/// The posterior that log odds stand for.
#[must_use]
pub fn posterior(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

fn others(logits: &[f32], class: usize) -> impl Iterator<Item = (usize, f64)> {
    let all = logits.iter().map(|logit| f64::from(*logit)).enumerate();
    all.filter(move |(index, _)| *index != class)
}

/// The derivatives of the log odds by the logits.
fn slopes(logits: &[f32], class: usize, task: Task) -> Vec<f32> {
    let mut slopes = vec![0.0; logits.len()];
    slopes[class] = 1.0;
    if task == Task::MultiClass {
        let largest = others(logits, class).fold(f64::NEG_INFINITY, |a, (_, b)| a.max(b));
        let sum: f64 = others(logits, class).map(|(_, other)| (other - largest).exp()).sum();
        for (index, other) in others(logits, class) {
            slopes[index] = -((other - largest).exp() / sum) as f32;
        }
    }
    slopes
}

/// Logits of windows that lie one after the other, a row a window. Takes a network from [`valid`](burn::module::Module::valid).
#[must_use]
pub fn logits(net: &Network, windows: &[f32], window: usize, compute: &Compute) -> Vec<Vec<f32>> {
    let mut rows = Vec::new();
    for batch in windows.chunks(BATCH * window) {
        let data = TensorData::new(batch.to_vec(), [batch.len() / window, window]);
        let x = Tensor::<2>::from_data(data, compute.inference_device());
        let logits = net.forward(x, compute);
        let [_, classes] = logits.dims();
        rows.extend(values(logits).chunks_exact(classes).map(<[f32]>::to_vec));
    }
    rows
}

/// The evidence by the gradient. `net` is on the training device of `compute`, whose layers are Burn's own
/// ([`Compute::cpu_plain`]).
///
/// # Panics
/// If there is no such class, or the window has another length than the network's.
#[must_use]
pub fn by_gradient(
    net: &Network,
    window: &[f32],
    (class, task): (usize, Task),
    rate_hz: u32,
    compute: &Compute,
) -> Evidence {
    let device = compute.training_device();
    let net = net.clone().no_grad();
    let data = TensorData::new(window.to_vec(), [1, window.len()]);
    let x = Tensor::<2>::from_data(data, &device).require_grad();
    let logits = net.forward(x.clone(), compute);
    let slopes = slopes(&values(logits.clone()), class, task);
    let slopes = TensorData::new(slopes.clone(), [1, slopes.len()]);
    let gradients = (logits * Tensor::from_data(slopes, &device)).sum().backward();
    let gradient = x.grad(&gradients).map_or_else(|| vec![0.0; window.len()], values);
    let shares: Vec<f32> = gradient.iter().zip(window).map(|(g, sample)| g * sample).collect();
    let shares = smooth(&shares, (rate_hz / SMOOTHING).max(1) as usize);
    let mut evidence = Evidence::new(rate_hz);
    evidence.frames =
        shares.chunks(evidence.frame_samples).map(|frame| frame.iter().sum()).collect();
    evidence
}

/// Spreads every value over its neighbours in the shape of a Hann window; the sum stays, but for what falls over the ends.
fn smooth(values: &[f32], width: usize) -> Vec<f32> {
    let shape = hann(width);
    let sum: f32 = shape.iter().sum();
    let mut smoothed = vec![0.0; values.len()];
    for (index, value) in values.iter().enumerate() {
        for (offset, weight) in shape.iter().enumerate() {
            let place = (index + offset).checked_sub(width / 2);
            if let Some(place) = place.and_then(|place| smoothed.get_mut(place)) {
                *place += value * weight / sum;
            }
        }
    }
    smoothed
}

/// The evidence by occlusion: stretches of `hidden` samples, one every frame. A frame's evidence is the mean over the stretches
/// that hide it. Takes a network from [`valid`](burn::module::Module::valid).
///
/// # Panics
/// If there is no such class, or the window has another length than the network's.
#[must_use]
pub fn by_occlusion(
    net: &Network,
    window: &[f32],
    (class, task): (usize, Task),
    rate_hz: u32,
    hidden: usize,
    compute: &Compute,
) -> Evidence {
    let mut evidence = Evidence::new(rate_hz);
    let frame = evidence.frame_samples;
    let frames = window.len().div_ceil(frame);
    let stretch = hidden.div_ceil(frame).max(1);
    // Stretches that begin before the window hide its start as often as its middle.
    let first = |number: usize| (number + 1).saturating_sub(stretch);
    let stretches: Vec<Range<usize>> =
        (0..frames + stretch - 1).map(|number| first(number)..(number + 1).min(frames)).collect();
    let whole = log_odds(&logits(net, window, window.len(), compute)[0], class, task);
    let (mut sums, mut counts) = (vec![0.0; frames], vec![0u32; frames]);
    for batch in stretches.chunks(BATCH) {
        let mut windows = window.repeat(batch.len());
        for (window, stretch) in windows.chunks_exact_mut(window.len()).zip(batch) {
            let end = (stretch.end * frame).min(window.len());
            window[stretch.start * frame..end].fill(0.0);
        }
        for (row, stretch) in logits(net, &windows, window.len(), compute).iter().zip(batch) {
            let lost = whole - log_odds(row, class, task);
            sums[stretch.clone()].iter_mut().for_each(|sum| *sum += lost);
            counts[stretch.clone()].iter_mut().for_each(|count| *count += 1);
        }
    }
    evidence.frames =
        sums.iter().zip(counts).map(|(sum, count)| (sum / f64::from(count)) as f32).collect();
    evidence
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use models::arch::{ArchSpec, Block, BlockKind, Head, Stem};
    use rand::RngExt as _;

    use super::*;
    use crate::draw;

    /// Columns of 100 samples, of which the classifier reads numbers 96 to 111: samples 9,600 to 11,200.
    fn network(task: Task, compute: &Compute) -> Network {
        let block = Block { channels: 4, kernel: 1, pool: 10, kind: BlockKind::Basic };
        let arch = ArchSpec {
            sample_rate_hz: 16_000,
            window: 16_000,
            stem: Stem::conv(4, 10, 10),
            blocks: [block].into_iter().collect(),
            head: Head { channels: 4, levels: 0 },
            classes: 3,
            task,
        };
        let mut net = Network::new(&arch, 2, compute).unwrap();
        let weight = |index: usize| match (index / 3 % 160, index % 3) {
            (96..112, 0) => 1.0,
            (96..112, 1) => -1.0,
            _ => 0.0f32,
        };
        let weights: Vec<f32> = (0..4 * 160 * 3).map(weight).collect();
        net.weight =
            Param::from_data(TensorData::new(weights, [4 * 160, 3]), &compute.training_device());
        net
    }

    fn noise() -> Vec<f32> {
        let mut rng = draw::rng(1, "test", &[]);
        (0..16_000).map(|_| rng.random_range(-0.2..0.2f32)).collect()
    }

    #[test]
    fn the_stretch_that_matters_is_found_by_both_methods() {
        for task in [Task::MultiClass, Task::MultiLabel] {
            let (plain, fused) = (Compute::cpu_plain(), Compute::cpu());
            let of = (0, task);
            let gradient = by_gradient(&network(task, &plain), &noise(), of, 16_000, &plain);
            let net = network(task, &fused).valid();
            let occlusion = by_occlusion(&net, &noise(), of, 16_000, 800, &fused);
            for (evidence, spill) in [(gradient, 2), (occlusion, 5)] {
                assert_eq!((evidence.frames.len(), evidence.frame_samples), (100, 160));
                let largest = evidence.frames.iter().fold(0.0f32, |a, b| a.max(*b));
                for (frame, value) in evidence.frames.iter().enumerate() {
                    let outside = frame < 60 - spill || frame >= 70 + spill;
                    assert!(!outside || value.abs() < 1e-4 * largest, "{frame}: {value}");
                }
                let half = evidence.half().unwrap();
                assert!(half.start >= 60 - spill && half.end <= 70 + spill, "{half:?}");
            }
        }
    }

    #[test]
    fn evidence_against_a_class_is_negative() {
        let compute = Compute::cpu_plain();
        let net = network(Task::MultiClass, &compute);
        let of = (1, Task::MultiClass);
        let evidence = by_gradient(&net, &noise(), of, 16_000, &compute);
        assert!(evidence.frames[60..70].iter().sum::<f32>() < 0.0);
    }

    #[test]
    fn gradients_of_networks_without_offsets_add_up_to_the_log_odds() {
        // Fresh layers have no bias, so that logits are proportional to the input.
        let compute = Compute::cpu_plain();
        let net = network(Task::MultiLabel, &compute);
        let evidence = by_gradient(&net, &noise(), (0, Task::MultiLabel), 16_000, &compute);
        let logits = logits(&net.valid(), &noise(), 16_000, &compute);
        let sum: f32 = evidence.frames.iter().sum();
        assert!((sum - logits[0][0]).abs() < 1e-3 * logits[0][0], "{sum} {logits:?}");
    }

    #[test]
    fn log_odds_stand_for_posteriors() {
        let logits = [1.0, -2.0, 0.5];
        let exponents = logits.map(|logit: f32| f64::from(logit).exp());
        let softmax = exponents[0] / exponents.iter().sum::<f64>();
        assert!((posterior(log_odds(&logits, 0, Task::MultiClass)) - softmax).abs() < 1e-12);
        assert_eq!(log_odds(&logits, 1, Task::MultiLabel), -2.0);
        let slopes = slopes(&logits, 0, Task::MultiClass);
        assert!(slopes.iter().sum::<f32>().abs() < 1e-6 && slopes[2] < slopes[1]);
        assert_eq!(super::slopes(&logits, 2, Task::MultiLabel), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn half_of_the_evidence_is_the_shortest_row() {
        let half = |frames: &[f32]| Evidence { frames: frames.to_vec(), frame_samples: 1 }.half();
        assert_eq!(half(&[1.0, -5.0, 3.0, 2.0, 1.0]), Some(2..4));
        assert_eq!(half(&[0.0, 8.0, 1.0]), Some(1..2));
        assert_eq!(half(&[-1.0, 0.0]), None);
        assert_eq!(half(&[]), None);
    }
}
