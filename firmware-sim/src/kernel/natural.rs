//! Patches in which columns lie side by side, in their order.

use bytemuck::{Pod, Zeroable, cast_slice, cast_slice_mut};
use models::q8::{Layer, padded};
use models::quant::requantize_relu;

use super::{Reach, scalar};

/// Gathers the columns in reach in a patch, from what `column` says of each; `None` is a column of zeros.
pub(crate) fn gather<'a>(
    mut column: impl FnMut(usize) -> Option<&'a [u32]>,
    narrow: bool,
    reach: &Reach,
    patch: &mut [u32],
) {
    let patch = cast_slice_mut::<_, i16>(patch).chunks_exact_mut(reach.step);
    for (index, out) in patch.take(reach.columns()).enumerate() {
        match column(index) {
            Some(words) if narrow => {
                let values: &[i8] = cast_slice(words);
                out.iter_mut().zip(values).for_each(|(out, value)| *out = i16::from(*value));
            }
            Some(words) => out.copy_from_slice(cast_slice(words)),
            None => out.fill(0),
        }
    }
}

/// Copies values to the patch of a layer with one position, and pads them with zeros to whole groups.
pub(crate) fn load(values: &[i16], patch: &mut [u32]) {
    let row = values.len().next_multiple_of(4);
    let (out, padding) = cast_slice_mut::<_, i16>(patch)[..row].split_at_mut(values.len());
    out.copy_from_slice(values);
    padding.fill(0);
}

/// Copies a padded column of values within 0 to 127 to memory, as 8 bits.
pub(crate) fn store_narrow(values: &[i16], words: &mut [u32]) {
    let out: &mut [i8] = cast_slice_mut(words);
    out.iter_mut().zip(values).for_each(|(out, value)| *out = *value as i8);
}

/// One column of a layer: convolution, max over the positions of the pool, ReLU, and requantisation. What
/// `out` has behind the outputs is padding.
pub(crate) fn convolve(
    layer: &Layer<'_>,
    reach: &Reach,
    patch: &[u32],
    _: &mut Sums,
    out: &mut [i16],
) {
    let (out, padding) = out.split_at_mut(layer.shape.outputs);
    padding.fill(0);
    let patch = bytemuck::cast_slice(patch);
    let last = out.len() - 1;
    for (pair, out) in out.chunks_mut(2).enumerate() {
        // Of an odd number of outputs the last one is computed twice.
        let outputs = [2 * pair, (2 * pair + 1).min(last)];
        let rows = outputs.map(|output| layer.row(output));
        let largest = largest(rows, patch, reach.step, reach.pool);
        for ((out, output), largest) in out.iter_mut().zip(outputs).zip(largest) {
            let sum = largest.wrapping_add(layer.bias(output));
            *out = requantize_relu(sum, layer.factor(output), layer.limit);
        }
    }
}

/// Columns of a layer with one tap and one position, one for as many values as that reads.
pub(crate) fn convolve_samples(
    layer: &Layer<'_>,
    samples: &[i16],
    patch: &mut [u32],
    sums: &mut Sums,
    out: &mut [i16],
) {
    let reach = Reach { taps: 1, pool: 1, step: layer.shape.row() };
    let out = out.chunks_exact_mut(padded(layer.shape.outputs));
    for (samples, out) in samples.chunks_exact(layer.shape.inputs).zip(out) {
        load(samples, patch);
        convolve(layer, &reach, patch, sums, out);
    }
}

/// Adds to each class's sum the products of one column of features with the weights from `start` on
/// in the class's row.
pub(crate) fn accumulate(
    layer: &Layer<'_>,
    start: usize,
    patch: &[u32],
    _: &mut Sums,
    logits: &mut [i32],
) {
    let row = layer.shape.row() / layer.shape.taps;
    let patch = &cast_slice(patch)[..row];
    for (class, logit) in logits.iter_mut().enumerate() {
        let weights = &layer.row(class)[start..][..row];
        let [[dot], _] = dots::<1>([weights, weights], patch, 0);
        *logit = logit.wrapping_add(dot);
    }
}

/// Memory that [`super::packed`] needs: here as much, so that a host counts what a chip will need.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Sums([i32; 32]);

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
    if let Some(dots) = super::avx2::dots(rows, patch, step) {
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
