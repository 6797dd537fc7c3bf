//! Classifies rolling windows of sound from a file, a pipe or a microphone.
//!
//! Sound flows through this crate in the order of its modules:
//!
//! 1. [`source`]: where samples come from: a recording, standard input or a microphone, always as
//!    blocks of mono samples at the source's own rate. A live one is read on a thread of its own, through a
//!    bounded ring without locks, bridges what it loses with silence and comes back when it was away; [`level`] tells
//!    whether it is dead or too loud.
//! 2. [`engine`]: what computes the posteriors of one window: [`engine::TractEngine`] runs an
//!    exported ONNX model, [`engine::Engine`] is the narrow seam for any other.
//! 3. [`decision`]: how windows are cut and when a class counts as detected: the model's defaults,
//!    overridden by the user.
//! 4. [`pipeline`]: all of it in a row: samples, resampling, rolling windows, engine, detector.
//!    It works sample by sample: the same recording gives the same events however it is cut into
//!    blocks. Only where a live source would have to wait for the network, windows are skipped.
//! 5. [`sink`]: where results go: lines of text or of JSON, a log that never grows without bound, a command, clips of the
//!    sound.
//! 6. [`service`]: what a program that runs for months tells about itself; [`reason`]: why it ends.
//!
//! ```text
//! source ─► resampler ─► rolling windows ─► engine ─► detector ─► sink
//!  own rate   ──────────────────── the model's rate ─────────────────
//! ```
//!
//! Time is a count of samples at the model's rate from the first to the last of these steps; only
//! a sink turns it into seconds.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod decision;
pub mod engine;
pub mod level;
pub mod log;
pub mod pipeline;
pub mod reason;
pub mod service;
pub mod sink;
pub mod source;

#[cfg(test)]
#[path = "../tests/common/model.rs"]
mod tiny_model;
