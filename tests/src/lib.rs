//! What the system tests share: the binaries, and recordings made on the spot.
//!
//! The tests run the binaries of the same build as a user would, so build the whole workspace
//! first (`scripts/test` does).
#![forbid(unsafe_code)]

pub mod program;
pub mod sounds;
