//! The ranges of activations.

use burn::tensor::{Tensor, TensorData};
use serde::Serialize;

use crate::data::Clip;
use crate::evaluate::predict;
use crate::net::{Compute, Network};

/// Clips a forward pass.
const BATCH: usize = 32;
/// Bins of a layer's histogram, from 0 to its largest activation.
const BINS: usize = 4096;

/// How a layer's range follows from its activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Up to the largest activation.
    MinMax,
    /// Up to what 99.99 % of the activations above zero stay below.
    Percentile,
    /// The range with the smallest mean squared error between activations and what is stored of
    /// them.
    MeanSquaredError,
    /// As the network was trained for.
    Trained,
}

impl Method {
    /// The methods to choose among.
    pub const SEARCHED: [Self; 3] = [Self::MinMax, Self::Percentile, Self::MeanSquaredError];

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MinMax => "min-max",
            Self::Percentile => "percentile",
            Self::MeanSquaredError => "mean squared error",
            Self::Trained => "training",
        }
    }
}

/// The magnitudes of what every node but the classifier makes; of a chain, of the activations of its layers behind ReLU
/// and pooling.
#[derive(Clone, Debug)]
pub struct Ranges {
    layers: Vec<Histogram>,
}

#[derive(Clone, Debug)]
struct Histogram {
    largest: f64,
    /// Activations above zero by size.
    counts: Vec<u64>,
}

impl Ranges {
    /// Watches the network on clips. It comes from [`burn::module::Module::valid`].
    #[must_use]
    pub fn watch(net: &Network, clips: &[Clip], window: usize, compute: &Compute) -> Self {
        let mut largest = vec![0.0f32; net.nodes().len() - 1];
        each_layer(net, clips, window, compute, |layer, values| {
            largest[layer] = values.iter().fold(largest[layer], |m, value| m.max(value.abs()));
        });
        let empty = |largest: f32| Histogram {
            // A layer that is always silent still needs a scale.
            largest: f64::from(largest).max(1e-6),
            counts: vec![0; BINS],
        };
        let mut layers: Vec<Histogram> = largest.into_iter().map(empty).collect();
        each_layer(net, clips, window, compute, |layer, values| layers[layer].add(values));
        Self { layers }
    }

    /// The largest activation that a layer can tell apart from larger ones, for a number of steps.
    #[must_use]
    pub fn range(&self, layer: usize, method: Method, steps: u16) -> f64 {
        let histogram = &self.layers[layer];
        match method {
            Method::MinMax | Method::Trained => histogram.largest,
            Method::Percentile => histogram.percentile(0.9999),
            Method::MeanSquaredError => histogram.least_error(steps),
        }
    }

    /// The largest activation seen.
    #[must_use]
    pub fn largest(&self, layer: usize) -> f64 {
        self.layers[layer].largest
    }
}

impl Histogram {
    fn add(&mut self, values: &[f32]) {
        let bins = BINS as f64 / self.largest;
        for value in values.iter().map(|value| value.abs()).filter(|value| *value > 0.0) {
            let bin = (f64::from(value) * bins) as usize;
            self.counts[bin.min(BINS - 1)] += 1;
        }
    }

    /// Upper end of the bin at which the share is reached.
    fn percentile(&self, share: f64) -> f64 {
        let all: u64 = self.counts.iter().sum();
        let mut seen = 0;
        let full = self.counts.iter().position(|count| {
            seen += count;
            seen as f64 >= share * all as f64
        });
        self.largest * (full.unwrap_or(BINS - 1) + 1) as f64 / BINS as f64
    }

    /// Steps of a width `range / steps` err by a twelfth of its square on average, and clipping
    /// by what is cut off.
    fn least_error(&self, steps: u16) -> f64 {
        let bin = self.largest / BINS as f64;
        let error = |range: f64| {
            let step = range / f64::from(steps);
            let counts = self.counts.iter().enumerate();
            let errors = counts.map(|(index, count)| {
                let value = (index as f64 + 0.5) * bin;
                let cut = (value - range).max(0.0);
                *count as f64 * if cut > 0.0 { cut * cut } else { step * step / 12.0 }
            });
            errors.sum::<f64>()
        };
        let candidates = (1..=128).map(|share| self.largest * f64::from(share) / 128.0);
        let scored = candidates.map(|range| (range, error(range)));
        scored.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(self.largest, |(range, _)| range)
    }
}

/// Calls `each(node, values)` for all nodes, batch by batch.
fn each_layer(
    net: &Network,
    clips: &[Clip],
    window: usize,
    compute: &Compute,
    mut each: impl FnMut(usize, &[f32]),
) {
    for batch in clips.chunks(BATCH) {
        let windows = TensorData::new(predict::windows(batch, window), [batch.len(), window]);
        let x = Tensor::<2>::from_data(windows, compute.inference_device());
        net.forward_watched(x, compute, |layer, values| each(layer, values));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[f32]) -> Histogram {
        let largest = values.iter().copied().fold(0.0, f32::max);
        let mut histogram = Histogram { largest: largest.into(), counts: vec![0; BINS] };
        histogram.add(values);
        histogram
    }

    #[test]
    fn outliers_are_cut_where_that_pays() {
        let mut values: Vec<f32> = (1..=100_000).map(|i| i as f32 / 100_000.0).collect();
        values.push(8.0);
        let histogram = histogram(&values);
        assert!((histogram.percentile(0.9999) - 1.0).abs() < 0.01);
        // One value in 100,000 is worth coarser steps for all others only if these are fine anyway:
        // with 127 steps the squared errors balance at 8 / (1 + 100,000 / 12 / 127²), about 5.3.
        assert!(histogram.least_error(127) < 6.0);
        assert!(histogram.least_error(32_767) > 7.0);
    }
}
