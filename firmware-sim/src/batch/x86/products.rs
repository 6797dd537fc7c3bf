//! Products with the vectors of x86-64.
// Indices, not iterators: the compiler keeps sums in registers only if it unrolls the loops over them.
#![allow(clippy::needless_range_loop)]

use core::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256,
    _mm256_storeu_si256, _mm512_dpbusd_epi32, _mm512_dpwssd_epi32, _mm512_loadu_si512,
    _mm512_set1_epi32, _mm512_setzero_si512, _mm512_storeu_si512,
};

use super::super::Machine;
use super::super::pack::BLOCK;

/// Rows of inputs of 8 bits (0 to 127) times all blocks.
pub(crate) fn bytes(
    machine: Machine,
    inputs: &[u8],
    step: usize,
    row: usize,
    weights: &[i8],
    sums: &mut [i32],
) {
    let width = weights.len() / row;
    let count = check(inputs.len(), step, row, width, sums.len());
    let at = Place { step, row, width, count };
    let (weights, out) = (weights.as_ptr().cast(), sums.as_mut_ptr());
    // SAFETY: `Machine` says that the instructions are there; `check` that inputs and sums hold all rows;
    // weights are whole blocks of rows.
    unsafe {
        match machine {
            Machine::Avx512Vnni => rows::<true>(inputs.as_ptr(), weights, out, &at),
            _ => rows_avx2::<true>(inputs.as_ptr(), weights, out, &at),
        }
    }
}

/// Rows of inputs of 16 bits times all blocks.
pub(crate) fn words(
    machine: Machine,
    inputs: &[i16],
    step: usize,
    row: usize,
    weights: &[i16],
    sums: &mut [i32],
) {
    let width = weights.len() / row;
    let count = check(inputs.len(), step, row, width, sums.len());
    let at = Place { step: 2 * step, row: 2 * row, width, count };
    let (inputs, out) = (inputs.as_ptr().cast::<u8>(), sums.as_mut_ptr());
    // SAFETY: as above.
    unsafe {
        match machine {
            Machine::Avx512Vnni => rows::<false>(inputs, weights.as_ptr().cast(), out, &at),
            _ => rows_avx2::<false>(inputs, weights.as_ptr().cast(), out, &at),
        }
    }
}

/// Where rows lie, in bytes.
struct Place {
    step: usize,
    row: usize,
    /// Sums of a row.
    width: usize,
    count: usize,
}

/// How many rows there are; all of them lie in the inputs.
fn check(inputs: usize, step: usize, row: usize, width: usize, sums: usize) -> usize {
    let count = sums / width;
    assert!(width.is_multiple_of(BLOCK) && row.is_multiple_of(4) && sums.is_multiple_of(width));
    assert!(count == 0 || inputs >= (count - 1) * step + row, "the inputs hold all rows");
    count
}

/// # Safety
/// The machine has AVX-512 and its VNNI; inputs, weights and sums hold all that `at` says.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn rows<const BYTES: bool>(
    inputs: *const u8,
    weights: *const u8,
    sums: *mut i32,
    at: &Place,
) {
    let blocks = at.width / BLOCK;
    let mut block = 0;
    while block < blocks {
        let wide = (blocks - block).min(4);
        // A block's weights: `row` bytes for each of its outputs.
        let mut row = 0;
        while row < at.count {
            let left = at.count - row;
            // SAFETY: blocks and rows are within what the caller says.
            unsafe {
                let weights = weights.add(block * BLOCK * at.row);
                let inputs = inputs.add(row * at.step);
                let sums = sums.add(row * at.width + block * BLOCK);
                row += match (wide, left) {
                    (4, 6..) => tile::<BYTES, 6, 4>(inputs, weights, sums, at),
                    (4, 3..) => tile::<BYTES, 3, 4>(inputs, weights, sums, at),
                    (4, _) => tile::<BYTES, 1, 4>(inputs, weights, sums, at),
                    (3, 6..) => tile::<BYTES, 6, 3>(inputs, weights, sums, at),
                    (3, 3..) => tile::<BYTES, 3, 3>(inputs, weights, sums, at),
                    (3, _) => tile::<BYTES, 1, 3>(inputs, weights, sums, at),
                    (2, 6..) => tile::<BYTES, 6, 2>(inputs, weights, sums, at),
                    (2, 3..) => tile::<BYTES, 3, 2>(inputs, weights, sums, at),
                    (2, _) => tile::<BYTES, 1, 2>(inputs, weights, sums, at),
                    (_, 6..) => tile::<BYTES, 6, 1>(inputs, weights, sums, at),
                    (_, 3..) => tile::<BYTES, 3, 1>(inputs, weights, sums, at),
                    (_, _) => tile::<BYTES, 1, 1>(inputs, weights, sums, at),
                };
            }
        }
        block += wide;
    }
}

