//! The inner loops: dot products of `i16` inputs with `i8` weights.
//!
//! The inputs of a column lie in a *patch*: neighbouring columns of `i16`, each padded with zeros to
//! whole groups of four. A convolution at pool position `j` is the dot product of a row of weights with the
//! patch from `j · step` on. Sums wrap around; the exporter chooses scales with which they never
//! do.
//!
//! [`scalar`] works everywhere; the other modules compute the same with a machine's own instructions.

#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod avx2;
mod scalar;

use models::q8::Layer;
use models::quant::requantize_relu;

/// Copies a column into a patch and pads it with zeros.
pub(crate) fn load(column: &[i16], out: &mut [i16]) {
    let (values, padding) = out.split_at_mut(column.len());
    values.copy_from_slice(column);
    padding.fill(0);
}

/// Widens a column of 8 bits into a patch and pads it with zeros.
pub(crate) fn load_narrow(column: &[i8], out: &mut [i16]) {
    let (values, padding) = out.split_at_mut(column.len());
    values.iter_mut().zip(column).for_each(|(out, value)| *out = i16::from(*value));
    padding.fill(0);
}

/// One column of a layer: convolution, max over the `pool` positions of the patch, ReLU, and
/// requantisation.
pub(crate) fn convolve(
    layer: &Layer<'_>,
    patch: &[i16],
    step: usize,
    pool: usize,
    out: &mut [i16],
) {
    let last = out.len() - 1;
    for (pair, out) in out.chunks_mut(2).enumerate() {
        // Of an odd number of outputs the last one is computed twice.
        let outputs = [2 * pair, (2 * pair + 1).min(last)];
        let largest = largest(outputs.map(|output| layer.row(output)), patch, step, pool);
        for ((out, output), largest) in out.iter_mut().zip(outputs).zip(largest) {
            let sum = largest.wrapping_add(layer.bias(output));
            *out = requantize_relu(sum, layer.factor(output), layer.limit);
        }
    }
}

/// Adds to each class's sum the products of one column of features with the weights from `start` on
/// in the class's row.
pub(crate) fn accumulate(layer: &Layer<'_>, start: usize, patch: &[i16], sums: &mut [i32]) {
    for (class, sum) in sums.iter_mut().enumerate() {
        let weights = &layer.row(class)[start..][..patch.len()];
        let [[dot], _] = dots::<1>([weights, weights], patch, 0);
        *sum = sum.wrapping_add(dot);
    }
}

/// The largest dot product of each of two rows over the positions of a pool.
#[inline]
fn largest(rows: [&[u8]; 2], patch: &[i16], step: usize, pool: usize) -> [i32; 2] {
    let most = |sums: &[i32]| sums.iter().copied().fold(i32::MIN, i32::max);
    match pool {
        1 => dots::<1>(rows, patch, step).map(|sums| most(&sums)),
        2 => dots::<2>(rows, patch, step).map(|sums| most(&sums)),
        3 => dots::<3>(rows, patch, step).map(|sums| most(&sums)),
        4 => dots::<4>(rows, patch, step).map(|sums| most(&sums)),
        _ => {
            let first = largest(rows, patch, step, 4);
            let rest = largest(rows, &patch[4 * step..], step, pool - 4);
            [first[0].max(rest[0]), first[1].max(rest[1])]
        }
    }
}

/// `Σ weight[t] · patch[j · step + t]` for two rows of weights and P positions `j`.
#[inline]
fn dots<const P: usize>(rows: [&[u8]; 2], patch: &[i16], step: usize) -> [[i32; P]; 2] {
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    if let Some(dots) = avx2::dots(rows, patch, step) {
        return dots;
    }
    scalar::dots(rows, patch, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn check<const P: usize>(groups: usize, step: usize, seed: u64) {
        let mut noise = crate::tests::random::Noise(seed);
        let row = 4 * groups;
        let weights: Vec<u8> = (0..2 * row).map(|_| noise.next() as u8).collect();
        let patch = noise.samples(row + (P - 1) * step);
        let rows = [&weights[..row], &weights[row..]];
        assert_eq!(dots::<P>(rows, &patch, step), scalar::dots::<P>(rows, &patch, step));
    }

    proptest! {
        #[test]
        fn every_machine_computes_the_same(groups in 1..60usize, step in 1..20usize, seed: u64) {
            check::<1>(groups, 4 * step, seed);
            check::<2>(groups, 4 * step, seed);
            check::<3>(groups, 4 * step, seed);
            check::<4>(groups, 4 * step, seed);
        }
    }
}
