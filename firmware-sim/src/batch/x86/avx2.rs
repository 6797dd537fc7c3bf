//! [`Lanes`] of AVX2.

use core::arch::x86_64::{
    __m128i, __m256i, _mm_loadl_epi64, _mm_loadu_si128, _mm_packus_epi16, _mm_storel_epi64,
    _mm_storeu_si128, _mm256_abs_epi32, _mm256_add_epi32, _mm256_add_epi64, _mm256_and_si256,
    _mm256_blend_epi32, _mm256_blendv_epi8, _mm256_castsi256_si128, _mm256_cmpgt_epi64,
    _mm256_cvtepi16_epi32, _mm256_cvtepu8_epi32, _mm256_cvtepu16_epi32, _mm256_loadu_si256,
    _mm256_max_epi32, _mm256_min_epi32, _mm256_mul_epu32, _mm256_mullo_epi32, _mm256_packs_epi32,
    _mm256_permute4x64_epi64, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_sign_epi32,
    _mm256_slli_epi64, _mm256_sllv_epi64, _mm256_srai_epi32, _mm256_srli_epi64, _mm256_srlv_epi64,
    _mm256_storeu_si256, _mm256_sub_epi64, _mm256_xor_si256,
};

use models::quant::JOIN_BITS;

use super::super::vector::Lanes;
use super::{Factors, LOW};

impl Lanes for __m256i {
    const COUNT: usize = 8;
    type Factors = Factors<Self>;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn splat(value: i32) -> Self {
        _mm256_set1_epi32(value)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: eight values, as the caller says.
        unsafe { _mm256_loadu_si256(from.cast::<__m256i>()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load_u8(from: *const u8) -> Self {
        // SAFETY: as above.
        _mm256_cvtepu8_epi32(unsafe { _mm_loadl_epi64(from.cast::<__m128i>()) })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load_u16(from: *const u16) -> Self {
        // SAFETY: as above.
        _mm256_cvtepu16_epi32(unsafe { _mm_loadu_si128(from.cast::<__m128i>()) })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load_i16(from: *const i16) -> Self {
        // SAFETY: as above.
        _mm256_cvtepi16_epi32(unsafe { _mm_loadu_si128(from.cast::<__m128i>()) })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(to.cast::<__m256i>(), self) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store_u8(self, to: *mut u8) {
        let words = words(self);
        // SAFETY: as above.
        unsafe { _mm_storel_epi64(to.cast::<__m128i>(), _mm_packus_epi16(words, words)) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store_i16(self, to: *mut i16) {
        // SAFETY: as above.
        unsafe { _mm_storeu_si128(to.cast::<__m128i>(), words(self)) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn add(self, other: Self) -> Self {
        _mm256_add_epi32(self, other)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn multiply(self, other: Self) -> Self {
        _mm256_mullo_epi32(self, other)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn max(self, other: Self) -> Self {
        _mm256_max_epi32(self, other)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn min(self, other: Self) -> Self {
        _mm256_min_epi32(self, other)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn halved_sum(self, other: Self) -> Self {
        let differing = _mm256_srai_epi32::<1>(_mm256_xor_si256(self, other));
        _mm256_add_epi32(_mm256_and_si256(self, other), differing)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn without_fraction(self) -> Self {
        _mm256_srai_epi32::<{ JOIN_BITS as i32 - 1 }>(self)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn factors(multipliers: Self, shifts: Self, limit: i32) -> Factors<Self> {
        let low = _mm256_set1_epi64x(LOW);
        let shifts = [_mm256_and_si256(shifts, low), _mm256_srli_epi64::<32>(shifts)];
        let one = _mm256_set1_epi64x(1);
        let [even, odd] = shifts;
        Factors {
            multipliers: [multipliers, _mm256_srli_epi64::<32>(multipliers)],
            halves: [
                _mm256_sllv_epi64(one, _mm256_sub_epi64(even, one)),
                _mm256_sllv_epi64(one, _mm256_sub_epi64(odd, one)),
            ],
            shifts,
            limit: _mm256_set1_epi64x(limit.into()),
        }
    }

    /// Away from zero is up, without the sign.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn requantize(self, by: &Factors<Self>) -> Self {
        let magnitude = _mm256_abs_epi32(self);
        let even = rounded::<0>(magnitude, by);
        let odd = rounded::<1>(_mm256_srli_epi64::<32>(magnitude), by);
        let both = _mm256_blend_epi32::<0b1010_1010>(even, _mm256_slli_epi64::<32>(odd));
        _mm256_sign_epi32(both, self)
    }
}

/// Eight values in 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn words(values: __m256i) -> __m128i {
    let words = _mm256_packs_epi32(values, values);
    _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b1000>(words))
}

/// The low halves of four lanes times even (0) or odd (1) factors: `(value · multiplier + half) >> shift`, at most the
/// limit.
#[inline]
#[target_feature(enable = "avx2")]
fn rounded<const ODD: usize>(value: __m256i, by: &Factors<__m256i>) -> __m256i {
    let product = _mm256_mul_epu32(value, by.multipliers[ODD]);
    let result = _mm256_srlv_epi64(_mm256_add_epi64(product, by.halves[ODD]), by.shifts[ODD]);
    _mm256_blendv_epi8(result, by.limit, _mm256_cmpgt_epi64(result, by.limit))
}
