//! Residual blocks, with gates and without, against their operations one by one.

use std::sync::Arc;

use tract_onnx::tract_core::internal::*;

use super::chain::Layer;
use super::gate::Gate;
use super::residual::{Residual, ResidualColumns};
use super::shared_tests::numbers;
use crate::engine::shared::Shape;

/// A convolution of stride 1 that keeps the number of columns, with random weights.
fn layer(number: &mut impl FnMut() -> f32, [inputs, outputs]: [usize; 2], kernel: usize) -> Layer {
    let bound = (3.0 / (kernel * inputs) as f32).sqrt();
    Layer {
        shape: Shape { kernel, padding: ((kernel - 1) / 2, kernel / 2), ..Shape::POINT },
        weight: (0..kernel * inputs * outputs).map(|_| bound * number()).collect(),
        bias: (0..outputs).map(|_| 0.2 * number()).collect(),
        inputs,
        outputs,
    }
}

/// A block with one or two convolutions of four taps and a pool of three columns.
fn block(channels: [usize; 2], two: bool, gated: bool) -> Residual {
    let mut number = numbers(channels[1] as u64);
    let [inputs, outputs] = channels;
    let wide = [outputs, outputs];
    let first = two.then(|| layer(&mut number, channels, 4));
    let last = layer(&mut number, if two { wide } else { channels }, 4);
    let gate = gated.then(|| Gate {
        squeeze: layer(&mut number, [outputs, 3], 1),
        excite: layer(&mut number, [3, outputs], 1),
    });
    let shortcut = (inputs != outputs).then(|| layer(&mut number, channels, 1));
    let times = if two { 2 } else { 1 };
    let shape = Shape { kernel: 3 * times + 1, stride: 1, padding: (times, 2 * times), pool: 3 };
    Residual { shape, first, last, gate, shortcut }
}

/// The convolution of columns, one by one.
fn convolution(layer: &Layer, columns: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let Layer { shape, weight, bias, inputs, outputs } = layer;
    let value = |column: usize, output: usize| {
        let mut sum = bias[output];
        for tap in 0..shape.kernel {
            let seen = (column + tap).checked_sub(shape.padding.0);
            let Some(seen) = seen.and_then(|seen| columns.get(seen)) else { continue };
            for (input, value) in seen.iter().enumerate() {
                sum += value * weight[(tap * inputs + input) * outputs + output];
            }
        }
        sum
    };
    let columns = 0..columns.len();
    columns.map(|column| (0..*outputs).map(|output| value(column, output)).collect()).collect()
}

/// The block, operation by operation.
fn plain(block: &Residual, x: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let rectified = |mut columns: Vec<Vec<f32>>| {
        columns.iter_mut().flatten().for_each(|value| *value = value.max(0.0));
        columns
    };
    let inner = block.first.as_ref().map(|first| rectified(convolution(first, x)));
    let mut sum = convolution(&block.last, inner.as_deref().unwrap_or(x));
    if let Some(gate) = &block.gate {
        let mean = |channel: usize| {
            sum.iter().map(|column| f64::from(column[channel])).sum::<f64>() / sum.len() as f64
        };
        let means: Vec<f32> = (0..block.outputs()).map(|channel| mean(channel) as f32).collect();
        let hidden = rectified(convolution(&gate.squeeze, &[means]));
        let factors = convolution(&gate.excite, &hidden);
        for (value, factor) in sum.iter_mut().flat_map(|column| column.iter_mut().zip(&factors[0]))
        {
            *value /= 1.0 + (-factor).exp();
        }
    }
    let shortcut = block.shortcut.as_ref().map(|layer| convolution(layer, x));
    let added = shortcut.as_deref().unwrap_or(x);
    for (value, added) in sum.iter_mut().flatten().zip(added.iter().flatten()) {
        *value += added;
    }
    let pools = sum.chunks_exact(block.shape.pool).map(|pool| {
        let peak = |channel: usize| pool.iter().map(|column| column[channel]).fold(0.0, f32::max);
        (0..block.outputs()).map(peak).collect()
    });
    pools.collect()
}

#[test]
fn whole_windows_are_what_the_operations_make_one_by_one() {
    // As many columns as fill no whole pool; of 40 channels more than a block of rows.
    for (len, channels) in [(8, [2, 2]), (10, [3, 5]), (1700, [3, 40]), (1700, [40, 40])] {
        for (two, gated) in [(false, false), (false, true), (true, false), (true, true)] {
            let (block, mut number) = (block(channels, two, gated), numbers(len as u64));
            let x: Vec<Vec<f32>> =
                (0..len).map(|_| (0..channels[0]).map(|_| number()).collect()).collect();
            let expected = plain(&block, &x);
            let (before, after) = block.shape.padding;
            let zeros = |count: usize| vec![0.0; count * channels[0]];
            let padded = [zeros(before), x.concat(), zeros(after)].concat();
            let columns = expected.len();
            let outside = block.outside(len, columns);
            let op = ResidualColumns { block: Arc::new(block), columns, outside, margin: (1, 2) };
            let shape = [before + len + after, channels[0]];
            let input = Tensor::from_shape(&shape, &padded).unwrap().into_tvalue();
            let made = op.eval_out_of_plan(tvec!(input)).unwrap().unwrap();
            let view = made[0].view();
            let made: Vec<&[f32]> =
                view.as_slice::<f32>().unwrap().chunks_exact(channels[1]).collect();
            assert_eq!(made.len(), 1 + columns + 2);
            for (column, made) in made.into_iter().enumerate() {
                let expected = column.checked_sub(1).and_then(|column| expected.get(column));
                for (channel, made) in made.iter().enumerate() {
                    let expected = expected.map_or(0.0, |column| column[channel]);
                    let near = (made - expected).abs() < 1e-4;
                    assert!(near, "{op:?}, column {column}: {made} {expected}");
                }
            }
        }
    }
}
