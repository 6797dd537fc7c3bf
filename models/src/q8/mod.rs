//! The container of int8 models, `.q8`: read in place, without a copy and without a heap.
//!
//! `docs/model-format.md` describes every byte; [`crate::quant`] the arithmetic that the numbers are
//! for. [`Model::parse`] checks everything that an engine relies on, so that an engine that has a
//! [`Model`] cannot meet a shape that does not fit.

mod checksum;
mod error;
mod layer;
mod layout;
mod memory;
mod passes;
mod read;
#[cfg(feature = "alloc")]
mod write;

use checksum::checksum;
pub use error::FormatError;
pub use layer::Layer;
pub use layout::{Shape, padded};
pub use memory::{LevelMemory, MemoryPlan};
#[cfg(feature = "alloc")]
pub use passes::passes;
pub use passes::{PassPlan, Ring};
pub use read::{Decision, Model};
#[cfg(feature = "alloc")]
pub use write::{LayerParts, Parts, with_decision};

/// The first bytes of every file.
pub const MAGIC: [u8; 4] = *b"ARQ8";
/// Version of the container; a reader refuses any other.
pub const VERSION: u16 = 2;
/// Bytes before the body: magic, version, two zero bytes, checksum, body length, data length.
pub const HEADER_LEN: usize = 20;
/// The data begins at a multiple of so many bytes from the file's start.
const DATA_ALIGNMENT: usize = 16;
/// The largest activation that a layer may let through.
pub const MAX_LIMIT: u16 = i16::MAX as u16;
