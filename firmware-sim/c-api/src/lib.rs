//! The int8 engine and the decision core for programs in C.
//!
//! [`include/auricle.h`](../include/auricle.h) is the interface and its documentation;
//! `example/listen.c` uses it. A test makes the header from these sources:
//! `UPDATE_HEADER=1 cargo test -p auricle-c-api --test header` writes it anew.
//!
//! The samples go from [`api`] to the [`listener`], which is the engine, the detector and a queue of
//! [`event`]s; [`place`] lays all of it out in the memory that the caller hands in. There is no heap.
//!
//! On a target without an operating system (`target_os = "none"`) this is a `no_std` crate, to be built
//! with `--no-default-features`, and with `--features gates` for networks with gates, shortcuts or global
//! maxima. There the program has to define `void auricle_panic(void)`, which is called instead of a panic and
//! must not return. No input is known to lead there.
#![cfg_attr(target_os = "none", no_std)]
// The workspace denies it; pointers from C cannot do without.
#![allow(unsafe_code)]
#![warn(clippy::undocumented_unsafe_blocks)]

mod api;
mod event;
mod listener;
#[cfg(target_os = "none")]
mod panic;
mod place;
mod status;

pub use api::*;
pub use event::{AURICLE_EVENTS, AuricleEvent};
pub use place::AURICLE_ALIGNMENT;
pub use status::AuricleStatus;
