//! The integer arithmetic that every int8 engine shares, to the bit.
//!
//! A real number `r` is stored as an integer `q` with `r = q · scale`. There are no zero points: zero is
//! 0, and padding is exact. A layer sums `i8 · i16` products and a bias in an `i32` that wraps around
//! (the exporter makes sure that it never does), then brings the sum to the scale of its
//! output by [`requantize`].

use crate::stream::{ONE, Q15};

/// Fraction bits of a [`Log2`].
pub const LOG2_BITS: u32 = 10;

/// The logarithm to base 2 of an odds ratio, as a multiple of 2^-10: a logit times log2(e).
pub type Log2 = i32;

/// A positive factor as `multiplier / 2^shift`, with the multiplier in 2^30 to 2^31 − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    /// From 2^30 to 2^31 − 1.
    pub multiplier: i32,
    /// From 1 to 62.
    pub shift: u8,
}

impl Factor {
    /// The nearest factor to a real one; `None` if it is not in about 2^-32 to 2^29.
    #[must_use]
    pub fn from_real(value: f64) -> Option<Self> {
        if !(value.is_finite() && value > 0.0) {
            return None;
        }
        let (mut mantissa, mut shift) = (value, 0i32);
        while mantissa < f64::from(1 << 30) {
            mantissa *= 2.0;
            shift += 1;
            if shift > 62 {
                return None;
            }
        }
        while mantissa >= 2_147_483_647.5 {
            mantissa /= 2.0;
            shift -= 1;
        }
        // Halving may have left it just under 2^30, where rounding brings it back.
        let multiplier = ((mantissa + 0.5) as i64).clamp(1 << 30, i64::from(i32::MAX)) as i32;
        let shift = u8::try_from(shift).ok()?;
        (1..=62).contains(&shift).then_some(Self { multiplier, shift })
    }

    /// Whether multiplier and shift are in their ranges.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.multiplier >= 1 << 30 && self.shift >= 1 && self.shift <= 62
    }
}

/// `sum · multiplier / 2^shift`, rounded to the nearest integer, halves away from zero, and limited
/// to what an `i32` holds.
#[must_use]
#[inline]
pub const fn requantize(sum: i32, factor: Factor) -> i32 {
    let product = sum as i64 * factor.multiplier as i64;
    let half = 1i64 << (factor.shift - 1);
    let rounded = if product >= 0 {
        (product + half) >> factor.shift
    } else {
        -((half - product) >> factor.shift)
    };
    if rounded > i32::MAX as i64 {
        i32::MAX
    } else if rounded < i32::MIN as i64 {
        i32::MIN
    } else {
        rounded as i32
    }
}

/// The same behind a ReLU: negative sums become 0, and what exceeds `limit` becomes `limit`.
#[must_use]
#[inline]
pub const fn requantize_relu(sum: i32, factor: Factor, limit: u16) -> i16 {
    if sum <= 0 {
        return 0;
    }
    let product = sum as u64 * factor.multiplier as u64;
    if factor.shift >= HIGH_SHIFT {
        // The low word cannot change the result: half a unit is a bit of the high word.
        let high = (product >> 32) as u32 >> (factor.shift - HIGH_SHIFT);
        let rounded = (high + 1) >> 1;
        return if rounded > limit as u32 { limit as i16 } else { rounded as i16 };
    }
    let rounded = (product + (1 << (factor.shift - 1))) >> factor.shift;
    if rounded > limit as u64 { limit as i16 } else { rounded as i16 }
}

/// Fraction bits with which the parts of a sum are added before it is rounded.
pub const JOIN_BITS: u32 = 8;

