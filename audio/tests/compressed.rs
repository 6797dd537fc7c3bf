//! FLAC, Ogg Vorbis and MP3, written by `sox` where it is installed.

#![allow(clippy::unwrap_used)]

mod common;

use audio::AudioError;
use common::{convert, decode, decode_whole, greatest_difference, tone_wav, wav_i16};

const RATE_HZ: u32 = 16_000;

fn rms_of_difference(left: &[f32], right: &[f32]) -> f64 {
    let count = left.len().min(right.len());
    let energy: f64 = left.iter().zip(right).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    (energy / count as f64).sqrt()
}

/// Where the number of samples lies in the STREAMINFO block; zeroed by streaming encoders.
fn without_length(mut flac: Vec<u8>) -> Vec<u8> {
    flac[21] &= 0xf0;
    flac[22..26].fill(0);
    flac
}

#[test]
fn flac_is_lossless() {
    for channels in [1, 2] {
        let samples: Vec<i16> = (0..40_000).map(|at: i32| (at * at % 30_011) as i16).collect();
        let wav = wav_i16(RATE_HZ, channels, &samples);
        let Some(flac) = convert(&wav, "flac", &[]) else { return };
        assert_eq!(decode_whole(&flac), decode_whole(&wav));
        assert_eq!(decode_whole(&without_length(flac)), decode_whole(&wav));
    }
}

#[test]
fn flac_cut_short_is_reported() {
    let wav = tone_wav(RATE_HZ, 30_000);
    let Some(flac) = convert(&wav, "flac", &[]) else { return };
    let expected = decode_whole(&wav);
    for bytes in [flac.clone(), without_length(flac)] {
        for cut in [bytes.len() - 1, bytes.len() * 2 / 3, bytes.len() / 2] {
            let (samples, fault) = decode(&bytes[..cut]);
            assert!(matches!(fault, Some(AudioError::Truncated { .. })), "{cut}: {fault:?}");
            assert_eq!(samples, expected[..samples.len()]);
            assert!(samples.len() >= 4096 && samples.len() % 4096 == 0, "{}", samples.len());
        }
    }
}

#[test]
fn flac_with_a_damaged_frame_is_reported() {
    let wav = tone_wav(RATE_HZ, 30_000);
    let Some(mut flac) = convert(&wav, "flac", &[]) else { return };
    let middle = flac.len() / 2;
    flac[middle] ^= 0x55;
    let (samples, fault) = decode(&flac);
    assert!(matches!(fault, Some(AudioError::Corrupt { .. })), "{fault:?}");
    assert_eq!(samples, decode_whole(&wav)[..samples.len()]);
}

#[test]
fn ogg_vorbis_is_decoded_with_its_true_length() {
    let wav = tone_wav(RATE_HZ, 30_000);
    let Some(ogg) = convert(&wav, "ogg", &["-C", "8"]) else { return };
    let samples = decode_whole(&ogg);
    assert_eq!(samples.len(), 30_000);
    assert!(rms_of_difference(&samples, &decode_whole(&wav)) < 0.01);
}

#[test]
fn ogg_cut_short_is_reported() {
    let Some(ogg) = convert(&tone_wav(RATE_HZ, 200_000), "ogg", &[]) else { return };
    for cut in [ogg.len() - 1, ogg.len() * 2 / 3, 40] {
        let (_, fault) = decode(&ogg[..cut]);
        assert!(matches!(fault, Some(AudioError::Truncated { .. })), "{cut}: {fault:?}");
    }
}

#[test]
fn chained_ogg_streams_are_read_one_after_another() {
    let Some(ogg) = convert(&tone_wav(RATE_HZ, 20_000), "ogg", &[]) else { return };
    let Some(other) = convert(&tone_wav(RATE_HZ, 30_000), "ogg", &["-C", "7"]) else { return };
    let (samples, fault) = decode(&[ogg.clone(), other].concat());
    assert!(fault.is_none(), "{fault:?}");
    assert_eq!(samples.len(), 50_000);
    let Some(faster) = convert(&tone_wav(22_050, 20_000), "ogg", &[]) else { return };
    let (samples, fault) = decode(&[ogg, faster].concat());
    assert_eq!(samples.len(), 20_000);
    assert!(matches!(fault, Some(AudioError::Unsupported { .. })), "{fault:?}");
}

#[test]
fn mp3_is_decoded() {
    let wav = tone_wav(RATE_HZ, 30_000);
    let Some(mp3) = convert(&wav, "mp3", &[]) else { return };
    let samples = decode_whole(&mp3);
    // Encoders pad; where they state the padding it is cut off.
    assert!((30_000..34_000).contains(&samples.len()), "{}", samples.len());
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!((0.45..0.55).contains(&peak), "{peak}");
}

#[test]
fn empty_recordings_hold_no_samples() {
    let wav = tone_wav(RATE_HZ, 0);
    for extension in ["flac", "ogg"] {
        let Some(bytes) = convert(&wav, extension, &[]) else { continue };
        let (samples, fault) = decode(&bytes);
        assert!(samples.is_empty());
        assert!(matches!(fault, None | Some(AudioError::Empty { .. })), "{extension}: {fault:?}");
    }
    assert_eq!(greatest_difference(&decode_whole(&wav), &[]), 0.0);
}

#[test]
fn wav_from_a_sox_pipe_is_read_to_its_end() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let wav = tone_wav(RATE_HZ, 30_000);
    let spawned = Command::new("sox")
        .args(["-D", "-t", "wav", "-", "-t", "wav", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut sox) = spawned else {
        println!("skipped: sox is not installed");
        return;
    };
    let mut stdin = sox.stdin.take().unwrap();
    let input = wav.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = sox.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(decode_whole(&output.stdout), decode_whole(&wav));
}