/// The sums of R rows and B blocks; returns R. Of four products of bytes a lane, or of two of words.
///
/// # Safety
/// As for [`rows`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn tile<const BYTES: bool, const R: usize, const B: usize>(
    inputs: *const u8,
    weights: *const u8,
    sums: *mut i32,
    at: &Place,
) -> usize {
    let mut totals = [[_mm512_setzero_si512(); B]; R];
    for t in (0..at.row).step_by(4) {
        // SAFETY: t is a group of the row, of which each block has a vector.
        unsafe {
            let weights: [__m512i; B] = core::array::from_fn(|b| {
                _mm512_loadu_si512(weights.add(BLOCK * (b * at.row + t)).cast::<__m512i>())
            });
            for r in 0..R {
                let group = inputs.add(r * at.step + t).cast::<i32>().read_unaligned();
                let group = _mm512_set1_epi32(group);
                for b in 0..B {
                    totals[r][b] = match BYTES {
                        true => _mm512_dpbusd_epi32(totals[r][b], group, weights[b]),
                        false => _mm512_dpwssd_epi32(totals[r][b], group, weights[b]),
                    };
                }
            }
        }
    }
    for r in 0..R {
        for b in 0..B {
            // SAFETY: sums hold B blocks of R rows.
            unsafe {
                let place = sums.add(r * at.width + b * BLOCK).cast::<__m512i>();
                _mm512_storeu_si512(place, totals[r][b]);
            }
        }
    }
    R
}

/// # Safety
/// As for [`rows`], on a machine with AVX2.
#[target_feature(enable = "avx2")]
unsafe fn rows_avx2<const BYTES: bool>(
    inputs: *const u8,
    weights: *const u8,
    sums: *mut i32,
    at: &Place,
) {
    for block in 0..at.width / BLOCK {
        let mut row = 0;
        while row < at.count {
            // SAFETY: blocks and rows are within what the caller says.
            unsafe {
                let weights = weights.add(block * BLOCK * at.row);
                let inputs = inputs.add(row * at.step);
                let sums = sums.add(row * at.width + block * BLOCK);
                // Of bytes fewer rows: their products need two registers more.
                row += match (BYTES, at.count - row) {
                    (false, 6..) => tile_avx2::<BYTES, 6>(inputs, weights, sums, at),
                    (true, 4..) => tile_avx2::<BYTES, 4>(inputs, weights, sums, at),
                    (_, 3..) => tile_avx2::<BYTES, 3>(inputs, weights, sums, at),
                    (_, _) => tile_avx2::<BYTES, 1>(inputs, weights, sums, at),
                };
            }
        }
    }
}

/// As [`tile`], of a single block. Two products of bytes together fit in 16 bits, as inputs are 0 to 127.
///
/// # Safety
/// As for [`rows_avx2`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn tile_avx2<const BYTES: bool, const R: usize>(
    inputs: *const u8,
    weights: *const u8,
    sums: *mut i32,
    at: &Place,
) -> usize {
    let ones = _mm256_set1_epi16(1);
    let mut totals = [[_mm256_setzero_si256(); 2]; R];
    for t in (0..at.row).step_by(4) {
        // SAFETY: t is a group of the row, of which a block has two vectors.
        unsafe {
            let weights = weights.add(BLOCK * t).cast::<__m256i>();
            let weights = [_mm256_loadu_si256(weights), _mm256_loadu_si256(weights.add(1))];
            for r in 0..R {
                let group = inputs.add(r * at.step + t).cast::<i32>().read_unaligned();
                let group = _mm256_set1_epi32(group);
                for half in 0..2 {
                    let products = match BYTES {
                        true => _mm256_madd_epi16(_mm256_maddubs_epi16(group, weights[half]), ones),
                        false => _mm256_madd_epi16(group, weights[half]),
                    };
                    totals[r][half] = _mm256_add_epi32(totals[r][half], products);
                }
            }
        }
    }
    for r in 0..R {
        for half in 0..2 {
            // SAFETY: sums hold a block of R rows.
            unsafe {
                let place = sums.add(r * at.width + 8 * half).cast::<__m256i>();
                _mm256_storeu_si256(place, totals[r][half]);
            }
        }
    }
    R
}