/// A branch's value, times its gate in Q15 if there is one, plus a shortcut's; then ReLU and limit.
///
/// Each part's factor brings it to the scale of the sum, but 2^-[`JOIN_BITS`] fine; the factor of a gated branch holds the
/// 2^-15 of the gate as well. The sum of the rounded parts, which cannot leave what an `i32` holds, is
/// rounded to the nearest integer, halves up.
#[must_use]
#[inline]
pub const fn join(
    (value, gate, factor): (i16, Option<Q15>, Factor),
    shortcut: Option<(i16, Factor)>,
    limit: u16,
) -> i16 {
    let product = match gate {
        Some(gate) => value as i32 * gate as i32,
        None => value as i32,
    };
    let mut sum = requantize(product, factor);
    if let Some((value, factor)) = shortcut {
        sum = sum.saturating_add(requantize(value as i32, factor));
    }
    let rounded = sum.saturating_add(1 << (JOIN_BITS - 1)) >> JOIN_BITS;
    if rounded < 0 {
        0
    } else if rounded > limit as i32 {
        limit as i16
    } else {
        rounded as i16
    }
}

/// From this shift on, a product's high word alone says what it is rounded to.
pub const HIGH_SHIFT: u8 = 33;

/// 2^-(i/32) for i from 0 to 31, as multiples of 2^-16.
const COARSE: [u32; 32] = powers(32.0);
/// 2^-(i/1024) for i from 0 to 31, as multiples of 2^-16.
const FINE: [u32; 32] = powers(1024.0);

/// 2^-(i/steps) by repeated multiplication with 2^-(1/steps), itself from repeated square roots.
const fn powers(steps: f64) -> [u32; 32] {
    let mut root = 0.5f64;
    let mut halvings = steps;
    while halvings > 1.0 {
        root = square_root(root);
        halvings /= 2.0;
    }
    let (mut table, mut value, mut index) = ([0; 32], 65536.0, 0);
    while index < 32 {
        table[index] = (value + 0.5) as u32;
        value *= root;
        index += 1;
    }
    table
}

/// Newton's iteration, for constants.
const fn square_root(value: f64) -> f64 {
    let (mut root, mut step) = (1.0, 0);
    while step < 40 {
        root = 0.5 * (root + value / root);
        step += 1;
    }
    root
}

/// 2^-x as a multiple of 2^-16, for x ≥ 0.
const fn exp2_negative(x: u32) -> u32 {
    let shift = x >> LOG2_BITS;
    if shift > 17 {
        return 0;
    }
    let (coarse, fine) = (COARSE[(x >> 5) as usize & 31], FINE[x as usize & 31]);
    let product = coarse as u64 * fine as u64;
    ((product + (1 << (15 + shift))) >> (16 + shift)) as u32
}

/// Softmax: posteriors in Q15 of logits to base 2, both with one element a class.
///
/// The largest error against the softmax of the same logits in f64 is below 2.5 · 10^-4, under 9
/// units of Q15 (a test measures it).
///
/// # Panics
/// If there are more than 65,535 classes.
pub fn softmax(logits: &[Log2], posteriors: &mut [Q15]) {
    // Then everything has 32 bits, and a small computer needs no division of 64.
    assert!(logits.len() <= usize::from(u16::MAX), "networks have fewer classes");
    let largest = logits.iter().copied().fold(i32::MIN, i32::max);
    let weight = |logit: &Log2| exp2_negative(largest.abs_diff(*logit));
    let sum: u32 = logits.iter().map(weight).sum();
    for (posterior, logit) in posteriors.iter_mut().zip(logits) {
        let scaled = weight(logit) * u32::from(ONE);
        *posterior = ((scaled + sum / 2) / sum) as Q15;
    }
}

