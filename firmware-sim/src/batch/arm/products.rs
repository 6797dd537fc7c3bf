//! Products with NEON and with SDOT.
// Indices, not iterators: the compiler keeps sums in registers only if it unrolls the loops over them.
#![allow(clippy::needless_range_loop)]

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vdupq_n_s32, vget_low_s16, vld1q_s8, vld1q_s16, vmlal_high_n_s16,
    vmlal_n_s16, vreinterpretq_s8_s32, vst1q_s32,
};

use super::super::pack::BLOCK;

/// Vectors of four sums in a block.
const VECTORS: usize = BLOCK / 4;

/// Rows of inputs of 16 bits times all blocks, the weights of one input after the other.
pub(crate) fn words(inputs: &[i16], step: usize, row: usize, weights: &[i16], sums: &mut [i32]) {
    let at = Place::new(inputs.len(), step, row, weights.len(), sums.len());
    // SAFETY: every such machine has NEON; `Place` says that inputs, weights and sums hold all rows.
    unsafe {
        rows(
            &at,
            inputs.as_ptr(),
            weights.as_ptr(),
            sums.as_mut_ptr(),
            tile_words::<4>,
            tile_words::<1>,
        )
    }
}

/// Rows of inputs of 8 bits (0 to 127) times all blocks, in groups of four inputs.
///
/// The machine has to have the instruction SDOT.
pub(crate) fn bytes(inputs: &[u8], step: usize, row: usize, weights: &[i8], sums: &mut [i32]) {
    let at = Place::new(inputs.len(), step, row, weights.len(), sums.len());
    // SAFETY: the caller looked for SDOT; `Place` as above.
    unsafe {
        rows(
            &at,
            inputs.as_ptr(),
            weights.as_ptr(),
            sums.as_mut_ptr(),
            tile_bytes::<4>,
            tile_bytes::<1>,
        )
    }
}

/// Where rows lie, in values.
struct Place {
    step: usize,
    row: usize,
    /// Sums of a row.
    width: usize,
    count: usize,
}

impl Place {
    /// # Panics
    /// If the inputs do not hold all rows.
    fn new(inputs: usize, step: usize, row: usize, weights: usize, sums: usize) -> Self {
        let width = weights / row;
        let count = sums / width;
        assert!(width.is_multiple_of(BLOCK) && row.is_multiple_of(4) && sums.is_multiple_of(width));
        assert!(weights == width * row, "the weights are whole blocks of rows");
        assert!(count == 0 || inputs >= (count - 1) * step + row, "the inputs hold all rows");
        Self { step, row, width, count }
    }
}

/// The sums of a few rows and a block.
type Tile<I, W> = unsafe fn(*const I, *const W, *mut i32, &Place);

/// All rows and blocks, by tiles of four rows and of one.
///
/// # Safety
/// Inputs, weights and sums hold all that `at` says; the machine has what the tiles need.
unsafe fn rows<I, W>(
    at: &Place,
    inputs: *const I,
    weights: *const W,
    sums: *mut i32,
    four: Tile<I, W>,
    one: Tile<I, W>,
) {
    for block in 0..at.width / BLOCK {
        let mut row = 0;
        while row < at.count {
            let (tile, count) = if at.count - row >= 4 { (four, 4) } else { (one, 1) };
            // SAFETY: block and rows are within what the caller says.
            unsafe {
                let sums = sums.add(row * at.width + block * BLOCK);
                tile(inputs.add(row * at.step), weights.add(block * BLOCK * at.row), sums, at);
            }
            row += count;
        }
    }
}

/// # Safety
/// Inputs and sums hold R rows, weights a block.
unsafe fn tile_words<const R: usize>(
    inputs: *const i16,
    weights: *const i16,
    sums: *mut i32,
    at: &Place,
) {
    // SAFETY: t is an input of the row, of which a block has four vectors of weights.
    unsafe {
        let mut totals = [[vdupq_n_s32(0); VECTORS]; R];
        for t in 0..at.row {
            let weights = weights.add(BLOCK * t);
            let weights = [vld1q_s16(weights), vld1q_s16(weights.add(8))];
            for r in 0..R {
                let input = *inputs.add(r * at.step + t);
                for half in 0..2 {
                    let low = &mut totals[r][2 * half];
                    *low = vmlal_n_s16(*low, vget_low_s16(weights[half]), input);
                    let high = &mut totals[r][2 * half + 1];
                    *high = vmlal_high_n_s16(*high, weights[half], input);
                }
            }
        }
        store(&totals, sums, at);
    }
}

/// # Safety
/// As [`tile_words`], on a machine with SDOT.
#[target_feature(enable = "dotprod")]
unsafe fn tile_bytes<const R: usize>(
    inputs: *const u8,
    weights: *const i8,
    sums: *mut i32,
    at: &Place,
) {
    // SAFETY: t is a group of the row, of which a block has four vectors of weights.
    unsafe {
        let mut totals = [[vdupq_n_s32(0); VECTORS]; R];
        for t in (0..at.row).step_by(4) {
            let weights = weights.add(BLOCK * t);
            let weights: [int8x16_t; VECTORS] =
                core::array::from_fn(|v| vld1q_s8(weights.add(16 * v)));
            for r in 0..R {
                let group = inputs.add(r * at.step + t).cast::<i32>().read_unaligned();
                let group = vreinterpretq_s8_s32(vdupq_n_s32(group));
                for v in 0..VECTORS {
                    totals[r][v] = sdot(totals[r][v], weights[v], group);
                }
            }
        }
        store(&totals, sums, at);
    }
}

/// Adds four products of bytes to each sum.
#[inline]
#[target_feature(enable = "dotprod")]
fn sdot(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction reads and writes these registers only. The intrinsic is not stable yet.
    unsafe {
        core::arch::asm!(
            "sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums, a = in(vreg) a, b = in(vreg) b, options(pure, nomem, nostack, preserves_flags)
        );
    }
    sums
}

/// # Safety
/// The sums hold a block of R rows.
#[inline]
unsafe fn store<const R: usize>(totals: &[[int32x4_t; VECTORS]; R], sums: *mut i32, at: &Place) {
    for r in 0..R {
        for v in 0..VECTORS {
            // SAFETY: as the caller says.
            unsafe { vst1q_s32(sums.add(r * at.width + 4 * v), totals[r][v]) };
        }
    }
}
