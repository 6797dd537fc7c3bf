//! Sixteen products at a time, on x86-64 machines with AVX2.
#![allow(unsafe_code)]

use core::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi32, _mm_cvtepi8_epi16, _mm_cvtsi32_si128, _mm_cvtsi128_si32,
    _mm_loadl_epi64, _mm_loadu_si128, _mm_madd_epi16, _mm_shuffle_epi32, _mm256_add_epi32,
    _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_extracti128_si256, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_setzero_si256,
};

/// See [`super::dots`]; `None` on machines without AVX2.
#[inline]
pub(super) fn dots<const P: usize>(
    rows: [&[u8]; 2],
    patch: &[i16],
    step: usize,
) -> Option<[[i32; P]; 2]> {
    let len = rows[0].len();
    assert!(rows[1].len() == len && len.is_multiple_of(4), "rows of whole groups");
    assert!(patch.len() >= len + (P - 1) * step, "the patch holds all positions");
    if !std::arch::is_x86_feature_detected!("avx2") {
        return None;
    }
    // SAFETY: the machine has AVX2, and the lengths were checked just above.
    Some(unsafe { dots_avx2(rows, patch, step) })
}

/// # Safety
///
/// The rows have the same length, a multiple of 4, and the patch holds `(P - 1) · step` elements more than
/// that.
#[target_feature(enable = "avx2")]
unsafe fn dots_avx2<const P: usize>(rows: [&[u8]; 2], patch: &[i16], step: usize) -> [[i32; P]; 2] {
    let len = rows[0].len();
    let (wide, pair) = (len - len % 16, len - len % 8);
    let weights = rows.map(<[u8]>::as_ptr);
    let inputs: [*const i16; P] = core::array::from_fn(|j| patch[j * step..].as_ptr());
    let mut sums = [[_mm256_setzero_si256(); P]; 2];
    for t in (0..wide).step_by(16) {
        for (sums, weights) in sums.iter_mut().zip(weights) {
            // SAFETY: t + 16 is within the row, and within the patch from each position on.
            let weights =
                _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(weights.add(t).cast::<__m128i>()) });
            for (sum, inputs) in sums.iter_mut().zip(inputs) {
                // SAFETY: as above.
                let inputs = unsafe { _mm256_loadu_si256(inputs.add(t).cast::<__m256i>()) };
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(weights, inputs));
            }
        }
    }
    let mut halves = sums.map(|row| {
        row.map(|sum| {
            _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum))
        })
    });
    if pair > wide {
        for (sums, weights) in halves.iter_mut().zip(weights) {
            // SAFETY: wide + 8 is within the row, and within the patch from each position on.
            let weights =
                _mm_cvtepi8_epi16(unsafe { _mm_loadl_epi64(weights.add(wide).cast::<__m128i>()) });
            for (sum, inputs) in sums.iter_mut().zip(inputs) {
                // SAFETY: as above.
                let inputs = unsafe { _mm_loadu_si128(inputs.add(wide).cast::<__m128i>()) };
                *sum = _mm_add_epi32(*sum, _mm_madd_epi16(weights, inputs));
            }
        }
    }
    if len > pair {
        for (sums, row) in halves.iter_mut().zip(rows) {
            let [a, b, c, d] = row[pair..].as_chunks().0[0];
            let weights = _mm_cvtepi8_epi16(_mm_cvtsi32_si128(i32::from_le_bytes([a, b, c, d])));
            for (sum, inputs) in sums.iter_mut().zip(inputs) {
                // SAFETY: pair + 4 is within the patch from each position on.
                let inputs = unsafe { _mm_loadl_epi64(inputs.add(pair).cast::<__m128i>()) };
                *sum = _mm_add_epi32(*sum, _mm_madd_epi16(weights, inputs));
            }
        }
    }
    halves.map(|row| row.map(|sums| horizontal(sums)))
}

/// The sum of four lanes.
#[target_feature(enable = "avx2")]
fn horizontal(sums: __m128i) -> i32 {
    let pairs = _mm_add_epi32(sums, _mm_shuffle_epi32::<0b0100_1110>(sums));
    _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32::<0b1011_0001>(pairs)))
}
