//! The contract that Auricle's crates share. No I/O, no training framework, no inference engine.
//!
//! The data of a model flows through this crate in the order of its modules:
//!
//! 1. [`arch`]: a network as *data* ([`arch::ArchSpec`]): stem, blocks, head. From it follow the
//!    shapes, parameters, multiply-accumulates and receptive field of every layer.
//! 2. [`meta`]: what travels inside an exported model besides its weights: labels, rate, window,
//!    decision defaults and where the model came from (needs the feature `alloc`).
//! 3. [`quant`] and [`q8`]: the integer arithmetic of int8 models, and the file that they come in, read
//!    in place.
//! 4. [`stream`]: what every engine does around the network on a live stream: rolling windows on a
//!    hop grid before it, smoothing and detection after it. Integer arithmetic, no heap.
//!
//! Everything but [`meta`] is `no_std` without a heap, so that a microcontroller and a server
//! take the same decisions from the same samples.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod arch;
#[cfg(feature = "alloc")]
pub mod meta;
pub mod q8;
pub mod quant;
pub mod stream;
