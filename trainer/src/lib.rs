//! Trains raw-waveform audio classifiers and exports them.
//!
//! 1. [`data`] reads folders of recordings, splits them, and makes what is missing: silence,
//!    synthetic speech, test streams.
//! 2. [`net`] is the network of an architecture in Burn; [`kernel`] holds its inner loops on the CPU.
//! 3. [`fit`] trains it into a run folder.
//! 4. [`evaluate`] measures a run or an exported model, on clips or on streams.
//! 5. [`features`] uses trained networks as they are, with small classifiers on them.
//! 6. [`export`] writes the run as ONNX, for the runtime; [`quantize`] makes it an int8 model, for
//!    microcontrollers.
//! 7. [`look`] looks inside a trained network: its filters, and what made it decide.
//!
//! [`commands`] are the subcommands of the binary, [`draw`] is where all randomness comes from, [`figure`] draws.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod cli;
pub mod commands;
pub mod data;
pub mod draw;
pub mod evaluate;
pub mod export;
pub mod features;
pub mod figure;
pub mod fit;
pub mod kernel;
pub mod look;
pub mod net;
pub mod quantize;
