//! Recordings in, mono `f32` samples in [-1, 1] at a wanted rate out.
//!
//! Data flows through four steps, each of which works on a stream of unbounded length in bounded
//! memory:
//!
//! 1. The container is recognised from the first bytes of a file or pipe, and its header is
//!    reduced to what decoding needs. What the header promises is kept, so that a recording that
//!    was cut short is reported as [`AudioError::Truncated`] and never passes for a shorter one.
//! 2. [`Decoder`] (WAV, FLAC, Ogg Vorbis, MP3) or [`RawDecoder`] (headerless PCM) decodes block
//!    by block and averages the channels. Both are a [`BlockSource`].
//! 3. [`Resampler`] brings the samples to another rate; [`Resampled`] wraps it around any
//!    [`BlockSource`]. Its output depends on the samples alone, never on how they were cut into
//!    blocks.
//! 4. [`read`] and [`read_mono`] run all of that over a whole file. [`write_wav_i16`] goes the
//!    other way.
//!
//! Samples that are not finite numbers become 0. Samples beyond [-1, 1], which float formats can
//! hold, are kept as they are.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod block;
mod codec;
mod container;
mod decode;
mod error;
mod header;
mod raw;
mod read;
mod resample;
mod resampled;
mod wav;
mod write;

#[cfg(test)]
mod fixtures;

pub use block::BlockSource;
pub use decode::Decoder;
pub use error::AudioError;
pub use raw::{RawDecoder, RawEncoding, RawFormat};
pub use read::{Recording, read, read_mono};
pub use resample::{MAX_RATE_HZ, MIN_RATE_HZ, Resampler, resample};
pub use resampled::Resampled;
pub use write::{to_i16, write_wav_i16};
