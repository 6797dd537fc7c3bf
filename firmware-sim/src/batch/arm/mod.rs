//! The vectors of 64-bit ARM: NEON, which every such machine has, and SDOT.
#![allow(unsafe_code)]

mod lanes;
mod products;

use core::arch::aarch64::int32x4_t;

use super::vector::Pass;

pub(crate) use products::{bytes, words};

/// Does it with NEON: no column is shorter than a vector.
pub(super) fn run(pass: impl Pass) {
    // SAFETY: every such machine has NEON.
    unsafe { pass.vectors::<int32x4_t>() }
}
