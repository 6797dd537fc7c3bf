//! The file of a recorded run.
//!
//! | bytes | content |
//! |---|---|
//! | 4 | `ARGR` |
//! | 2 | version, little-endian like all numbers |
//! | 2 | zeros |
//! | 4 | CRC-32 of everything behind it |
//! | 4 | length of the body |
//! | … | the body: [`Golden`], encoded with postcard |

use std::fmt;

use crc::{CRC_32_ISO_HDLC, Crc};
use models::stream::{Event, Q15};
use serde::{Deserialize, Serialize};

use super::LayerSums;

const MAGIC: [u8; 4] = *b"ARGR";
const VERSION: u16 = 1;
/// Bytes before the body.
const HEADER_LEN: usize = 16;
/// Bytes before those that the checksum is of.
const UNCHECKED_LEN: usize = 12;

/// A recorded run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Golden {
    /// SHA-256 of the model's file.
    pub(crate) model_sha256: [u8; 32],
    /// Name of the model's file, without its folder.
    pub(crate) model_name: String,
    /// Rate of the samples, in Hz.
    pub(crate) rate_hz: u32,
    /// Samples between two windows.
    pub(crate) hop: u32,
    /// 16-bit samples.
    samples: Vec<u8>,
    pub(crate) outputs: Outputs,
}

/// What a run computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outputs {
    /// Stem, blocks, head.
    pub(crate) layers: Vec<LayerSums>,
    pub(crate) windows: Vec<Window>,
    pub(crate) events: Vec<Decided>,
}

/// A window's posteriors, and the position just after its last sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) end: u64,
    pub(crate) posteriors: Vec<Q15>,
}

/// A detection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Decided {
    pub(crate) class: u16,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) confidence: Q15,
}

impl From<&Event> for Decided {
    fn from(event: &Event) -> Self {
        let Event { class, start, end, confidence } = *event;
        Self { class, start, end, confidence }
    }
}

/// Why bytes are no recorded run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GoldenError {
    /// It does not begin with the magic bytes.
    NotGolden,
    /// Another version of the file.
    Version(u16),
    /// The file ends too early.
    Truncated,
    /// The checksum does not match, or there are bytes behind the end.
    Damaged,
    /// The body cannot be decoded.
    Malformed,
}

impl fmt::Display for GoldenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGolden => {
                write!(f, "this is no recorded run; `firmware-sim record` writes one")
            }
            Self::Version(version) => write!(
                f,
                "the recorded run has format version {version}, this program reads version {VERSION}; record it again"
            ),
            Self::Truncated => write!(f, "the recorded run is cut short"),
            Self::Damaged => write!(f, "the recorded run is damaged: its checksum does not match"),
            Self::Malformed => write!(f, "the recorded run cannot be decoded"),
        }
    }
}

impl Golden {
    pub(crate) fn new(
        (model_sha256, model_name): ([u8; 32], String),
        (rate_hz, hop): (u32, u32),
        samples: &[i16],
        outputs: Outputs,
    ) -> Self {
        let samples = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        Self { model_sha256, model_name, rate_hz, hop, samples, outputs }
    }

    /// The input.
    pub(crate) fn samples(&self) -> Vec<i16> {
        self.samples.as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect()
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// A run too long for any file.
    pub(crate) fn encode(&self) -> anyhow::Result<Vec<u8>> {
        let body = postcard::to_allocvec(self)?;
        let mut bytes = Vec::with_capacity(HEADER_LEN + body.len());
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(u32::try_from(body.len())?.to_le_bytes());
        bytes.extend(body);
        let sum = checksum(&bytes);
        bytes[UNCHECKED_LEN - 4..UNCHECKED_LEN].copy_from_slice(&sum.to_le_bytes());
        Ok(bytes)
    }

    /// Reads what [`Golden::encode`] wrote.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, GoldenError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(GoldenError::NotGolden);
        }
        let Some((header, body)) = bytes.split_at_checked(HEADER_LEN) else {
            return Err(GoldenError::Truncated);
        };
        let version = u16::from_le_bytes([header[4], header[5]]);
        if version != VERSION {
            return Err(GoldenError::Version(version));
        }
        let field = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        if (body.len() as u64) < u64::from(field(UNCHECKED_LEN)) {
            return Err(GoldenError::Truncated);
        }
        if body.len() as u64 > u64::from(field(UNCHECKED_LEN)) || checksum(bytes) != field(8) {
            return Err(GoldenError::Damaged);
        }
        match postcard::take_from_bytes(body) {
            Ok((golden, [])) => Ok(golden),
            _ => Err(GoldenError::Malformed),
        }
    }
}

/// CRC-32 of the bytes behind the checksum.
fn checksum(bytes: &[u8]) -> u32 {
    Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&bytes[UNCHECKED_LEN..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn golden() -> Golden {
        let layers =
            vec![LayerSums { all: 7, columns: vec![1, 2, 3, 4], channels: vec![5, u32::MAX] }];
        let windows = vec![Window { end: 9, posteriors: vec![1 << 15, 0] }];
        let events = vec![Decided { class: 1, start: 2, end: 9, confidence: 77 }];
        let outputs = Outputs { layers, windows, events };
        let samples = [0, -1, i16::MIN, i16::MAX];
        Golden::new(([9; 32], "model.q8".to_owned()), (16_000, 3), &samples, outputs)
    }

    #[test]
    fn a_run_survives_the_round_trip() {
        let golden = golden();
        assert_eq!(Golden::decode(&golden.encode().unwrap()).unwrap(), golden);
        assert_eq!(golden.samples(), [0, -1, i16::MIN, i16::MAX]);
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        let bytes = golden().encode().unwrap();
        let error = |bytes: &[u8]| Golden::decode(bytes).unwrap_err();
        assert_eq!(error(&[]), GoldenError::NotGolden);
        assert_eq!(error(b"RIFF, or anything else"), GoldenError::NotGolden);
        for len in 4..bytes.len() {
            assert_eq!(error(&bytes[..len]), GoldenError::Truncated, "{len}");
        }
        let mut other = bytes.clone();
        other[4] = 2;
        assert_eq!(error(&other), GoldenError::Version(2));
        assert_eq!(error(&[&bytes[..], &[0]].concat()), GoldenError::Damaged);
        for index in HEADER_LEN..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            assert_eq!(error(&damaged), GoldenError::Damaged);
        }
    }

    proptest! {
        #[test]
        fn hostile_bodies_are_errors_not_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = [&MAGIC[..], &VERSION.to_le_bytes(), &[0; 6]].concat();
            bytes.extend((body.len() as u32).to_le_bytes());
            bytes.extend(&body);
            let sum = checksum(&bytes);
            bytes[8..12].copy_from_slice(&sum.to_le_bytes());
            let _ = Golden::decode(&bytes);
        }
    }
}
