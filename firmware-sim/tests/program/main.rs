//! The program as its users run it, with a small model made by the tests.

#![allow(clippy::unwrap_used)]

mod bad_input;
mod bench;
mod faults;
mod golden;
mod model;
mod streaming;
mod summary;
