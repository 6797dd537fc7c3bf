//! Loops that every compiler turns into whatever vectors there are.

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
