//! Recordings of made-up words that a small network learns in seconds.

use std::f32::consts::TAU;
use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Sample rate of everything here.
pub const RATE_HZ: u32 = 16_000;

/// The made-up words: a rising and a falling whistle, and a buzz.
pub const WORDS: [&str; 3] = ["rise", "fall", "buzz"];

/// The samples of a word, one second, its sound in the middle; every seed speaks differently.
///
/// # Panics
/// If there is no such word.
#[must_use]
pub fn word(name: &str, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (length, pitch) = (rng.random_range(0.4..0.6f32), rng.random_range(0.9..1.1f32));
    let level = rng.random_range(0.2..0.6f32);
    let start = (1.0 - length) / 2.0 + rng.random_range(-0.05..0.05f32);
    let mut phase = 0.0f32;
    let samples = (0..RATE_HZ).map(|index| {
        let time = (index as f32 / RATE_HZ as f32 - start) / length;
        let noise = rng.random_range(-0.003..0.003f32);
        if !(0.0..1.0).contains(&time) {
            return noise;
        }
        let hz = match name {
            "rise" => 500.0 + 2000.0 * time,
            "fall" => 2500.0 - 2000.0 * time,
            "buzz" => 180.0,
            _ => panic!("no word `{name}`"),
        };
        phase += hz * pitch / RATE_HZ as f32;
        let envelope = (time * (1.0 - time) * 4.0).sqrt();
        let wave = match name {
            "buzz" => (phase.fract() - 0.5) * 2.0,
            _ => (phase * TAU).sin(),
        };
        level * envelope * wave + noise
    });
    samples.collect()
}

/// Noise.
#[must_use]
pub fn noise(seconds: f32, level: f32, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = (seconds * RATE_HZ as f32) as usize;
    (0..count).map(|_| level * rng.random_range(-1.0..1.0f32)).collect()
}

/// Writes a mono 16-bit WAV.
///
/// # Panics
/// If the file cannot be written.
pub fn write(path: &Path, samples: &[f32]) {
    write_as(path, samples, RATE_HZ, 1);
}

/// Writes a 16-bit WAV of any rate, the same samples on every channel.
///
/// # Panics
/// If the file cannot be written.
pub fn write_as(path: &Path, samples: &[f32], rate_hz: u32, channels: u16) {
    let spec = WavSpec {
        channels,
        sample_rate: rate_hz,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).expect("a writable folder");
    }
    let mut writer = WavWriter::create(path, spec).expect("a writable file");
    for sample in samples {
        for _ in 0..channels {
            writer.write_sample((sample * 32767.0) as i16).expect("room on the disk");
        }
    }
    writer.finalize().expect("room on the disk");
}

/// Writes a data set: a folder a word with `clips` recordings each, and background noise.
pub fn data_set(folder: &Path, clips: u64) {
    for (class, name) in (0..).zip(WORDS) {
        for clip in 0..clips {
            let path = folder.join(name).join(format!("{clip:03}.wav"));
            write(&path, &word(name, 1000 * class + clip));
        }
    }
    let background = folder.join("_background_noise_");
    write(&background.join("soft.wav"), &noise(12.0, 0.01, 1));
    write(&background.join("loud.wav"), &noise(12.0, 0.05, 2));
}

/// A stream of words with noise between them, and where they are: (word, start, end) in seconds.
#[must_use]
pub fn stream(words: &[&'static str]) -> (Vec<f32>, Vec<(&'static str, f64, f64)>) {
    let mut samples = noise(2.0, 0.003, 7);
    let mut places = Vec::new();
    for (seed, name) in (9000..).zip(words) {
        let start = samples.len() as f64 / f64::from(RATE_HZ);
        samples.extend(word(name, seed));
        places.push((*name, start, start + 1.0));
        samples.extend(noise(1.7, 0.003, seed));
    }
    (samples, places)
}
