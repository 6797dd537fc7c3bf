//! Tests that cross crates: the binaries as a user runs them.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod bad_input;
mod cut;
mod describe;
mod features;
mod fetch;
mod folds;
mod int8;
mod kinds;
mod look;
mod negatives;
mod noise;
mod onnx;
mod resume;
mod streams;
mod tags;
mod teachers;
mod trained;
mod transfer;
mod whole_path;
mod zoo;
