//! [`Lanes`] of AVX-512.

use core::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_loadu_si128, _mm_storeu_si128, _mm256_loadu_si256,
    _mm256_storeu_si256, _mm512_abs_epi32, _mm512_add_epi32, _mm512_add_epi64, _mm512_and_si512,
    _mm512_cmplt_epi32_mask, _mm512_cvtepi16_epi32, _mm512_cvtepi32_epi8, _mm512_cvtepi32_epi16,
    _mm512_cvtepu8_epi32, _mm512_cvtepu16_epi32, _mm512_loadu_si512, _mm512_mask_blend_epi32,
    _mm512_mask_sub_epi32, _mm512_max_epi32, _mm512_min_epi32, _mm512_min_epu64, _mm512_mul_epu32,
    _mm512_mullo_epi32, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_slli_epi64, _mm512_sllv_epi64, _mm512_srai_epi32, _mm512_srli_epi64, _mm512_srlv_epi64,
    _mm512_storeu_si512, _mm512_sub_epi64, _mm512_xor_si512,
};

use models::quant::JOIN_BITS;

use super::super::vector::Lanes;
use super::{Factors, LOW};

impl Lanes for __m512i {
    const COUNT: usize = 16;
    type Factors = Factors<Self>;

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn splat(value: i32) -> Self {
        _mm512_set1_epi32(value)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: sixteen values, as the caller says.
        unsafe { _mm512_loadu_si512(from.cast::<__m512i>()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_u8(from: *const u8) -> Self {
        // SAFETY: as above.
        _mm512_cvtepu8_epi32(unsafe { _mm_loadu_si128(from.cast::<__m128i>()) })
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_u16(from: *const u16) -> Self {
        // SAFETY: as above.
        _mm512_cvtepu16_epi32(unsafe { _mm256_loadu_si256(from.cast::<__m256i>()) })
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_i16(from: *const i16) -> Self {
        // SAFETY: as above.
        _mm512_cvtepi16_epi32(unsafe { _mm256_loadu_si256(from.cast::<__m256i>()) })
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: as above.
        unsafe { _mm512_storeu_si512(to.cast::<__m512i>(), self) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store_u8(self, to: *mut u8) {
        // SAFETY: as above.
        unsafe { _mm_storeu_si128(to.cast::<__m128i>(), _mm512_cvtepi32_epi8(self)) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store_i16(self, to: *mut i16) {
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(to.cast::<__m256i>(), _mm512_cvtepi32_epi16(self)) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn add(self, other: Self) -> Self {
        _mm512_add_epi32(self, other)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn multiply(self, other: Self) -> Self {
        _mm512_mullo_epi32(self, other)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn max(self, other: Self) -> Self {
        _mm512_max_epi32(self, other)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn min(self, other: Self) -> Self {
        _mm512_min_epi32(self, other)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn halved_sum(self, other: Self) -> Self {
        let differing = _mm512_srai_epi32::<1>(_mm512_xor_si512(self, other));
        _mm512_add_epi32(_mm512_and_si512(self, other), differing)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn without_fraction(self) -> Self {
        _mm512_srai_epi32::<{ JOIN_BITS - 1 }>(self)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn factors(multipliers: Self, shifts: Self, limit: i32) -> Factors<Self> {
        let low = _mm512_set1_epi64(LOW);
        let shifts = [_mm512_and_si512(shifts, low), _mm512_srli_epi64::<32>(shifts)];
        let one = _mm512_set1_epi64(1);
        let [even, odd] = shifts;
        Factors {
            multipliers: [multipliers, _mm512_srli_epi64::<32>(multipliers)],
            halves: [
                _mm512_sllv_epi64(one, _mm512_sub_epi64(even, one)),
                _mm512_sllv_epi64(one, _mm512_sub_epi64(odd, one)),
            ],
            shifts,
            limit: _mm512_set1_epi64(limit.into()),
        }
    }

    /// Away from zero is up, without the sign.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn requantize(self, by: &Factors<Self>) -> Self {
        let zero = _mm512_setzero_si512();
        let magnitude = _mm512_abs_epi32(self);
        let even = rounded::<0>(magnitude, by);
        let odd = rounded::<1>(_mm512_srli_epi64::<32>(magnitude), by);
        let both = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64::<32>(odd));
        _mm512_mask_sub_epi32(both, _mm512_cmplt_epi32_mask(self, zero), zero, both)
    }
}

/// The low halves of eight lanes times even (0) or odd (1) factors: `(value · multiplier + half) >> shift`, at most the
/// limit.
#[inline]
#[target_feature(enable = "avx512f")]
fn rounded<const ODD: usize>(value: __m512i, by: &Factors<__m512i>) -> __m512i {
    let product = _mm512_mul_epu32(value, by.multipliers[ODD]);
    let result = _mm512_srlv_epi64(_mm512_add_epi64(product, by.halves[ODD]), by.shifts[ODD]);
    _mm512_min_epu64(result, by.limit)
}
