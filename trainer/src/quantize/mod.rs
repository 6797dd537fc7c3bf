//! From a trained network to an int8 model.
//!
//! 1. [`calibrate`] watches the activations of training clips.
//! 2. [`scale`] turns weights and ranges into integers.
//! 3. [`search`] tries ways to choose the ranges, and 16-bit activations in the first layers, and
//!    keeps what does best on validation.
//!
//! `docs/quantization.md` has the rules.

pub mod calibrate;
pub mod noise;
pub mod scale;
pub mod search;

pub use calibrate::{Method, Ranges};
pub use search::{Activations, Choice, Quantized, quantize};
