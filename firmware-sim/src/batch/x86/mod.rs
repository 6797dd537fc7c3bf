//! The vectors of x86-64.
#![allow(unsafe_code)]

mod avx2;
mod avx512;
mod products;

use core::arch::x86_64::{__m256i, __m512i};

use super::Machine;
use super::vector::{Lanes, Pass};

pub(crate) use products::{bytes, words};

/// The low half of 64 bits.
const LOW: i64 = 0xFFFF_FFFF;

/// Factors of the even and of the odd lanes, in lanes of 64 bits.
pub(crate) struct Factors<V> {
    /// In the low half; a product does not read the other one.
    multipliers: [V; 2],
    /// Half a unit of the results.
    halves: [V; 2],
    shifts: [V; 2],
    limit: V,
}

/// Does it with the longest vectors of which a column holds at least one.
pub(super) fn run(machine: Machine, pass: impl Pass) {
    let width = pass.width();
    match machine {
        // SAFETY: `Machine` says that the instructions are there.
        Machine::Avx512Vnni if width >= <__m512i as Lanes>::COUNT => unsafe {
            with_avx512(pass);
        },
        // SAFETY: as above; whatever has AVX-512 has AVX2.
        Machine::Avx2 | Machine::Avx512Vnni if width >= <__m256i as Lanes>::COUNT => unsafe {
            with_avx2(pass);
        },
        _ => pass.plain(),
    }
}

#[target_feature(enable = "avx512f")]
fn with_avx512(pass: impl Pass) {
    // SAFETY: this function has the instructions.
    unsafe { pass.vectors::<__m512i>() }
}

#[target_feature(enable = "avx2")]
fn with_avx2(pass: impl Pass) {
    // SAFETY: this function has the instructions.
    unsafe { pass.vectors::<__m256i>() }
}
