//! The microcontroller side of Auricle: `no_std`, no heap, memory handed in by the caller.
//!
//! [`Engine`] runs an int8 model ([`models::q8`]) on a stream of samples; [`FixedDetector`] turns its
//! posteriors into events with the decision core that every other engine uses. [`batch`] computes the same layers
//! on computers.
#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(feature = "std")]
pub mod batch;
mod engine;
mod kernel;

use models::stream::{Detector, Q15};

pub use engine::{
    Engine, EngineError, Observer, Part, Prepared, memory_words, roomy_memory_words,
    window_memory_words,
};

/// The decision core in `LEN` 16-bit words of static memory; see [`memory_len`].
pub type FixedDetector<const LEN: usize> = Detector<[Q15; LEN]>;

/// 16-bit words that a [`FixedDetector`] needs for so many classes and averaged windows.
#[must_use]
pub const fn memory_len(classes: usize, smoothing: u16) -> usize {
    Detector::<&mut [Q15]>::memory_len(classes, smoothing)
}

#[cfg(test)]
mod tests;
