//! Recordings and helpers that the tests of decoding share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Command;

use audio::{AudioError, Decoder};

/// A pipe that yields a few bytes at a time.
pub struct Trickle {
    bytes: Cursor<Vec<u8>>,
    reads: usize,
}

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.reads += 1;
        let size = [1, 7, 2, 300, 13][self.reads % 5].min(buffer.len());
        self.bytes.read(&mut buffer[..size])
    }
}

/// All samples of a decoder, and the fault that stopped it, if any.
pub fn drain(decoder: Result<Decoder, AudioError>) -> (Vec<f32>, Option<AudioError>) {
    let mut samples = Vec::new();
    let mut decoder = match decoder {
        Ok(decoder) => decoder,
        Err(fault) => return (samples, Some(fault)),
    };
    loop {
        match decoder.next_block() {
            Ok(Some(block)) => samples.extend_from_slice(block),
            Ok(None) => return (samples, None),
            Err(fault) => {
                assert!(matches!(decoder.next_block(), Ok(None)));
                return (samples, Some(fault));
            }
        }
    }
}

/// Decodes bytes that come through a pipe a few at a time.
pub fn decode_pipe(bytes: Vec<u8>) -> (Vec<f32>, Option<AudioError>) {
    let pipe = Trickle { bytes: Cursor::new(bytes), reads: 0 };
    drain(Decoder::from_reader(Box::new(pipe), "pipe"))
}

/// Decodes bytes as a file and as a pipe, which must agree; returns what came out.
pub fn decode(bytes: &[u8]) -> (Vec<f32>, Option<AudioError>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording");
    std::fs::write(&path, bytes).unwrap();
    let (samples, fault) = drain(Decoder::open(&path));
    let (piped, pipe_fault) = decode_pipe(bytes.to_vec());
    assert_eq!(samples, piped);
    assert_eq!(
        fault.as_ref().map(std::mem::discriminant),
        pipe_fault.as_ref().map(std::mem::discriminant)
    );
    (samples, fault)
}

/// The samples of bytes that decode without a fault.
pub fn decode_whole(bytes: &[u8]) -> Vec<f32> {
    let (samples, fault) = decode(bytes);
    assert!(fault.is_none(), "{fault:?}");
    samples
}

/// A tone of 440 Hz at amplitude 0.5.
pub fn tone(rate_hz: u32, frames: usize) -> Vec<f32> {
    let step = std::f64::consts::TAU * 440.0 / f64::from(rate_hz);
    (0..frames).map(|at| (0.5 * (step * at as f64).sin()) as f32).collect()
}

/// Greatest difference between two signals of the same length.
pub fn greatest_difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// A 16-bit WAV file.
pub fn wav_i16(rate_hz: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate_hz,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for &sample in samples {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// A 16-bit WAV file of the tone.
pub fn tone_wav(rate_hz: u32, frames: usize) -> Vec<u8> {
    let samples: Vec<i16> =
        tone(rate_hz, frames).iter().map(|sample| (sample * 32_768.0) as i16).collect();
    wav_i16(rate_hz, 1, &samples)
}

/// A WAV file converted by `sox`, or `None`, with the reason printed, where `sox` cannot.
pub fn convert(wav: &[u8], extension: &str, options: &[&str]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from.wav");
    let to = folder.path().join("to").with_extension(extension);
    std::fs::write(&from, wav).unwrap();
    let run =
        |to: &Path| Command::new("sox").arg("-D").arg(&from).args(options).arg(to).output().ok();
    match run(&to) {
        Some(output) if output.status.success() => Some(std::fs::read(&to).unwrap()),
        Some(output) => {
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("skipped: sox cannot write {extension}: {reason}");
            None
        }
        None => {
            println!("skipped: sox is not installed");
            None
        }
    }
}
