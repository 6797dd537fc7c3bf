//! Weights and ranges as integers.

use models::arch::ArchSpec;
use models::q8::LayerParts;
use models::quant::{Factor, LOG2_BITS};

use super::calibrate::{Method, Ranges};
use crate::export::fold::{self, Folded};
use crate::net::Activation;

/// Steps of an 8-bit activation. Zero and the ReLU leave half of the codes of a signed number.
pub const NARROW: u16 = 127;
/// Steps of a 16-bit activation.
pub const WIDE: u16 = 32_767;
/// The largest weight.
const LARGEST_WEIGHT: f64 = 127.0;
/// What the products of a sum may add up to, and what its bias may be: together they fit an `i32`.
const HALF_SUM: f64 = 1_073_741_823.0;
/// What louder sounds than those of the calibration may add to the largest activation of 16 bits.
const HEADROOM: f64 = 2.0;

/// Weights of a layer as integers, in the order of the model file, with a scale an output.
struct Weights {
    values: Vec<i8>,
    /// One scale an output.
    scales: Vec<f64>,
    /// Weights of an output.
    row: usize,
    biases: Vec<f64>,
}

/// How each layer but the classifier stores its activations: the first `wide` layers in 16 bits.
#[must_use]
pub fn activations(
    arch: &ArchSpec,
    ranges: &Ranges,
    method: Method,
    wide: usize,
) -> Vec<Activation> {
    let table = arch.layers().map(|table| table.layers).unwrap_or_default();
    let readers = table.iter().skip(1).enumerate();
    readers
        .map(|(index, reader)| {
            if index < wide {
                let limit = widest(reader.in_channels * reader.kernel);
                let scale = HEADROOM * ranges.largest(index) / f64::from(limit);
                Activation { limit, scale }
            } else {
                let scale = ranges.range(index, method, NARROW) / f64::from(NARROW);
                Activation { limit: NARROW, scale }
            }
        })
        .collect()
}

/// The largest input with which no sum of so many products can overflow.
fn widest(products: usize) -> u16 {
    (HALF_SUM / LARGEST_WEIGHT / products as f64).min(f64::from(WIDE)) as u16
}

/// The layers of a model that stores its activations like this.
#[must_use]
pub fn layers(folded: &Folded, stored: &[Activation]) -> Vec<LayerParts> {
    let logits =
        Activation { limit: WIDE, scale: core::f64::consts::LN_2 / f64::from(1u32 << LOG2_BITS) };
    let samples = Activation { limit: WIDE + 1, scale: 1.0 / f64::from(WIDE + 1) };
    let weights = folded.nodes.iter().filter_map(|(_, weights)| weights.as_ref()).map(by_column);
    let inputs = [&samples].into_iter().chain(stored);
    let outputs = stored.iter().chain([&logits]);
    let layers = weights.zip(inputs.zip(outputs));
    layers.map(|(weights, (input, output))| integers(&weights, *input, *output)).collect()
}

fn magnitude(row: &[i8]) -> f64 {
    row.iter().map(|weight| f64::from(weight.unsigned_abs())).sum()
}

fn integers(layer: &Weights, input: Activation, output: Activation) -> LayerParts {
    let Activation { limit: input_limit, scale: input_scale } = input;
    let Activation { limit, scale } = output;
    let mut values = layer.values.clone();
    let (mut biases, mut factors) = (Vec::new(), Vec::new());
    let rows = values.chunks_exact_mut(layer.row).zip(layer.scales.iter().zip(&layer.biases));
    for (row, (weight_scale, bias)) in rows {
        // A filter that is next to nothing beside its bias gets coarser weights, so that the bias
        // in units of its sums fits.
        let bias_scale = bias.abs() / input_scale / HALF_SUM;
        let factor_scale = scale / input_scale / f64::from(1 << 28);
        let wanted = weight_scale.max(bias_scale).max(factor_scale);
        if wanted > *weight_scale {
            let coarser = weight_scale / wanted;
            row.iter_mut().for_each(|w| *w = (f64::from(*w) * coarser).round() as i8);
        }
        debug_assert!(
            magnitude(row) * f64::from(input_limit) <= HALF_SUM + 1.0,
            "sums stay within an i32"
        );
        biases.push((bias / (input_scale * wanted)).round() as i32);
        let factor = Factor::from_real(input_scale * wanted / scale);
        factors.push(factor.expect("the scale was chosen for it"));
    }
    LayerParts { weights: values, biases, factors, limit, scale: scale as f32 }
}

/// Filters `[O, I, K]` as `[O, K, I]`.
fn by_column(layer: &fold::Weights) -> Weights {
    let [_, inputs, kernel] = layer.shape;
    let order = (0..kernel).flat_map(|tap| (0..inputs).map(move |input| input * kernel + tap));
    let order: Vec<usize> = order.collect();
    let rows = layer.weight.chunks_exact(inputs * kernel);
    let rows = rows.map(|row| order.iter().map(|index| f64::from(row[*index])).collect());
    symmetric(rows.collect(), &layer.bias)
}

/// One scale a row: its largest weight becomes 127.
fn symmetric(rows: Vec<Vec<f64>>, biases: &[f32]) -> Weights {
    let row = rows.first().map_or(1, Vec::len);
    let (mut values, mut scales) = (Vec::new(), Vec::new());
    for row in rows {
        let largest = row.iter().fold(0.0f64, |m, w| m.max(w.abs())).max(1e-12);
        let scale = largest / LARGEST_WEIGHT;
        values.extend(row.iter().map(|weight| (weight / scale).round() as i8));
        scales.push(scale);
    }
    Weights { values, scales, row, biases: biases.iter().map(|bias| f64::from(*bias)).collect() }
}
