//! From a training run to a model file for the runtime.
//!
//! [`fold`] merges each batch norm into its convolution, [`onnx`] writes the graph, [`check`]
//! compares the written bytes, run by the runtime's engine, with the network they came from. [`decision`] changes how an
//! exported model decides, [`unfold`] reads its network back; [`aggregate`]
//! writes several networks with a classifier on their features.

pub mod aggregate;
pub mod check;
pub mod decision;
pub mod fold;
pub mod onnx;
pub mod unfold;

#[cfg(test)]
mod parity_tests;
#[cfg(test)]
mod stream_tests;
