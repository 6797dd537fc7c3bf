//! Patches in the order in which the instructions of Cortex-M multiply.
//!
//! `SXTB16` widens the bytes 0 and 2 of a word, and after a rotation the bytes 1 and 3. Therefore four
//! values `t` of a group lie as the pairs (t0, t2), (t1, t3): two words. The groups of up to four
//! positions of the pool lie side by side, so that one pass over the weights serves all of them;
//! every position has its own copy of the columns that it reads. Further positions follow in another
//! such *block*.

use bytemuck::{Pod, Zeroable, cast_slice};
use models::q8::{Layer, Shape, padded};
use models::quant::{HIGH_SHIFT, requantize_relu};

use super::Reach;
#[cfg(target_arch = "arm")]
use super::dsp;
#[cfg(not(target_arch = "arm"))]
use super::scalar as dsp;

#[cfg(target_endian = "big")]
compile_error!("the feature `dsp` is for little-endian cores");

/// Positions of a block at most.
const BLOCK: usize = 4;
/// Outputs whose sums are kept at a time.
const BATCH: usize = 32;

/// A group of four values, as pairs.
type Group = [u32; 2];

/// Gathers the columns in reach in a patch, from what `column` says of each; `None` is a column of zeros.
#[inline(always)]
pub(crate) fn gather<'a>(
    column: impl FnMut(usize) -> Option<&'a [u32]>,
    narrow: bool,
    reach: &Reach,
    patch: &mut [u32],
) {
    let patch = patch.as_chunks_mut::<2>().0;
    // Most blocks have this shape. With constants, little is counted at run time.
    if (reach.taps, reach.pool) == (3, 3) {
        spread::<3, 3>(column, narrow, reach.step, patch);
    } else {
        blocks(column, narrow, reach, patch);
    }
}

/// Copies values to the patch of a layer with one position, and pads them with zeros to whole groups.
pub(crate) fn load(values: &[i16], patch: &mut [u32]) {
    let (groups, rest) = values.as_chunks::<4>();
    let mut out = patch.as_chunks_mut::<2>().0.iter_mut();
    for (group, out) in groups.iter().zip(&mut out) {
        *out = pack_values(*group);
    }
    if let Some(out) = out.next().filter(|_| !rest.is_empty()) {
        *out = pack_end(rest);
    }
}

/// Copies a padded column of values within 0 to 127 to memory, as 8 bits.
pub(crate) fn store_narrow(values: &[i16], words: &mut [u32]) {
    for (word, [a, b]) in words.iter_mut().zip(cast_slice::<_, u32>(values).as_chunks().0) {
        *word = (a | a >> 8) & 0xffff | (b | b >> 8) << 16;
    }
}

