//! Weights and ranges as integers.

use models::arch::{ArchSpec, LayerName, Node, Op, Part};
use models::q8::LayerParts;
use models::quant::{Factor, JOIN_BITS, LOG2_BITS};
use models::stream::ONE;

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

/// Logits to base 2, of the classifier and of gates.
const LOGITS: Activation =
    Activation { limit: WIDE, scale: core::f64::consts::LN_2 / (1u32 << LOG2_BITS) as f64 };
/// Factors between scales, one of which belongs to a node that is always silent, are kept in reach.
const LEAST_FACTOR: f64 = 1e-9;
const MOST_FACTOR: f64 = 1e8;

/// Weights of a layer as integers, in the order of the model file, with a scale an output.
struct Weights {
    values: Vec<i8>,
    /// One scale an output.
    scales: Vec<f64>,
    /// Weights of an output.
    row: usize,
    biases: Vec<f64>,
}

/// How each node but the classifier stores what it makes: those of the first `wide` layers in 16 bits. What may be
/// negative, and what belongs to a gate, always has 16.
#[must_use]
pub fn activations(
    arch: &ArchSpec,
    ranges: &Ranges,
    method: Method,
    wide: usize,
) -> Vec<Activation> {
    let nodes = arch.nodes().unwrap_or_default();
    let stored = nodes.iter().enumerate().map(|(index, node)| match (node.part, node.layer) {
        (_, LayerName::Classifier) => None,
        (Part::Excite, _) => Some(LOGITS),
        (part, layer) => {
            let fine = node.is_signed() || part == Part::Squeeze || ordinal(arch, layer) < wide;
            Some(if fine {
                let limit = limit(&nodes, index);
                let scale = HEADROOM * ranges.largest(index) / f64::from(limit);
                Activation { limit, scale }
            } else {
                let scale = ranges.range(index, method, NARROW) / f64::from(NARROW);
                Activation { limit: NARROW, scale }
            })
        }
    });
    stored.flatten().collect()
}

/// A layer's place: the stem's is 0.
fn ordinal(arch: &ArchSpec, layer: LayerName) -> usize {
    match layer {
        LayerName::Input | LayerName::Stem => 0,
        LayerName::Block(number) => number,
        LayerName::Head | LayerName::Classifier => arch.blocks.len() + 1,
    }
}

/// The largest value with which no sum of those that read a node can overflow.
fn limit(nodes: &[Node], index: usize) -> u16 {
    let readers = nodes.iter().filter(|node| node.operands.contains(&index));
    let limits = readers.map(|node| match node.op {
        Op::Conv { kernel, .. } => widest(node.in_channels * kernel),
        Op::Mean => (f64::from(i32::MAX) / node.in_len as f64).min(f64::from(WIDE)) as u16,
        Op::Mel { .. } | Op::Join { .. } | Op::Peaks => WIDE,
    });
    limits.min().unwrap_or(WIDE).max(1)
}

/// The largest input with which no sum of so many products can overflow.
fn widest(products: usize) -> u16 {
    (HALF_SUM / LARGEST_WEIGHT / products as f64).min(f64::from(WIDE)) as u16
}

/// The numbers of a model that stores its activations like this, node by node.
///
/// # Panics
/// If there is not one activation for every node but the classifier.
#[must_use]
pub fn layers(folded: &Folded, stored: &[Activation]) -> Vec<LayerParts> {
    let samples = Activation { limit: WIDE + 1, scale: 1.0 / f64::from(WIDE + 1) };
    let nodes = folded.nodes.iter().enumerate();
    let layers = nodes.map(|(index, (node, weights))| {
        let output = stored.get(index).copied().unwrap_or(LOGITS);
        let inputs: Vec<Activation> = node.operands.iter().map(|o| stored[*o]).collect();
        if let Some(weights) = weights {
            let input = inputs.first().copied().unwrap_or(samples);
            return integers(&by_column(weights), input, output);
        }
        let ratio = |input: &Activation| input.scale / output.scale;
        let factors = match node.op {
            Op::Conv { .. } => unreachable!("convolutions have weights"),
            // Has no integer form, which whoever wants one is told before.
            Op::Mel { .. } => Vec::new(),
            Op::Mean => vec![ratio(&inputs[0]) / node.in_len as f64],
            Op::Join { gated, residual, .. } => {
                let fine = f64::from(1u32 << JOIN_BITS);
                let gate = if gated { 1.0 / f64::from(ONE) } else { 1.0 };
                let mut factors = vec![ratio(&inputs[0]) * fine * gate];
                factors.extend(inputs.last().filter(|_| residual).map(|x| ratio(x) * fine));
                factors
            }
            Op::Peaks => inputs.iter().map(ratio).collect(),
        };
        let factor = |real: f64| Factor::from_real(real.clamp(LEAST_FACTOR, MOST_FACTOR));
        let factors = factors.into_iter().filter_map(factor).collect::<Vec<_>>();
        LayerParts {
            weights: Vec::new(),
            biases: vec![0; factors.len()],
            factors,
            limit: output.limit,
            scale: output.scale as f32,
        }
    });
    layers.collect()
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
        // So does one with so many large weights that sums might overflow; rounding can add half a unit to each.
        let most = HALF_SUM / f64::from(input_limit) - row.len() as f64 / 2.0;
        let overflows = magnitude(row) * f64::from(input_limit) > HALF_SUM;
        let sum_scale = if overflows { weight_scale * magnitude(row) / most } else { 0.0 };
        let wanted = weight_scale.max(bias_scale).max(factor_scale).max(sum_scale);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_filters_get_coarser_weights_before_their_sums_overflow() {
        let samples = Activation { limit: WIDE + 1, scale: 1.0 / f64::from(WIDE + 1) };
        let output = Activation { limit: NARROW, scale: 1.0 };
        for (taps, coarser) in [(256, false), (1024, true)] {
            let row: Vec<f64> =
                (0..taps).map(|tap| if tap % 3 == 0 { -0.5 } else { 0.5 }).collect();
            let weights = symmetric(vec![row], &[0.25]);
            let parts = integers(&weights, samples, output);
            assert!(magnitude(&parts.weights) * 32_768.0 <= HALF_SUM);
            let largest = f64::from(parts.weights[1]);
            assert_eq!(largest < LARGEST_WEIGHT, coarser);
            // Whatever the weights' unit, the filter stays what it was.
            let Factor { multiplier, shift } = parts.factors[0];
            let factor = f64::from(multiplier) / (1u64 << shift) as f64;
            assert!((largest * factor * 32_768.0 - 0.5).abs() < 0.01, "{taps}: {largest}");
            assert!((f64::from(parts.biases[0]) * factor - 0.25).abs() < 1e-6);
        }
    }
}