/// Sigmoid: each class's posterior in Q15 from its logit to base 2, for networks whose classes
/// do not exclude each other.
pub fn sigmoid(logits: &[Log2], posteriors: &mut [Q15]) {
    for (posterior, logit) in posteriors.iter_mut().zip(logits) {
        let small = exp2_negative(logit.unsigned_abs());
        let numerator = if *logit >= 0 { 1 << 16 } else { small };
        let sum = (1 << 16) + small;
        let scaled = numerator * u32::from(ONE);
        *posterior = ((scaled + sum / 2) / sum) as Q15;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn halves_round_away_from_zero() {
        let half = Factor { multiplier: 1 << 30, shift: 31 };
        let all: Vec<i32> = [-3, -2, -1, 0, 1, 2, 3].map(|sum| requantize(sum, half)).to_vec();
        assert_eq!(all, [-2, -1, -1, 0, 1, 1, 2]);
        assert_eq!(requantize_relu(-3, half, 9), 0);
        assert_eq!(requantize_relu(3, half, 9), 2);
        assert_eq!(requantize_relu(100, half, 9), 9);
    }

    #[test]
    fn factors_out_of_reach_are_refused() {
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-12, 1e12] {
            assert_eq!(Factor::from_real(value), None, "{value}");
        }
    }

    #[test]
    fn joins_add_before_they_round() {
        let fine = |scale: f64| Factor::from_real(scale * 256.0).unwrap();
        // 0.4 + 0.4 is nearer to 1 than to 0.
        assert_eq!(join((4, None, fine(0.1)), Some((4, fine(0.1))), 127), 1);
        assert_eq!(join((4, None, fine(0.1)), None, 127), 0);
        assert_eq!(join((-40, None, fine(0.1)), Some((30, fine(0.1))), 127), 0);
        assert_eq!(join((30_000, None, fine(0.1)), Some((9, fine(1.0))), 127), 127);
        // A gate of one half.
        let gated = fine(1.0 / f64::from(ONE));
        assert_eq!(join((-60, Some(ONE / 2), gated), Some((100, fine(1.0))), 127), 70);
    }

    fn nearest(sum: i32, factor: Factor) -> i64 {
        let exact = i128::from(sum) * i128::from(factor.multiplier);
        let half = 1i128 << (factor.shift - 1);
        let magnitude = (exact.abs() + half) >> factor.shift;
        (magnitude * exact.signum()) as i64
    }

    proptest! {
        #[test]
        fn requantize_is_the_nearest_integer(sum: i32, multiplier in 1 << 30..=i32::MAX, shift in 1..=62u8) {
            let factor = Factor { multiplier, shift };
            let wanted = nearest(sum, factor).clamp(i64::from(i32::MIN), i64::from(i32::MAX));
            prop_assert_eq!(i64::from(requantize(sum, factor)), wanted);
            let relu = wanted.clamp(0, 32_767) as i16;
            prop_assert_eq!(requantize_relu(sum, factor, 32_767), relu);
        }

        #[test]
        fn factors_are_within_a_billionth(exponent in -31.0..29.0f64) {
            let value = exponent.exp2();
            let factor = Factor::from_real(value).unwrap();
            let back = f64::from(factor.multiplier) / f64::from(factor.shift).exp2();
            prop_assert!(factor.is_valid() && (back / value - 1.0).abs() < 1e-9);
        }

        #[test]
        fn softmax_is_close(logits in prop::collection::vec(-20_000..20_000i32, 1..40)) {
            let mut posteriors = vec![0; logits.len()];
            softmax(&logits, &mut posteriors);
            let powers: Vec<f64> = logits.iter().map(|l| (f64::from(*l) / 1024.0).exp2()).collect();
            let sum: f64 = powers.iter().sum();
            for (posterior, power) in posteriors.iter().zip(&powers) {
                let error = f64::from(*posterior) / f64::from(ONE) - power / sum;
                prop_assert!(error.abs() < 2.5e-4, "{}", error);
            }
        }

        #[test]
        fn sigmoid_is_close(logit: i32) {
            let mut posterior = [0];
            sigmoid(&[logit], &mut posterior);
            let wanted = 1.0 / (1.0 + (-f64::from(logit) / 1024.0).exp2());
            let error = f64::from(posterior[0]) / f64::from(ONE) - wanted;
            prop_assert!(error.abs() < 5e-5, "{}", error);
        }
    }
}
