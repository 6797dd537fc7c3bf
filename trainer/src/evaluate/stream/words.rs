//! Spoken words at random places in noise.

use rand::RngExt as _;

use super::compose::Composer;
use super::track::{CEILING, Heard, Kind, Span, Track};
use crate::data::{Clip, I16_SCALE, level, stream};

/// Shortest and longest pause between two clips, in seconds.
const GAP_SECONDS: (f32, f32) = (0.5, 2.5);
/// Level of the words, in dB below full scale, and above the noise.
const SPEECH_DB: (f32, f32) = (-38.0, -20.0);
const SNR_DB: (f32, f32) = (10.0, 20.0);
/// After so many words the noise dies down to this level, in a pause of so many seconds.
const SILENCE_EVERY: usize = 20;
const SILENCE_DB: f32 = -110.0;
const SILENCE_SECONDS: f32 = 3.0;
/// Fade at the edges of a clip, in seconds, so that its own background does not click.
const FADE_SECONDS: f32 = 0.02;
/// Samples that share a level of the noise.
const STEP: usize = 64;

/// Level of the noise at a sample; in between it is interpolated.
type Anchor = (usize, f32);

/// The clips in their order, each in as much noise as is drawn for it. Only the clips' own samples count
/// as distinct.
pub(super) fn track(composer: &Composer<'_>, name: &str, clips: &[&Clip]) -> Track {
    let rate_hz = composer.data.rate_hz;
    let (mut track, mut heard) = (Track::new(name, Kind::Real, rate_hz), Heard::default());
    let (mut speech, mut anchors) = (Vec::new(), Vec::new());
    for (index, clip) in clips.iter().enumerate() {
        let class = composer.command(clip);
        if class.is_none() && !heard.is_new(&clip.samples) {
            track.repeats += 1;
            continue;
        }
        let mut rng = composer.rng(name, &[index as u64]);
        if index % SILENCE_EVERY == SILENCE_EVERY - 1 {
            let pause = composer.samples(SILENCE_SECONDS);
            anchors.push((speech.len() + pause / 3, SILENCE_DB));
            anchors.push((speech.len() + 2 * pause / 3, SILENCE_DB));
            speech.resize(speech.len() + pause, 0.0);
        }
        let gap = composer.samples(rng.random_range(GAP_SECONDS.0..=GAP_SECONDS.1));
        speech.resize(speech.len() + gap, 0.0);
        let speech_db = rng.random_range(SPEECH_DB.0..=SPEECH_DB.1);
        let noise_db = speech_db - rng.random_range(SNR_DB.0..=SNR_DB.1);
        let (sound, word) = spoken(clip, rate_hz, speech_db, composer.samples(FADE_SECONDS));
        let (start, end) = (speech.len(), speech.len() + sound.len());
        anchors.extend([(start, noise_db), (end, noise_db)]);
        let range = (start + word.start) as u64..(start + word.end) as u64;
        let label = composer.data.labels[clip.class].clone();
        track.spans.push(Span { range, label, class });
        track.distinct += sound.len() as u64;
        speech.extend(sound);
    }
    speech.resize(speech.len() + composer.samples(GAP_SECONDS.1), 0.0);
    let seed = rand::Rng::next_u64(&mut composer.rng("noise under", &[name.len() as u64]));
    let noise = stream::background(composer.data, composer.part, speech.len(), seed);
    mix(&mut speech, &noise, &anchors);
    track.append(&speech);
    track
}

/// A clip at a level, and where in it the word is.
fn spoken(
    clip: &Clip,
    rate_hz: u32,
    level_db: f32,
    fade: usize,
) -> (Vec<f32>, std::ops::Range<usize>) {
    let mut sound: Vec<f32> = clip.samples.iter().map(|&s| f32::from(s) / I16_SCALE).collect();
    let word = level::sounding_in_noise(&sound, rate_hz, stream::RANGE_DB);
    let rms = level::rms(&sound[word.clone()]);
    if rms > 0.0 {
        let loudest = CEILING / level::peak(&sound);
        level::scale(&mut sound, (level::factor(level_db) / rms).min(loudest));
    }
    level::fade(&mut sound, fade);
    (sound, word)
}

/// Adds noise of a root mean square of 1 at the levels of the anchors.
fn mix(speech: &mut [f32], noise: &[f32], anchors: &[Anchor]) {
    let (mut next, mut at) = (0, 0);
    for (speech, noise) in speech.chunks_mut(STEP).zip(noise.chunks(STEP)) {
        while anchors.get(next).is_some_and(|(place, _)| *place <= at) {
            next += 1;
        }
        let before = next.checked_sub(1).and_then(|before| anchors.get(before));
        let factor = level::factor(match (before, anchors.get(next)) {
            (Some(&(from, low)), Some(&(to, high))) => {
                low + (high - low) * (at - from) as f32 / (to - from) as f32
            }
            (Some((_, level_db)), None) | (None, Some((_, level_db))) => *level_db,
            (None, None) => SILENCE_DB,
        });
        speech.iter_mut().zip(noise).for_each(|(sample, noise)| *sample += noise * factor);
        at += speech.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_follows_the_anchors() {
        let mut out = vec![0.0; 640];
        mix(&mut out, &[1.0; 640], &[(64, 0.0), (128, 0.0), (384, -40.0)]);
        assert_eq!((out[0], out[100], out[128]), (1.0, 1.0, 1.0));
        assert!((out[256] - 0.1).abs() < 1e-6 && (out[600] - 0.01).abs() < 1e-6);
        let mut nothing = vec![0.5; 10];
        mix(&mut nothing, &[1.0; 10], &[]);
        assert!((nothing[3] - 0.5).abs() < 1e-4);
    }
}
