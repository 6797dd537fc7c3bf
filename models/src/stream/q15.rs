//! Posteriors as integers.

/// A posterior probability as a multiple of 2^-15: 0 is impossible, [`ONE`] is certain.
pub type Q15 = u16;

/// The posterior 1.0.
pub const ONE: Q15 = 1 << 15;

/// A threshold that no posterior reaches: the class is never reported.
pub const NEVER: Q15 = Q15::MAX;

/// Rounds a probability to the nearest [`Q15`], halves away from zero. Values beyond 0 to 1 are
/// clamped; NaN becomes 0.
#[must_use]
pub fn from_f32(probability: f32) -> Q15 {
    // `as` saturates below and maps NaN to 0; `clamp` lets NaN through.
    (probability.clamp(0.0, 1.0) * f32::from(ONE) + 0.5) as Q15
}

/// The probability that a [`Q15`] stands for.
#[must_use]
pub fn to_f32(posterior: Q15) -> f32 {
    f32::from(posterior) / f32::from(ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_nearest_and_clamps() {
        assert_eq!(from_f32(0.0), 0);
        assert_eq!(from_f32(1.0), ONE);
        assert_eq!(from_f32(0.5), ONE / 2);
        assert_eq!(from_f32(1.5 / 32768.0), 2);
        assert_eq!(from_f32(1.49 / 32768.0), 1);
        assert_eq!(from_f32(-0.1), 0);
        assert_eq!(from_f32(7.0), ONE);
        assert_eq!(from_f32(f32::INFINITY), ONE);
        assert_eq!(from_f32(f32::NEG_INFINITY), 0);
    }

    #[test]
    fn not_a_number_is_no_evidence() {
        assert_eq!(from_f32(f32::NAN), 0);
    }

    #[test]
    fn every_posterior_survives_the_round_trip() {
        for posterior in 0..=ONE {
            assert_eq!(from_f32(to_f32(posterior)), posterior);
        }
    }
}
