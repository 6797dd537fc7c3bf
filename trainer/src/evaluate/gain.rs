//! The same recordings from further away.

use crate::data::Clip;

/// The clips at another level, rounded to 16 bits and clipped as a converter would.
#[must_use]
pub fn apply(clips: &[Clip], decibels: f64) -> Vec<Clip> {
    if decibels == 0.0 {
        return clips.to_vec();
    }
    let factor = 10.0f64.powf(decibels / 20.0);
    let quieter = |sample: &i16| (f64::from(*sample) * factor).round() as i16;
    let apply =
        |clip: &Clip| Clip { samples: clip.samples.iter().map(quieter).collect(), ..clip.clone() };
    clips.iter().map(apply).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_scaled_rounded_and_clipped() {
        let samples = [-32_768i16, -100, 0, 3, 20_000].into();
        let (name, tags) = Default::default();
        let clip = Clip { name, class: 0, tags, speaker: None, samples };
        let samples = |db: f64| apply(std::slice::from_ref(&clip), db)[0].samples.to_vec();
        assert_eq!(samples(0.0), [-32_768, -100, 0, 3, 20_000]);
        assert_eq!(samples(-20.0), [-3_277, -10, 0, 0, 2_000]);
        assert_eq!(samples(20.0), [-32_768, -1_000, 0, 30, 32_767]);
    }
}
