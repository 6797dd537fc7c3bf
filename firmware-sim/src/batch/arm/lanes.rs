//! [`Lanes`] of NEON.

use core::arch::aarch64::{
    int32x4_t, int64x2_t, uint32x2_t, uint32x4_t, vabsq_s32, vaddq_s32, vcombine_s16, vcombine_u32,
    vcreate_u8, vdupq_n_s32, vdupq_n_u32, veorq_s32, vget_high_s32, vget_high_u32, vget_lane_u32,
    vget_low_s32, vget_low_u16, vget_low_u32, vhaddq_s32, vld1_s16, vld1_u16, vld1q_s32, vmaxq_s32,
    vminq_s32, vminq_u32, vmovl_s16, vmovl_s32, vmovl_u8, vmovl_u16, vmovn_s32, vmovn_u16,
    vmull_u32, vmulq_s32, vnegq_s64, vqmovn_u64, vreinterpret_u32_u8, vreinterpretq_s32_u32,
    vreinterpretq_u16_s16, vreinterpretq_u32_s32, vrshlq_u64, vshrq_n_s32, vst1_s16, vst1q_s32,
    vsubq_s32,
};

use models::quant::JOIN_BITS;

use super::super::vector::Lanes;

/// Factors of the lower and of the upper two lanes.
pub(crate) struct Factors {
    multipliers: [uint32x2_t; 2],
    /// Negative: shifts to the left by less than nothing are shifts to the right.
    shifts: [int64x2_t; 2],
    limit: uint32x4_t,
}

impl Lanes for int32x4_t {
    const COUNT: usize = 4;
    type Factors = Factors;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn splat(value: i32) -> Self {
        vdupq_n_s32(value)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: four values, as the caller says.
        unsafe { vld1q_s32(from) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load_u8(from: *const u8) -> Self {
        // SAFETY: as above.
        let four = unsafe { from.cast::<u32>().read_unaligned() };
        let words = vget_low_u16(vmovl_u8(vcreate_u8(four.into())));
        vreinterpretq_s32_u32(vmovl_u16(words))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load_u16(from: *const u16) -> Self {
        // SAFETY: as above.
        vreinterpretq_s32_u32(vmovl_u16(unsafe { vld1_u16(from) }))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load_i16(from: *const i16) -> Self {
        // SAFETY: as above.
        vmovl_s16(unsafe { vld1_s16(from) })
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn store(self, to: *mut i32) {
        // SAFETY: as above.
        unsafe { vst1q_s32(to, self) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn store_u8(self, to: *mut u8) {
        let words = vmovn_s32(self);
        let bytes = vmovn_u16(vreinterpretq_u16_s16(vcombine_s16(words, words)));
        let four = vget_lane_u32::<0>(vreinterpret_u32_u8(bytes));
        // SAFETY: as above.
        unsafe { to.cast::<u32>().write_unaligned(four) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn store_i16(self, to: *mut i16) {
        // SAFETY: as above.
        unsafe { vst1_s16(to, vmovn_s32(self)) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn add(self, other: Self) -> Self {
        vaddq_s32(self, other)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn multiply(self, other: Self) -> Self {
        vmulq_s32(self, other)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn max(self, other: Self) -> Self {
        vmaxq_s32(self, other)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn min(self, other: Self) -> Self {
        vminq_s32(self, other)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn halved_sum(self, other: Self) -> Self {
        vhaddq_s32(self, other)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn without_fraction(self) -> Self {
        vshrq_n_s32::<{ JOIN_BITS as i32 - 1 }>(self)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn factors(multipliers: Self, shifts: Self, limit: i32) -> Factors {
        let multipliers = vreinterpretq_u32_s32(multipliers);
        let (low, high) = (vget_low_s32(shifts), vget_high_s32(shifts));
        Factors {
            multipliers: [vget_low_u32(multipliers), vget_high_u32(multipliers)],
            shifts: [vnegq_s64(vmovl_s32(low)), vnegq_s64(vmovl_s32(high))],
            limit: vdupq_n_u32(limit.cast_unsigned()),
        }
    }

    /// Away from zero is up, without the sign.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn requantize(self, by: &Factors) -> Self {
        let magnitude = vreinterpretq_u32_s32(vabsq_s32(self));
        let low = rounded::<0>(vget_low_u32(magnitude), by);
        let high = rounded::<1>(vget_high_u32(magnitude), by);
        let both = vreinterpretq_s32_u32(vminq_u32(vcombine_u32(low, high), by.limit));
        // All ones where the value is negative; x ^ −1 is −x − 1.
        let sign = vshrq_n_s32::<31>(self);
        vsubq_s32(veorq_s32(both, sign), sign)
    }
}

/// Two values times the lower (0) or upper (1) factors, halves rounded up, at most what 32 bits hold.
#[inline]
#[target_feature(enable = "neon")]
fn rounded<const HALF: usize>(values: uint32x2_t, by: &Factors) -> uint32x2_t {
    let products = vmull_u32(values, by.multipliers[HALF]);
    vqmovn_u64(vrshlq_u64(products, by.shifts[HALF]))
}
