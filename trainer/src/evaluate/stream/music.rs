//! Something like music: chords, a tune, a bass and drums, drawn anew for every piece.

use std::f32::consts::TAU;

use rand::RngExt as _;

use crate::data::synth::noise;
use crate::draw::{self, ChaCha8Rng};

/// Length of a piece in seconds.
pub(super) const SECONDS: usize = 20;
/// Steps of the scale in semitones: major and minor.
const SCALES: [[i32; 7]; 2] = [[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10]];
/// Steps of the scale that chords are built on, a bar each.
const PROGRESSIONS: [[usize; 4]; 5] =
    [[0, 4, 5, 3], [0, 5, 3, 4], [0, 3, 4, 4], [5, 3, 0, 4], [0, 2, 3, 4]];
const BEATS_A_BAR: usize = 4;
/// Most partials of a tone.
const PARTIALS: u8 = 8;

/// How a voice sounds.
#[derive(Clone, Copy)]
struct Timbre {
    /// Partials fall with this power of their number.
    fall: f32,
    /// Seconds until the tone is there, and in which it dies away.
    attack: f32,
    decay: f32,
    vibrato_hz: f32,
    level: f32,
}

/// What a piece is drawn from.
struct Style {
    rate_hz: f32,
    beat: usize,
    key_hz: f32,
    scale: [i32; 7],
    progression: [usize; 4],
    /// Tune, chords, bass.
    timbres: [Timbre; 3],
    drums: f32,
}

/// Piece number `index` of a seed, [`SECONDS`] long, at any level.
pub(super) fn piece(seed: u64, indices: &[u64], rate_hz: u32) -> Vec<f32> {
    let rng = &mut draw::rng(seed, "music", indices);
    let style = Style::draw(rng, rate_hz);
    let mut out = vec![0.0; SECONDS * rate_hz as usize];
    let mut step = 7_i32;
    for (beat, start) in (0..out.len()).step_by(style.beat).enumerate() {
        let root = style.progression[beat / BEATS_A_BAR % 4] as i32;
        let [tune, chord, bass] = style.timbres;
        if beat.is_multiple_of(BEATS_A_BAR) {
            for third in [0, 2, 4] {
                style.tone(&mut out, start, BEATS_A_BAR * style.beat, root + third, chord);
            }
        }
        if rng.random_bool(0.8) {
            style.tone(&mut out, start, style.beat, root - 14, bass);
        }
        let notes = [1, 1, 2, 3][rng.random_range(0..4)];
        for note in 0..notes {
            step = (step + rng.random_range(-2..=2)).clamp(0, 16);
            let length = style.beat / notes;
            style.tone(&mut out, start + note * length, length, step, tune);
        }
        style.drum(&mut out, start, beat, rng);
    }
    out
}

impl Style {
    fn draw(rng: &mut ChaCha8Rng, rate_hz: u32) -> Self {
        let mut timbre = |level| Timbre {
            fall: rng.random_range(0.6..2.2),
            attack: rng.random_range(0.005..0.08),
            decay: rng.random_range(0.15..1.5),
            vibrato_hz: rng.random_range(3.0..7.0),
            level,
        };
        let timbres = [timbre(0.5), timbre(0.2), timbre(0.4)];
        let rate_hz = rate_hz as f32;
        let beats_a_minute: f32 = rng.random_range(60.0..160.0);
        Self {
            rate_hz,
            beat: (60.0 / beats_a_minute * rate_hz) as usize,
            key_hz: 220.0 * 2_f32.powf(rng.random_range(-7..7) as f32 / 12.0),
            scale: SCALES[rng.random_range(0..SCALES.len())],
            progression: PROGRESSIONS[rng.random_range(0..PROGRESSIONS.len())],
            timbres,
            drums: rng.random_range(0.0..0.5),
        }
    }

    /// Adds a tone on a step of the scale; 7 steps are an octave.
    fn tone(&self, out: &mut [f32], start: usize, length: usize, step: i32, timbre: Timbre) {
        let semitones = 12 * step.div_euclid(7) + self.scale[step.rem_euclid(7) as usize];
        let hz = self.key_hz * 2_f32.powf(semitones as f32 / 12.0);
        let most = (0.45 * self.rate_hz / hz).clamp(1.0, f32::from(PARTIALS)) as u8;
        let levels: Vec<f32> = (1..=most).map(|n| f32::from(n).powf(-timbre.fall)).collect();
        let mut phase = 0.0_f32;
        for (at, sample) in out.iter_mut().skip(start).take(length).enumerate() {
            let time = at as f32 / self.rate_hz;
            let left = (length - at) as f32 / self.rate_hz;
            let vibrato = 1.0 + 0.004 * (TAU * timbre.vibrato_hz * time).sin();
            phase = (phase + hz * vibrato / self.rate_hz).fract();
            let envelope = (time / timbre.attack).min(1.0)
                * (-time / timbre.decay).exp()
                * (left * 50.0).min(1.0);
            *sample += timbre.level * envelope * harmonics(phase, &levels);
        }
    }

    /// Adds a drum: low ones on odd beats, snares on even ones, hats between.
    fn drum(&self, out: &mut [f32], start: usize, beat: usize, rng: &mut ChaCha8Rng) {
        let hiss = noise::pink(self.beat / 2, rng);
        let (decay, pitch) = if beat.is_multiple_of(2) { (12.0, 1.0) } else { (18.0, 0.0) };
        for (at, sample) in out.iter_mut().skip(start).take(hiss.len()).enumerate() {
            let time = at as f32 / self.rate_hz;
            let fall = (-time * decay).exp();
            let low = (TAU * 50.0 * (time + 0.02 * (1.0 - (-time * 40.0).exp()))).sin();
            *sample += self.drums * fall * (pitch * low + (1.2 - pitch) * 0.3 * hiss[at]);
        }
    }
}

/// The sum of partials of these levels at a phase of 0 to 1, by the recurrence of sines.
fn harmonics(phase: f32, levels: &[f32]) -> f32 {
    let (sine, cosine) = (TAU * phase).sin_cos();
    let (mut before, mut now, mut sum) = (0.0, sine, 0.0);
    for level in levels {
        sum += level * now;
        (before, now) = (now, 2.0 * cosine * now - before);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::level;

    #[test]
    fn partials_are_sines() {
        let direct = |phase: f32| (TAU * phase).sin() + 0.5 * (TAU * 2.0 * phase).sin();
        for phase in [0.0, 0.1, 0.37, 0.9] {
            assert!((harmonics(phase, &[1.0, 0.5]) - direct(phase)).abs() < 1e-5);
        }
    }

    #[test]
    fn every_piece_is_another() {
        let pieces: Vec<Vec<f32>> = (0..4).map(|index| piece(1, &[0, index], 8000)).collect();
        for (index, piece) in pieces.iter().enumerate() {
            assert_eq!(piece.len(), SECONDS * 8000);
            assert!(level::rms(piece) > 0.01 && piece.iter().all(|sample| sample.is_finite()));
            assert!(pieces[index + 1..].iter().all(|other| other != piece));
        }
        assert_eq!(piece(1, &[0, 2], 8000), pieces[2]);
        assert_ne!(piece(2, &[0, 2], 8000), pieces[2]);
    }
}
