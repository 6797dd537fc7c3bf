//! The network of a model on a whole window, in straight loops: slow and obvious.

use models::arch::Task;
use models::q8::{LayerParts, Parts};
use models::quant::{requantize, requantize_relu, sigmoid, softmax};
use models::stream::Q15;
use std::vec;
use std::vec::Vec;

/// A feature map: columns of channels.
type Map = Vec<Vec<i16>>;

pub(super) fn posteriors(parts: &Parts, window: &[i16]) -> Vec<Q15> {
    let arch = &parts.arch;
    let stem = arch.stem;
    let samples: Map = window.iter().map(|sample| vec![*sample]).collect();
    let (kernel, stride) = (usize::from(stem.kernel), usize::from(stem.stride));
    let mut map = convolve(&parts.layers[0], &samples, kernel, stride, 1);
    for (block, layer) in arch.blocks.iter().zip(&parts.layers[1..]) {
        let (before, after) = block.padding();
        let zeros = vec![0; map[0].len()];
        let mut padded = vec![zeros.clone(); before];
        padded.extend(map);
        padded.extend(vec![zeros; after]);
        map = convolve(layer, &padded, block.kernel.into(), 1, block.pool.into());
    }
    let head = arch.blocks.len() + 1;
    map = convolve(&parts.layers[head], &map, 1, 1, 1);
    let features: Vec<i16> = map.concat();
    let classifier = &parts.layers[head + 1];
    let rows = classifier.weights.chunks_exact(features.len());
    let logits: Vec<i32> = rows
        .enumerate()
        .map(|(class, row)| {
            let sum = dot(row, &features).wrapping_add(classifier.biases[class]);
            requantize(sum, classifier.factors[class])
        })
        .collect();
    let mut posteriors = vec![0; logits.len()];
    match arch.task {
        Task::MultiClass => softmax(&logits, &mut posteriors),
        Task::MultiLabel => sigmoid(&logits, &mut posteriors),
    }
    posteriors
}

fn convolve(layer: &LayerParts, input: &Map, kernel: usize, stride: usize, pool: usize) -> Map {
    let row = kernel * input[0].len();
    let starts = (0..=input.len() - kernel).step_by(stride);
    let sums: Vec<Vec<i32>> = starts
        .map(|start| {
            let patch = input[start..start + kernel].concat();
            layer.weights.chunks_exact(row).map(|weights| dot(weights, &patch)).collect()
        })
        .collect();
    sums.chunks_exact(pool)
        .map(|columns| {
            let channels = layer.biases.iter().zip(&layer.factors).enumerate();
            channels
                .map(|(channel, (bias, factor))| {
                    let largest = columns.iter().map(|column| column[channel]).max().unwrap();
                    requantize_relu(largest.wrapping_add(*bias), *factor, layer.limit)
                })
                .collect()
        })
        .collect()
}

fn dot(weights: &[i8], inputs: &[i16]) -> i32 {
    let products = weights.iter().zip(inputs).map(|(w, x)| i32::from(*w) * i32::from(*x));
    products.fold(0, i32::wrapping_add)
}
