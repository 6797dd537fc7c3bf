//! The program as its users run it, with a tiny model made by the tests.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod bad_input;
mod config;
mod log;
mod manual;
#[cfg(feature = "microphone")]
mod microphone;
#[cfg(unix)]
mod reload;
mod results;
#[cfg(unix)]
mod running;
#[cfg(unix)]
mod service;
mod streaming;
#[cfg(not(feature = "microphone"))]
mod without_microphone;
