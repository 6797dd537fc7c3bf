//! The network of a model on a whole window, in straight loops: slow and obvious.

use models::arch::{Activation, Node, Op, Task};
use models::q8::{LayerParts, Parts};
use models::quant::{join, requantize, requantize_relu, sigmoid, softmax};
use models::stream::Q15;
use std::vec;
use std::vec::Vec;

/// A feature map: columns of channels. Gates are in Q15.
pub(super) type Map = Vec<Vec<i32>>;

pub(super) fn posteriors(parts: &Parts, window: &[i16]) -> Vec<Q15> {
    let maps = maps(parts, window);
    let logits = &maps[maps.len() - 1][0];
    let mut posteriors = vec![0; logits.len()];
    match parts.arch.task {
        Task::MultiClass => softmax(logits, &mut posteriors),
        Task::MultiLabel => sigmoid(logits, &mut posteriors),
    }
    posteriors
}

/// What each node makes of a window; the classifier makes logits.
pub(super) fn maps(parts: &Parts, window: &[i16]) -> Vec<Map> {
    let nodes = parts.arch.nodes().unwrap();
    let last = nodes.len() - 1;
    let samples: Map = window.iter().map(|sample| vec![(*sample).into()]).collect();
    let mut made: Vec<Map> = Vec::new();
    for (index, (node, layer)) in nodes.iter().zip(&parts.layers).enumerate() {
        let operands: Vec<&Map> = node.operands.iter().map(|operand| &made[*operand]).collect();
        let map = match node.op {
            Op::Conv { activation, .. } => {
                let input = operands.first().copied().unwrap_or(&samples);
                let sums = convolve(node, layer, input);
                let activation = if index == last { None } else { Some(activation) };
                sums.chunks_exact(node.pool())
                    .map(|pool| activate(layer, pool, activation))
                    .collect()
            }
            Op::Mel { .. } => unreachable!("models in integers have no mel spectra"),
            Op::Mean => {
                let sum = |c: usize| -> i32 { operands[0].iter().map(|column| column[c]).sum() };
                let mean = |channel| signed(requantize(sum(channel), layer.factors[0]), layer);
                vec![(0..node.out_channels).map(mean).collect()]
            }
            Op::Join { gated, residual, pool, .. } => {
                let gate = gated.then(|| &operands[1][0]);
                let shortcut = residual.then(|| operands[operands.len() - 1]);
                let value = |column: usize, channel: usize| {
                    let gate = gate.map(|gate| gate[channel] as Q15);
                    let branch = (operands[0][column][channel] as i16, gate, layer.factors[0]);
                    let added = shortcut.map(|map| (map[column][channel] as i16, layer.factors[1]));
                    i32::from(join(branch, added, layer.limit))
                };
                let largest = |column: usize, channel: usize| {
                    let pool = column * pool..(column + 1) * pool;
                    pool.map(|column| value(column, channel)).max().unwrap()
                };
                let column =
                    |column| (0..node.out_channels).map(|c| largest(column, c)).collect::<Vec<_>>();
                (0..node.out_len).map(column).collect()
            }
            Op::Peaks => {
                let level = |(level, factor): (&&Map, _)| -> Vec<i32> {
                    let largest = |c: usize| level.iter().map(|column| column[c]).max().unwrap();
                    let peak = |c| requantize_relu(largest(c), factor, layer.limit).into();
                    (0..level[0].len()).map(peak).collect()
                };
                let levels = operands.iter().zip(layer.factors.iter().copied());
                vec![levels.flat_map(level).collect()]
            }
        };
        made.push(map);
    }
    made
}

/// Sums and biases of all columns before pooling.
fn convolve(node: &Node, layer: &LayerParts, input: &Map) -> Map {
    let Op::Conv { kernel, stride, padding: (before, after), .. } = node.op else {
        panic!("{node:?} is no convolution")
    };
    let zeros = vec![0; input[0].len()];
    let mut padded = vec![zeros.clone(); before];
    padded.extend(input.iter().cloned());
    padded.extend(vec![zeros; after]);
    let row = kernel * input[0].len();
    let starts = (0..=padded.len() - kernel).step_by(stride);
    let column = |start: usize| {
        let patch = padded[start..start + kernel].concat();
        let rows = layer.weights.chunks_exact(row).zip(&layer.biases);
        rows.map(|(weights, bias)| dot(weights, &patch).wrapping_add(*bias)).collect()
    };
    starts.map(column).collect()
}

/// A column from those of its pool; without an activation, of logits.
fn activate(layer: &LayerParts, pool: &[Vec<i32>], activation: Option<Activation>) -> Vec<i32> {
    let outputs = layer.factors.iter().enumerate();
    let value = |(output, factor): (usize, _)| {
        let largest = pool.iter().map(|column| column[output]).max().unwrap();
        match activation {
            None => requantize(largest, factor),
            Some(Activation::Relu) => requantize_relu(largest, factor, layer.limit).into(),
            Some(Activation::None) => signed(requantize(largest, factor), layer),
            Some(Activation::Sigmoid) => {
                let mut gate = [0];
                sigmoid(&[requantize(largest, factor)], &mut gate);
                gate[0].into()
            }
        }
    };
    outputs.map(|(output, factor)| value((output, *factor))).collect()
}

fn signed(value: i32, layer: &LayerParts) -> i32 {
    let limit = i32::from(layer.limit);
    value.clamp(-limit, limit)
}

fn dot(weights: &[i8], inputs: &[i32]) -> i32 {
    let products = weights.iter().zip(inputs).map(|(w, x)| i32::from(*w).wrapping_mul(*x));
    products.fold(0, i32::wrapping_add)
}
