//! The container written a second time, so that any body and any data can be put into it.

use models::arch::ArchSpec;
use models::q8::{HEADER_LEN, MAGIC, VERSION};
use serde::Serialize;

/// The body of a file, with nothing checked.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Body {
    pub(crate) preset: String,
    pub(crate) arch: ArchSpec,
    pub(crate) labels: String,
    pub(crate) hop: u32,
    pub(crate) smoothing: u16,
    pub(crate) min_count: u16,
    pub(crate) release: u16,
    pub(crate) warm_up: u16,
    pub(crate) suppression: u32,
    pub(crate) gate: u32,
    pub(crate) thresholds: Vec<u8>,
    pub(crate) cooldowns: Vec<u8>,
    pub(crate) seed: u64,
    pub(crate) layers: Vec<(f32, u16)>,
}

/// A file of this body and data, with lengths and checksum that fit.
pub(crate) fn seal(body: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend([0; 6]);
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(16), 0);
    bytes.extend(data);
    repair(&mut bytes);
    bytes
}

/// Puts the right checksum into a file, over as many bytes as its header announces and there are.
pub(crate) fn repair(bytes: &mut [u8]) {
    if bytes.len() < HEADER_LEN {
        return;
    }
    let field = |at: usize| {
        u64::from(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
    };
    let end = (HEADER_LEN as u64 + field(12)).next_multiple_of(16) + field(16);
    let end = usize::try_from(end).unwrap_or(usize::MAX).min(bytes.len());
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[12..end.max(12)]);
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
}
