//! Levels of samples, and where in a clip the sound is.

use std::ops::Range;

/// Frames a second that the level is looked at in.
const FRAMES_PER_SECOND: u32 = 100;
/// Least difference between the loudest frame and what counts as silence.
const LEAST_RANGE_DB: f32 = 6.0;
/// A frame must be louder by this than the background of the clip.
const ABOVE_FLOOR_DB: f32 = 6.0;
/// Quiet frames that the background's level is taken from, as a fraction of all.
const FLOOR_QUANTILE: usize = 10;

/// The factor of a gain.
pub(crate) fn factor(gain_db: f32) -> f32 {
    10_f32.powf(gain_db / 20.0)
}

/// The root mean square; 0 for no samples.
pub(crate) fn rms(samples: &[f32]) -> f32 {
    let energy: f64 = samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
    (energy / samples.len().max(1) as f64).sqrt() as f32
}

/// The largest magnitude.
pub(crate) fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| sample.abs().max(peak))
}

/// Brings the samples to a root mean square of `target`; silence stays silence.
pub(crate) fn set_rms(samples: &mut [f32], target: f32) {
    let rms = rms(samples);
    if rms > 0.0 {
        scale(samples, target / rms);
    }
}

/// Multiplies all samples.
pub(crate) fn scale(samples: &mut [f32], factor: f32) {
    samples.iter_mut().for_each(|sample| *sample *= factor);
}

/// Fades the first and last `length` samples in and out.
pub(crate) fn fade(samples: &mut [f32], length: usize) {
    let length = length.min(samples.len() / 2);
    let last = samples.len();
    for at in 0..length {
        let gain = (at as f32 + 0.5) / length as f32;
        samples[at] *= gain;
        samples[last - 1 - at] *= gain;
    }
}

/// Where the sound is in a clean recording: from the first to the last frame of 10 ms that is at
/// most `range_db` quieter than the loudest. The whole clip where all is silent.
pub(crate) fn sounding(samples: &[f32], rate_hz: u32, range_db: f32) -> Range<usize> {
    let levels = levels(samples, rate_hz);
    let loudest = levels.iter().copied().fold(0.0, f32::max);
    louder_than(loudest * factor(-range_db), &levels, samples.len(), rate_hz)
}

/// As [`sounding`], for recordings with a background of their own: frames must also stand out
/// from that.
pub(crate) fn sounding_in_noise(samples: &[f32], rate_hz: u32, range_db: f32) -> Range<usize> {
    let levels = levels(samples, rate_hz);
    louder_than(above_noise(&levels, range_db), &levels, samples.len(), rate_hz)
}

/// The stretches of sound in a recording with a background of its own, in their order: frames as
/// [`sounding_in_noise`] takes them, with pauses of up to `pause` samples inside a stretch. None where all is silent.
pub(crate) fn stretches(
    samples: &[f32],
    rate_hz: u32,
    range_db: f32,
    pause: usize,
) -> Vec<Range<usize>> {
    let levels = levels(samples, rate_hz);
    let (threshold, frame) = (above_noise(&levels, range_db), frame_length(rate_hz));
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for (index, _) in levels.iter().enumerate().filter(|&(_, &level)| level > threshold) {
        let found = index * frame..samples.len().min((index + 1) * frame);
        match stretches.last_mut() {
            Some(last) if found.start - last.end <= pause => last.end = found.end,
            _ => stretches.push(found),
        }
    }
    stretches
}

/// The level that frames must have to be at most `range_db` quieter than the loudest and to stand out from
/// the background.
fn above_noise(levels: &[f32], range_db: f32) -> f32 {
    let mut sorted = levels.to_vec();
    sorted.sort_by(f32::total_cmp);
    let loudest = sorted.last().copied().unwrap_or(0.0);
    let floor = sorted.get(sorted.len() / FLOOR_QUANTILE).copied().unwrap_or(0.0);
    let threshold = (loudest * factor(-range_db)).max(floor * factor(ABOVE_FLOOR_DB));
    threshold.min(loudest * factor(-LEAST_RANGE_DB))
}

fn frame_length(rate_hz: u32) -> usize {
    (rate_hz / FRAMES_PER_SECOND).max(1) as usize
}

fn levels(samples: &[f32], rate_hz: u32) -> Vec<f32> {
    samples.chunks(frame_length(rate_hz)).map(rms).collect()
}

/// From the first to the last of these frames above a level, in samples of `length`.
fn louder_than(threshold: f32, levels: &[f32], length: usize, rate_hz: u32) -> Range<usize> {
    let frame = frame_length(rate_hz);
    let is_loud = |level: &f32| *level > threshold;
    match (levels.iter().position(is_loud), levels.iter().rposition(is_loud)) {
        (Some(first), Some(last)) => first * frame..length.min((last + 1) * frame),
        _ => 0..length,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a second of tone at 0.3 s in a second, over a tone of the given level.
    fn clip(background: f32) -> Vec<f32> {
        let sample = |at: usize| {
            let level = if (4800..12800).contains(&at) { 0.5 } else { background };
            (at as f32 * 0.3).sin() * level
        };
        (0..16_000).map(sample).collect()
    }

    #[test]
    fn sound_is_found_in_silence_and_in_noise() {
        assert_eq!(sounding(&clip(0.0), 16_000, 30.0), 4800..12800);
        assert_eq!(sounding(&clip(0.05), 16_000, 40.0), 0..16_000);
        assert_eq!(sounding_in_noise(&clip(0.05), 16_000, 40.0), 4800..12800);
        assert_eq!(sounding_in_noise(&clip(0.5), 16_000, 40.0), 0..16_000);
        assert_eq!(sounding(&[0.0; 1000], 16_000, 30.0), 0..1000);
        assert_eq!(sounding(&[], 16_000, 30.0), 0..0);
        assert_eq!(sounding_in_noise(&[], 16_000, 30.0), 0..0);
    }

    #[test]
    fn stretches_end_at_pauses() {
        // Two words of 0.5 s, 0.5 s apart, over noise.
        let take = [clip(0.01), clip(0.01)].concat();
        let words = [4800..12_800, 20_800..28_800];
        assert_eq!(stretches(&take, 16_000, 30.0, 4000), words);
        let [first, last] = words;
        let both = stretches(&take, 16_000, 30.0, 8000);
        assert_eq!(both.iter().collect::<Vec<_>>(), [&(first.start..last.end)]);
        assert!(stretches(&[0.0; 1000], 16_000, 30.0, 100).is_empty());
        assert!(stretches(&[], 16_000, 30.0, 100).is_empty());
    }

    #[test]
    fn levels_are_set() {
        let mut samples = clip(0.1);
        set_rms(&mut samples, 0.1);
        assert!((rms(&samples) - 0.1).abs() < 1e-6);
        let mut silence = [0.0; 10];
        set_rms(&mut silence, 0.1);
        assert_eq!(silence, [0.0; 10]);
        assert!((factor(-20.0) - 0.1).abs() < 1e-7);
        assert_eq!(peak(&[0.1, -0.7, 0.3]), 0.7);
    }

    #[test]
    fn fades_start_and_end_near_zero() {
        let mut samples = [1.0; 100];
        fade(&mut samples, 10);
        assert_eq!((samples[0], samples[99], samples[50]), (0.05, 0.05, 1.0));
        fade(&mut [], 10);
    }
}
