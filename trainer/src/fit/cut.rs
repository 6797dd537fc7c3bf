//! Words that a window's end cuts off.
//!
//! Most windows of a stream hold a part of a word, or parts of two, and clips never do. A network that has not seen
//! any takes the end of one word for another.

use rand::{Rng as _, RngExt as _};

use crate::data::{I16_SCALE, level, stream};
use crate::draw::ChaCha8Rng;

/// How much of its sound may be left of a word that is none any more.
const LEFT: std::ops::Range<f64> = 0.1..0.5;

/// How far to move a clip, in samples of the window, as [`super::batch`] places it, so that a random part of its sound is left at a
/// random end of the window. Of two windows' ends the one that cuts is drawn as well.
pub(super) fn shift(
    samples: &[i16],
    rate_hz: u32,
    window: usize,
    speed: f64,
    rng: &mut ChaCha8Rng,
) -> f64 {
    let scaled: Vec<f32> = samples.iter().map(|sample| f32::from(*sample) / I16_SCALE).collect();
    let sound = level::sounding_in_noise(&scaled, rate_hz, stream::RANGE_DB);
    let left = rng.random_range(LEFT) * sound.len() as f64;
    let window = speed * window as f64;
    let start = match rng.next_u64().is_multiple_of(2) {
        true => sound.end as f64 - left,
        false => sound.start as f64 + left - window,
    };
    ((samples.len() as f64 - window) / 2.0 - start) / speed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw;
    use crate::fit::batch::place;

    #[test]
    fn at_most_half_of_the_sound_is_left_at_either_end() {
        // Half a second of sound in the middle of a second.
        let clip: Vec<i16> =
            (0..16_000).map(|at| if (4000..12_000).contains(&at) { 8000 } else { 0 }).collect();
        let (mut at_start, mut at_end) = (0, 0);
        for index in 0..200 {
            let mut rng = draw::rng(1, "cut test", &[index]);
            let speed = rng.random_range(0.8..1.2);
            let shift = shift(&clip, 16_000, 16_000, speed, &mut rng);
            let mut window = vec![0.0; 16_000];
            place(&clip, &mut window, speed, shift);
            let sounds = window.iter().filter(|sample| **sample > 0.1).count() as f64;
            let part = sounds * speed / 8000.0;
            assert!((0.099..0.501).contains(&part), "{part} at {speed}");
            at_start += usize::from(window[0] > 0.1);
            at_end += usize::from(window[15_999] > 0.1);
        }
        assert_eq!(at_start + at_end, 200);
        assert!(at_start.abs_diff(at_end) < 60, "{at_start} {at_end}");
    }
}
