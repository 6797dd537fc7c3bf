//! WAV in every sample format, whole, streamed and cut short.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{self, Cursor, Read};

use audio::{AudioError, BlockSource, Decoder, Resampled};
use common::{decode, decode_whole, drain, greatest_difference, tone, tone_wav, wav_i16};
use hound::{SampleFormat, WavSpec, WavWriter};

/// The tone in `channels` channels, of which the mean is the tone.
fn tone_as(bits: u16, format: SampleFormat, channels: u16) -> Vec<u8> {
    let spec =
        WavSpec { channels, sample_rate: 22_050, bits_per_sample: bits, sample_format: format };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
    for sample in tone(22_050, 3000) {
        for channel in 0..channels {
            let weight = 2.0 * f64::from(channel) / f64::from((channels - 1).max(1));
            let weight = if channels == 1 { 1.0 } else { weight };
            let value = f64::from(sample) * weight;
            match format {
                SampleFormat::Float => writer.write_sample(value as f32).unwrap(),
                SampleFormat::Int => {
                    let scale = 2_f64.powi(i32::from(bits) - 1);
                    let value = (value * scale).round().clamp(-scale, scale - 1.0);
                    writer.write_sample(value as i32).unwrap();
                }
            }
        }
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// A WAV file with a plain header around `data`.
fn wav_of(tag: u16, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
    let frame_bytes = channels * bits / 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0");
    bytes.extend(tag.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(16_000_u32.to_le_bytes());
    bytes.extend((16_000 * u32::from(frame_bytes)).to_le_bytes());
    bytes.extend(frame_bytes.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

/// Overwrites the lengths of the file and of its data, as streaming writers leave them.
fn with_sizes(mut wav: Vec<u8>, riff: u32, data: u32) -> Vec<u8> {
    wav[4..8].copy_from_slice(&riff.to_le_bytes());
    wav[40..44].copy_from_slice(&data.to_le_bytes());
    wav
}

#[test]
fn every_depth_and_channel_count_is_decoded() {
    let expected = tone(22_050, 3000);
    for channels in [1, 2, 6] {
        for bits in [8, 16, 24, 32] {
            let samples = decode_whole(&tone_as(bits, SampleFormat::Int, channels));
            let tolerance = 1.1 / 2_f32.powi(i32::from(bits) - 1) + 1e-7;
            let difference = greatest_difference(&samples, &expected);
            assert!(difference < tolerance, "{bits} bits, {channels} channels: {difference}");
        }
        let samples = decode_whole(&tone_as(32, SampleFormat::Float, channels));
        assert!(greatest_difference(&samples, &expected) < 1e-6);
    }
}

#[test]
fn sixty_four_bit_floats_are_decoded() {
    let expected = tone(16_000, 500);
    let data: Vec<u8> = expected.iter().flat_map(|&s| f64::from(s).to_le_bytes()).collect();
    assert_eq!(decode_whole(&wav_of(3, 1, 64, &data)), expected);
}

#[test]
fn undefined_floats_become_zero_and_loud_ones_stay() {
    let values = [0.25_f32, f32::NAN, f32::INFINITY, -3.0, f32::NEG_INFINITY];
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(decode_whole(&wav_of(3, 1, 32, &data)), [0.25, 0.0, 0.0, -3.0, 0.0]);
    let data: Vec<u8> = [1e300_f64, 0.5].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(decode_whole(&wav_of(3, 1, 64, &data)), [0.0, 0.5]);
}

#[test]
fn the_header_is_told() {
    let bytes = wav_i16(48_000, 2, &[0; 2000]);
    let decoder = Decoder::from_reader(Box::new(Cursor::new(bytes)), "pipe").unwrap();
    assert_eq!((decoder.rate_hz(), decoder.channels()), (48_000, 2));
    assert_eq!(decoder.frames_hint(), Some(1000));
}

#[test]
fn headers_of_unknown_length_are_read_to_the_end() {
    let whole = tone_wav(16_000, 3000);
    let expected = decode_whole(&whole);
    assert_eq!(expected.len(), 3000);
    for (riff, data) in [
        (u32::MAX, u32::MAX),
        (0x7fff_f024, 0x7fff_f000),
        (0x7fff_ffff, 0x7fff_ffdb),
        (0x8000_0024, 0x8000_0000),
        (0, 0),
        (36, 0),
    ] {
        let (samples, fault) = decode(&with_sizes(whole.clone(), riff, data));
        assert!(samples == expected && fault.is_none(), "{riff:#x} {data:#x}: {fault:?}");
    }
}

#[test]
fn a_file_cut_short_is_reported_after_its_whole_frames() {
    let whole = tone_wav(16_000, 3000);
    for cut in [46, 47, 1000, 1001, whole.len() - 1] {
        let (samples, fault) = decode(&whole[..cut]);
        assert_eq!(samples.len(), (cut - 44) / 2);
        let frames = samples.len() as u64;
        assert!(
            matches!(fault, Some(AudioError::Truncated { frames_read, .. }) if frames_read == frames),
            "{cut}: {fault:?}"
        );
    }
    for cut in [12, 20, 43, 44] {
        let (samples, fault) = decode(&whole[..cut]);
        assert!(samples.is_empty());
        assert!(matches!(fault, Some(AudioError::Truncated { frames_read: 0, .. })), "{cut}");
    }
}

#[test]
fn a_stream_of_unknown_length_must_end_with_a_whole_frame() {
    let stream = with_sizes(tone_wav(16_000, 3000), u32::MAX, u32::MAX);
    let (samples, fault) = decode(&stream[..stream.len() - 1]);
    assert_eq!(samples.len(), 2999);
    assert!(matches!(fault, Some(AudioError::Truncated { frames_read: 2999, .. })), "{fault:?}");
}

#[test]
fn other_chunks_are_skipped() {
    let whole = tone_wav(16_000, 1000);
    let mut bytes = whole[..36].to_vec();
    bytes.extend(b"LIST\x05\0\0\0INFO!\0");
    bytes.extend(b"junk\x02\0\0\0ab");
    bytes.extend(&whole[36..]);
    bytes.extend(b"id3 \x04\0\0\0tags");
    assert_eq!(decode_whole(&bytes), decode_whole(&whole));
}

#[test]
fn compressed_wav_is_refused_by_name() {
    let (_, fault) = decode(&wav_of(0x55, 1, 16, &[0; 64]));
    let message = fault.unwrap().to_string();
    assert!(message.contains("unsupported audio: WAV format 0x0055"), "{message}");
}

#[test]
fn an_endless_stream_is_decoded_in_small_blocks() {
    let header = with_sizes(tone_wav(48_000, 0), u32::MAX, u32::MAX);
    let pipe = Box::new(Cursor::new(header).chain(io::repeat(0x11)));
    let decoder = Decoder::from_reader(pipe, "pipe").unwrap();
    let source: Box<dyn BlockSource + Send> = Box::new(decoder);
    let mut source = Resampled::new(source, 16_000).unwrap();
    let mut total = 0;
    while total < 2_000_000 {
        let block = source.next_block().unwrap().unwrap();
        assert!(block.len() <= 1152, "{}", block.len());
        total += block.len();
    }
}

/// A pipe whose reads fail.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

#[test]
fn a_read_error_is_told_from_an_end() {
    let bytes = with_sizes(tone_wav(16_000, 3000), u32::MAX, u32::MAX);
    let pipe = Box::new(Cursor::new(bytes).chain(Broken));
    let (samples, fault) = drain(Decoder::from_reader(pipe, "pipe"));
    assert!(samples.len() > 1000);
    assert!(matches!(fault, Some(AudioError::Unreadable { .. })), "{fault:?}");
}
