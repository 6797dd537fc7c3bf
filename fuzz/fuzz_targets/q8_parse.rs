//! Any bytes as a model file: `cargo +nightly fuzz run q8_parse`, with model files as the corpus.
#![no_main]

#[path = "../exercise.rs"]
mod exercise;

use crc::{CRC_32_ISO_HDLC, Crc};
use libfuzzer_sys::fuzz_target;
use models::q8::{HEADER_LEN, MAGIC, VERSION};

fuzz_target!(|bytes: &[u8]| {
    exercise::exercise(bytes);
    exercise::exercise(&repaired(bytes.to_vec()));
});

/// The same with a header that fits: a search would not find a checksum by itself.
fn repaired(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() < HEADER_LEN {
        return bytes;
    }
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
    let body = &bytes[12..16];
    let body_len = u32::from_le_bytes([body[0], body[1], body[2], body[3]]) as usize;
    let body_len = body_len.min(bytes.len() - HEADER_LEN);
    let data_start = (HEADER_LEN + body_len).next_multiple_of(16);
    bytes.resize(bytes.len().max(data_start), 0);
    let data_len = bytes.len() - data_start;
    bytes[12..16].copy_from_slice(&(body_len as u32).to_le_bytes());
    bytes[16..20].copy_from_slice(&(data_len as u32).to_le_bytes());
    let sum = Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&bytes[12..]);
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
    bytes
}
