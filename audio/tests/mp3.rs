//! MP3 streams of silence, put together by hand.

#![allow(clippy::unwrap_used)]

mod common;

use audio::AudioError;
use common::{decode, decode_whole};

/// MPEG-1 layer III, 128 kbit/s, 44.1 kHz, mono, no checksum.
const HEADER: [u8; 4] = [0xff, 0xfb, 0x90, 0xc0];
const FRAME_BYTES: usize = 417;
const FRAME_SAMPLES: usize = 1152;
const SIDE_INFO_BYTES: usize = 17;

/// A frame whose side information says that no coefficient is stored.
fn silent_frame() -> Vec<u8> {
    let mut frame = vec![0; FRAME_BYTES];
    frame[..4].copy_from_slice(&HEADER);
    frame
}

/// The frame that states the length of what follows.
fn xing_frame(frames: u32) -> Vec<u8> {
    let mut frame = silent_frame();
    let mut tag = b"Xing\0\0\0\x01".to_vec();
    tag.extend(frames.to_be_bytes());
    let at = 4 + SIDE_INFO_BYTES;
    frame[at..at + tag.len()].copy_from_slice(&tag);
    frame
}

#[test]
fn silence_is_decoded() {
    let stream = silent_frame().repeat(10);
    assert_eq!(decode_whole(&stream), vec![0.0; 10 * FRAME_SAMPLES]);
}

#[test]
fn a_tag_before_the_audio_is_skipped() {
    let mut stream = b"ID3\x04\0\0\0\0\x02\0".to_vec();
    stream.extend([0x55; 256]);
    stream.extend(silent_frame().repeat(5));
    assert_eq!(decode_whole(&stream).len(), 5 * FRAME_SAMPLES);
}

#[test]
fn a_stream_shorter_than_it_states_is_cut_short() {
    let whole = [xing_frame(10), silent_frame().repeat(10)].concat();
    assert_eq!(decode_whole(&whole).len(), 10 * FRAME_SAMPLES);
    let (samples, fault) = decode(&whole[..whole.len() - 100]);
    assert_eq!(samples.len(), 9 * FRAME_SAMPLES);
    assert!(matches!(fault, Some(AudioError::Truncated { .. })), "{fault:?}");
}

#[test]
fn damaged_frames_become_silence_of_the_same_length() {
    let mut stream = silent_frame().repeat(10);
    // Side information that claims more data than the frame holds.
    stream[4 * FRAME_BYTES + 4..4 * FRAME_BYTES + 21].fill(0xff);
    assert_eq!(decode_whole(&stream).len(), 10 * FRAME_SAMPLES);
}

#[test]
fn a_lone_sync_word_is_not_audio() {
    let (samples, fault) = decode(&HEADER);
    assert!(samples.is_empty());
    assert!(matches!(fault, Some(AudioError::NotAudio { .. })), "{fault:?}");
}
