//! An utterance in its clip: fitted in by speed, at a random place and level, on a noise floor.

use rand::RngExt as _;

use super::engine::{self, Manner};
use super::plan::Job;
use super::{RATE_HZ, noise};
use crate::data::{DataError, level};
use crate::draw;

/// Samples of a clip: one second.
pub(crate) const CLIP: usize = RATE_HZ as usize;
/// The longest utterance, so that there is a little silence on both sides.
const LONGEST: usize = CLIP * 94 / 100;
/// Quieter edges than this below the loudest frame are not the utterance.
const RANGE_DB: f32 = 45.0;
/// Attempts at a speed that makes an utterance fit; each is aimed from the one before.
const ATTEMPTS: usize = 5;
/// Speech that is faster than this, relative to the voice's usual speed, is not how people speak.
const TOP_SPEED: f32 = 2.2;
/// How much faster than seems to be needed each attempt is.
const MARGIN: f32 = 1.04;
/// Loudest sample, in dB below full scale.
const PEAK_DB: (f32, f32) = (-18.0, -1.0);
/// Root mean square of the noise floor, in dB below full scale.
const FLOOR_DB: (f32, f32) = (-75.0, -50.0);
/// Fade at the edges of the utterance, in samples.
const FADE: usize = 48;

/// Makes the clip of a job: one second at [`RATE_HZ`], with the whole utterance in it.
pub(crate) fn clip(job: &Job<'_>, seed: u64) -> Result<Vec<f32>, DataError> {
    let mut rng = draw::rng(seed, &format!("place of {}", job.text), &[job.index]);
    let peak_db = rng.random_range(PEAK_DB.0..=PEAK_DB.1);
    let floor_db = rng.random_range(FLOOR_DB.0..=FLOOR_DB.1);
    let mut utterance = fitting(job)?;
    level::fade(&mut utterance, FADE);
    let peak = level::peak(&utterance);
    level::scale(&mut utterance, level::factor(peak_db) / peak);
    let start = rng.random_range(0..=(CLIP - utterance.len()) as u64) as usize;
    let mut clip = noise::pink(CLIP, &mut rng);
    level::set_rms(&mut clip, level::factor(floor_db));
    for (sample, spoken) in clip[start..].iter_mut().zip(utterance) {
        *sample += spoken;
    }
    Ok(clip)
}

/// The utterance alone, at most [`LONGEST`] samples and not silent; spoken faster than planned
/// where that is needed.
fn fitting(job: &Job<'_>) -> Result<Vec<f32>, DataError> {
    let Manner { pitch, mut speed } = job.manner;
    let mut length = 0;
    for _ in 0..ATTEMPTS {
        let (samples, rate_hz) = engine::speak(job.voice, job.text, Manner { pitch, speed })?;
        let samples = audio::resample(&samples, rate_hz, RATE_HZ)?;
        let utterance = &samples[level::sounding(&samples, RATE_HZ, RANGE_DB)];
        if level::peak(utterance) == 0.0 {
            let name = &job.voice.name;
            let silent =
                format!("the voice {name} says nothing for `{}`; use another word", job.text);
            return Err(DataError::Synth(silent));
        }
        length = utterance.len();
        if length <= LONGEST {
            return Ok(utterance.to_vec());
        }
        if speed >= TOP_SPEED {
            break;
        }
        speed = (speed * MARGIN * length as f32 / LONGEST as f32).min(TOP_SPEED);
    }
    let seconds = length as f32 / RATE_HZ as f32;
    Err(DataError::Synth(format!(
        "`{}` lasts {seconds:.2} s even when spoken fast, a clip 1 s; use a shorter phrase",
        job.text
    )))
}
