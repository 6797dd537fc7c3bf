//! Damaged and invented input: never a panic, never unbounded output.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::Cursor;

use audio::Decoder;
use common::{convert, drain, tone_wav};
use proptest::prelude::*;

/// Decodes and checks that the output is in proportion to the input.
fn decode_hostile(bytes: Vec<u8>) {
    let count = bytes.len();
    let (samples, _) = drain(Decoder::from_reader(Box::new(Cursor::new(bytes)), "hostile"));
    // The most compact frame of all formats, a constant FLAC one, holds 65535 samples in about
    // ten bytes.
    assert!(samples.len() <= count * 8192, "{} samples of {count} bytes", samples.len());
    assert!(samples.iter().all(|sample| sample.is_finite()));
}

fn mutate(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8)], cut: usize) -> Vec<u8> {
    for (at, value) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *value;
    }
    bytes.truncate(cut.max(1));
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn mutated_wav_does_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        header_changes in prop::collection::vec((0_usize..44, any::<u8>()), 0..4),
        cut in 0_usize..200,
    ) {
        let mut bytes = tone_wav(8000, 60);
        for (at, value) in header_changes {
            bytes[at] = value;
        }
        decode_hostile(mutate(bytes, &changes, cut));
    }

    #[test]
    fn random_bytes_do_no_harm(
        start in prop::sample::select(vec![
            &b""[..], b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0", b"fLaC", b"OggS",
            b"fLaC\x80\0\0\x22", b"OggS\0\x02", b"ID3", b"\xff\xfb\x90\x64", b"RF64\0\0\0\0WAVEds64",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        decode_hostile([start, &rest[..]].concat());
    }
}

#[test]
fn mutated_compressed_recordings_do_no_harm() {
    use proptest::test_runner::{Config, TestRunner};
    let wav = tone_wav(8000, 4000);
    for extension in ["flac", "ogg", "mp3"] {
        let Some(bytes) = convert(&wav, extension, &[]) else { continue };
        let index = any::<prop::sample::Index>();
        let changes = prop::collection::vec((index, any::<u8>()), 1..8);
        let mut runner = TestRunner::new(Config::with_cases(256));
        runner
            .run(&(changes, 1..bytes.len() + 1), |(changes, cut)| {
                let mut damaged = mutate(bytes.clone(), &changes, cut);
                decode_hostile(damaged.clone());
                repair_ogg_checksums(&mut damaged);
                decode_hostile(damaged);
                Ok(())
            })
            .unwrap();
    }
}

/// Makes the checksums of all Ogg pages right, so that damage gets past them (RFC 3533, section 6).
fn repair_ogg_checksums(bytes: &mut [u8]) {
    let mut rest = bytes;
    while rest.len() >= 27 && rest.starts_with(b"OggS") {
        let table_end = 27 + usize::from(rest[26]);
        let Some(table) = rest.get(27..table_end) else { return };
        let page_bytes = table_end + table.iter().map(|&size| usize::from(size)).sum::<usize>();
        if page_bytes > rest.len() {
            return;
        }
        let (page, after) = rest.split_at_mut(page_bytes);
        page[22..26].fill(0);
        let checksum = page.iter().fold(0_u32, |sum, &byte| {
            (0..8).fold(sum ^ (u32::from(byte) << 24), |sum, _| {
                (sum << 1) ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 }
            })
        });
        page[22..26].copy_from_slice(&checksum.to_le_bytes());
        rest = after;
    }
}
