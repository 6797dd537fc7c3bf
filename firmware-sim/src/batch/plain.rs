//! Loops that every compiler turns into whatever vectors there are.

use models::quant::{Factor, requantize_relu};

use super::Scales;
use super::pack::BLOCK;

/// Adds a row of inputs times the weights of a block: groups of `G` inputs, in a group output by
/// output.
pub(super) fn block<T: Copy + Into<i32>, const G: usize>(
    inputs: &[T],
    weights: &[i8],
    sums: &mut [i32],
) {
    let sums: &mut [i32; BLOCK] = sums.try_into().expect("a block of sums");
    for (inputs, weights) in inputs.chunks_exact(G).zip(weights.chunks_exact(G * BLOCK)) {
        for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(G)) {
            for (input, weight) in inputs.iter().zip(weights) {
                let input: i32 = (*input).into();
                *sum = sum.wrapping_add(input.wrapping_mul(i32::from(*weight)));
            }
        }
    }
}

/// `first = requantize_relu(largest of first and the rows of rest)`.
pub(super) fn pool_and_requantize(first: &mut [i32], rest: &[i32], scales: &Scales, limit: i32) {
    for row in rest.chunks_exact(first.len()) {
        for (largest, value) in first.iter_mut().zip(row) {
            *largest = (*largest).max(*value);
        }
    }
    let Scales { biases, multipliers, shifts } = scales;
    let factors = multipliers.iter().zip(shifts);
    for ((value, bias), (multiplier, shift)) in first.iter_mut().zip(biases).zip(factors) {
        let factor = Factor { multiplier: *multiplier, shift: *shift as u8 };
        *value = requantize_relu(value.wrapping_add(*bias), factor, limit as u16).into();
    }
}
