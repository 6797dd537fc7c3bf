//! The container of int8 models, `.q8`: read in place, without a copy and without a heap.
//!
//! `docs/model-format.md` describes every byte; [`crate::quant`] the arithmetic that the numbers are
//! for. [`Model::parse`] checks everything that an engine relies on, so that an engine that has a
//! [`Model`] cannot meet a shape that does not fit.

mod error;
mod layer;
mod layout;
mod memory;
mod read;
#[cfg(feature = "alloc")]
mod write;

pub use error::FormatError;
pub use layer::Layer;
pub use layout::{Shape, padded};
pub use memory::{LevelMemory, MemoryPlan};
pub use read::{Decision, Model};
#[cfg(feature = "alloc")]
pub use write::{LayerParts, Parts, with_decision};

/// The first bytes of every file.
pub const MAGIC: [u8; 4] = *b"ARQ8";
/// Version of the container; a reader refuses any other.
pub const VERSION: u16 = 1;
/// Bytes before the body: magic, version, two zero bytes, checksum, body length, data length.
pub const HEADER_LEN: usize = 20;
/// The data begins at a multiple of so many bytes from the file's start.
const DATA_ALIGNMENT: usize = 16;
/// The largest activation that a layer may let through.
pub const MAX_LIMIT: u16 = i16::MAX as u16;

/// CRC-32 (the one of Ethernet and zip) of the bytes behind the checksum.
fn checksum(bytes: &[u8]) -> u32 {
    // Not a constant, which would be copied to the stack.
    static CRC: crc::Crc<u32, crc::Table<1>> = crc::Crc::<u32, _>::new(&crc::CRC_32_ISO_HDLC);
    CRC.checksum(bytes)
}
