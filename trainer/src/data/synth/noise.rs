//! Noise made by drawing numbers: white, pink, brown, mains hum and something like many voices.

use std::f32::consts::TAU;

use rand::RngExt as _;

use super::RATE_HZ;
use crate::data::level;
use crate::draw::{self, ChaCha8Rng};

/// Length of a background recording.
const SECONDS: usize = 45;
/// Root mean square of a background recording, in dB below full scale.
const LEVEL_DB: f32 = -24.0;
const MAINS_HZ: f32 = 50.0;
/// Voices in the murmur, and samples after which each changes a little.
const MURMURERS: u64 = 6;
const STEP: usize = 16;

/// Which kind of noise a background recording holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noise {
    White,
    Pink,
    Brown,
    MainsHum,
    Murmur,
}

/// One background recording of each.
pub(crate) const KINDS: [Noise; 5] =
    [Noise::White, Noise::Pink, Noise::Brown, Noise::MainsHum, Noise::Murmur];

impl Noise {
    pub(crate) const fn file_name(self) -> &'static str {
        match self {
            Self::White => "white_noise.wav",
            Self::Pink => "pink_noise.wav",
            Self::Brown => "brown_noise.wav",
            Self::MainsHum => "mains_hum.wav",
            Self::Murmur => "murmur.wav",
        }
    }

    /// The recording for a seed, at [`RATE_HZ`].
    pub(crate) fn make(self, seed: u64) -> Vec<f32> {
        let length = SECONDS * RATE_HZ as usize;
        let mut rng = draw::rng(seed, "background", &[self as u64]);
        let mut samples = match self {
            Self::White => white(length, &mut rng),
            Self::Pink => pink(length, &mut rng),
            Self::Brown => brown(length, &mut rng),
            Self::MainsHum => mains_hum(length, &mut rng),
            Self::Murmur => murmur(length, seed),
        };
        level::set_rms(&mut samples, level::factor(LEVEL_DB));
        samples
    }
}

fn white(length: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..length).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Noise whose power falls by 3 dB an octave, by Paul Kellet's economy filter: three low-pass
/// filters in parallel, within 0.5 dB from 10 Hz to 20 kHz at a rate of 44.1 kHz.
pub(crate) fn pink(length: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut state = [0.0_f32; 3];
    let sample = |white: f32| {
        for (state, (pole, gain)) in
            state.iter_mut().zip([(0.997_65, 0.099_046), (0.963, 0.296_516_4), (0.57, 1.052_691_3)])
        {
            *state = pole * *state + gain * white;
        }
        state.iter().sum::<f32>() + 0.1848 * white
    };
    white(length, rng).into_iter().map(sample).collect()
}

/// Noise whose power falls by 6 dB an octave above 13 Hz.
fn brown(length: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut sum = 0.0_f32;
    let sample = |white: f32| {
        sum = 0.995 * sum + white;
        sum
    };
    white(length, rng).into_iter().map(sample).collect()
}

/// The mains' frequency and its harmonics, the odd ones louder, slowly swelling, with some hiss.
fn mains_hum(length: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut samples = pink(length, rng);
    level::set_rms(&mut samples, 0.03);
    for harmonic in 1..=12u8 {
        let number = f32::from(harmonic);
        let level = if harmonic % 2 == 1 { 1.0 } else { 0.4 } / number;
        let phase = rng.random_range(0.0..TAU);
        let swell_hz = rng.random_range(0.05..0.3);
        for (at, sample) in samples.iter_mut().enumerate() {
            let swell = 0.75 + 0.25 * cycle(at, swell_hz);
            *sample += level * swell * (TAU * phase_of(at, number * MAINS_HZ) + phase).sin();
        }
    }
    samples
}

/// Many voices at once that say nothing: noise through slowly moving resonances, each voice with
/// its own rhythm of syllables.
fn murmur(length: usize, seed: u64) -> Vec<f32> {
    let mut samples = vec![0.0; length];
    for voice in 0..MURMURERS {
        let mut rng = draw::rng(seed, "murmur", &[voice]);
        let syllables_hz = rng.random_range(2.5..5.0);
        let phrases_hz = rng.random_range(0.1..0.3);
        let formants: [(f32, f32); 2] = [
            (rng.random_range(350.0..700.0), rng.random_range(0.2..0.9)),
            (rng.random_range(1000.0..2200.0), rng.random_range(0.2..0.9)),
        ];
        let source = pink(length, &mut rng);
        let mut resonators = [Resonator::default(), Resonator::default()];
        for (block, (samples, source)) in
            samples.chunks_mut(STEP).zip(source.chunks(STEP)).enumerate()
        {
            let at = block * STEP;
            let level = cycle(at, syllables_hz).max(0.0) * (0.6 + 0.4 * cycle(at, phrases_hz));
            for (resonator, (centre_hz, moves_hz)) in resonators.iter_mut().zip(formants) {
                let turn = Resonator::turn(centre_hz * (1.0 + 0.2 * cycle(at, moves_hz)));
                for (sample, source) in samples.iter_mut().zip(source) {
                    *sample += resonator.pass(*source, turn) * level;
                }
            }
        }
    }
    samples
}

/// Position in a cycle, 0 to 1, at a sample.
fn phase_of(at: usize, hz: f32) -> f32 {
    // In f64, or the phase would drift as the recording goes on.
    (at as f64 * f64::from(hz) / f64::from(RATE_HZ)).fract() as f32
}

fn cycle(at: usize, hz: f32) -> f32 {
    (TAU * phase_of(at, hz)).sin()
}

/// A two-pole resonance of constant bandwidth.
#[derive(Default)]
struct Resonator {
    past: [f32; 2],
}

impl Resonator {
    /// Pole radius for a bandwidth of about 150 Hz at [`RATE_HZ`].
    const RADIUS: f32 = 0.97;

    /// What [`Self::pass`] takes for a centre frequency.
    fn turn(hz: f32) -> f32 {
        2.0 * Self::RADIUS * (TAU * hz / RATE_HZ as f32).cos()
    }

    fn pass(&mut self, input: f32, turn: f32) -> f32 {
        let output = (1.0 - Self::RADIUS) * input + turn * self.past[0]
            - Self::RADIUS * Self::RADIUS * self.past[1];
        self.past = [output, self.past[0]];
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noises_are_loud_enough_seeded_and_unlike() {
        let noises = KINDS.map(|kind| kind.make(1));
        for (index, noise) in noises.iter().enumerate() {
            assert_eq!(noise.len(), 45 * 16_000);
            assert!((level::rms(noise) - level::factor(LEVEL_DB)).abs() < 1e-4);
            assert!(level::peak(noise) < 1.0, "{:?}", KINDS[index]);
            assert!(noises[index + 1..].iter().all(|other| other != noise));
        }
        assert_eq!(Noise::Murmur.make(1), noises[4]);
        assert_ne!(Noise::White.make(2), noises[0]);
    }

    #[test]
    fn colours_fall_with_frequency() {
        // Power of differences against power of samples grows with the share of high frequencies.
        let brightness = |kind: Noise| {
            let noise = kind.make(0);
            let differences: Vec<f32> = noise.windows(2).map(|pair| pair[1] - pair[0]).collect();
            level::rms(&differences) / level::rms(&noise)
        };
        let [white, pink, brown] = [Noise::White, Noise::Pink, Noise::Brown].map(brightness);
        assert!(white > 1.3 && pink < white * 0.8 && brown < pink * 0.4, "{white} {pink} {brown}");
    }
}