/// One column of a layer: convolution, max over the positions of the pool, ReLU, and requantisation. What
/// `out` has behind the outputs is padding.
pub(crate) fn convolve(
    layer: &Layer<'_>,
    reach: &Reach,
    patch: &[u32],
    sums: &mut Sums,
    out: &mut [i16],
) {
    let (out, padding) = out.split_at_mut(layer.shape.outputs);
    padding.iter_mut().for_each(|value| *value = 0);
    let (row, weights, fast) = (reach.row(), layer.weights(), is_fast(layer));
    for (batch, out) in out.chunks_mut(BATCH).enumerate() {
        let first = batch * BATCH;
        let rows = &weights[first * row..];
        largest(rows, row, reach.pool, patch, out.len(), &mut sums.0);
        requantize(layer, first, &sums.0[..out.len()], fast, out);
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
    let Shape { inputs, outputs, .. } = layer.shape;
    if inputs <= 4 && layer.shape.taps == 1 && outputs.is_multiple_of(4) && is_fast(layer) {
        dsp::singles(layer, samples.chunks_exact(inputs).map(pack_end), out);
        return;
    }
    let reach = Reach { taps: 1, pool: 1, step: layer.shape.row() };
    for (samples, out) in samples.chunks_exact(inputs).zip(out.chunks_exact_mut(padded(outputs))) {
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
    sums: &mut Sums,
    logits: &mut [i32],
) {
    let row = layer.shape.row();
    let part = row / layer.shape.taps;
    let patch = &patch[..part / 2];
    for (batch, logits) in logits.chunks_mut(BATCH).enumerate() {
        let rows = &layer.weights()[batch * BATCH * row + start..];
        dsp::largest::<1>(rows, row, part, patch, logits.len(), &mut sums.0);
        for (logit, product) in logits.iter_mut().zip(&sums.0) {
            *logit = logit.wrapping_add(*product);
        }
    }
}

/// Whether the numbers lie on word borders and all shifts are at least [`HIGH_SHIFT`].
#[inline]
fn is_fast(layer: &Layer<'_>) -> bool {
    layer.least_shift() >= HIGH_SHIFT && layer.data().as_ptr().addr().is_multiple_of(4)
}

/// Outputs from `first` on, a multiple of 4, from their sums without bias.
#[inline]
fn requantize(layer: &Layer<'_>, first: usize, sums: &[i32], fast: bool, out: &mut [i16]) {
    let whole = if fast { out.len() / 4 * 4 } else { 0 };
    if whole > 0 {
        dsp::requantize(layer, first, &sums[..whole], &mut out[..whole]);
    }
    if whole < out.len() {
        requantize_each(layer, first + whole, &sums[whole..], &mut out[whole..]);
    }
}

/// The same for any outputs, one by one.
#[inline(never)]
fn requantize_each(layer: &Layer<'_>, first: usize, sums: &[i32], out: &mut [i16]) {
    for (output, (sum, out)) in (first..).zip(sums.iter().zip(out)) {
        let sum = sum.wrapping_add(layer.bias(output));
        *out = requantize_relu(sum, layer.factor(output), layer.limit);
    }
}

/// The largest dot product of each of `count` rows over the positions of a pool.
#[inline]
fn largest(
    rows: &[u8],
    row: usize,
    pool: usize,
    patch: &[u32],
    count: usize,
    sums: &mut [i32; BATCH],
) {
    match pool {
        1 => dsp::largest::<1>(rows, row, row, &patch[..row / 2], count, sums),
        2 => dsp::largest::<2>(rows, row, row, &patch[..row], count, sums),
        3 => dsp::largest::<3>(rows, row, row, &patch[..3 * row / 2], count, sums),
        _ => {
            let (block, rest) = patch.split_at(2 * row);
            dsp::largest::<BLOCK>(rows, row, row, block, count, sums);
            if pool > BLOCK {
                let others = &mut [0; BATCH];
                largest(rows, row, pool - BLOCK, rest, count, others);
                sums.iter_mut().zip(others).for_each(|(sum, other)| *sum = (*sum).max(*other));
            }
        }
    }
}

/// Memory for the sums of a batch of outputs.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Sums([i32; BATCH]);

/// The blocks of any pool.
#[inline(never)]
fn blocks<'a>(
    mut column: impl FnMut(usize) -> Option<&'a [u32]>,
    narrow: bool,
    reach: &Reach,
    patch: &mut [Group],
) {
    for index in 0..reach.columns() {
        let words = column(index);
        for first in (0..reach.pool).step_by(BLOCK) {
            let Some(at) = index.checked_sub(first) else { break };
            let patch = &mut patch[first * reach.row() / 4..];
            match reach.pool - first {
                1 => spread_one::<1>(words, narrow, reach, at, patch),
                2 => spread_one::<2>(words, narrow, reach, at, patch),
                3 => spread_one::<3>(words, narrow, reach, at, patch),
                _ => spread_one::<BLOCK>(words, narrow, reach, at, patch),
            }
        }
    }
}

/// A pool of `P` positions behind `TAPS` taps, in one block.
#[inline(always)]
fn spread<'a, const TAPS: usize, const P: usize>(
    mut column: impl FnMut(usize) -> Option<&'a [u32]>,
    narrow: bool,
    step: usize,
    patch: &mut [Group],
) {
    let reach = Reach { taps: TAPS, pool: P, step };
    for index in 0..reach.columns() {
        spread_one::<P>(column(index), narrow, &reach, index, patch);
    }
}

/// One column of a block of `P` positions.
#[inline(always)]
fn spread_one<const P: usize>(
    column: Option<&[u32]>,
    narrow: bool,
    reach: &Reach,
    index: usize,
    patch: &mut [Group],
) {
    let (taps, groups) = (reach.taps, reach.step / 4);
    // Position `j` reads the column as its tap `index - j`.
    let first = (index + 1).saturating_sub(taps);
    let last = index.min(P - 1);
    if first > last {
        return;
    }
    let to = &mut patch[(index - last) * groups * P + last..];
    let copies = last + 1 - first;
    match column {
        Some(words) if narrow => dsp::scatter_narrow::<P>(&words[..groups], copies, to),
        Some(words) => dsp::scatter_wide::<P>(&words[..2 * groups], copies, to),
        None => {
            for copy in 0..copies {
                let to = &mut to[copy * (groups * P - 1)..];
                to.iter_mut().step_by(P).take(groups).for_each(|group| *group = [0; 2]);
            }
        }
    }
}

#[inline(always)]
const fn pack_values(x: [i16; 4]) -> Group {
    [x[0] as u16 as u32 | (x[2] as u32) << 16, x[1] as u16 as u32 | (x[3] as u32) << 16]
}

/// Up to four values, and zeros.
#[inline(always)]
fn pack_end(values: &[i16]) -> Group {
    if let [a, b, c] = *values {
        return pack_values([a, b, c, 0]);
    }
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    pack_values([at(0), at(1), at(2), at(3)])
}
