//! Layers on many columns at a time, for hosts: the same integers as [`crate::Engine`], in the order in which a
//! computer is fastest.
//!
//! Columns lie one after the other, each padded with zeros to whole groups of four values: of bytes where
//! the layer that made them has 8 bits, of `i16` where it has 16. The inputs of one row of the product
//! are consecutive columns, so rows overlap and nothing is copied.
//!
//! Products are written for each machine, in the order in which `pack` lays out their weights. What
//! follows them (sums to values, joins, means) is written once, in `vector`, for the vectors of any machine.

#[cfg(target_arch = "aarch64")]
mod arm;
mod join;
mod layer;
mod mean;
mod pack;
mod plain;
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(dead_code))]
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::ops::Range;
use std::vec::Vec;

pub use join::{BatchJoin, Operands};
pub use layer::BatchLayer;
pub use mean::BatchMean;

use vector::Pass;

/// Values of columns.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Of layers with 8 bits: 0 to 127.
    Narrow(&'a [u8]),
    /// Samples, or of layers with 16 bits.
    Wide(&'a [i16]),
}

/// Room for values of columns.
#[derive(Debug)]
pub enum ValuesMut<'a> {
    /// For 8 bits.
    Narrow(&'a mut [u8]),
    /// For 16 bits.
    Wide(&'a mut [i16]),
}

/// Rows of a product.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Values from the first input of a row to that of the next one.
    pub step: usize,
    /// Rows that one column of the output is the largest of.
    pub pool: usize,
}

/// The instructions to compute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    /// Those that every machine has.
    Plain,
    /// AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// NEON.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// NEON with SDOT.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

impl Machine {
    /// The best that this machine has.
    fn detect() -> Self {
        Self::all().pop().unwrap_or(Self::Plain)
    }

    /// All that this machine has, the best last.
    fn all() -> Vec<Self> {
        let mut all = std::vec![Self::Plain];
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx2") {
                all.push(Self::Avx2);
            }
            if has!("avx512f") && has!("avx512bw") && has!("avx512vnni") {
                all.push(Self::Avx512Vnni);
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            all.push(Self::Neon);
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                all.push(Self::NeonDot);
            }
        }
        all
    }

    /// Does it with this machine's vectors.
    fn run(self, pass: impl Pass) {
        match self {
            Self::Plain => pass.plain(),
            #[cfg(target_arch = "x86_64")]
            machine => x86::run(machine, pass),
            #[cfg(target_arch = "aarch64")]
            _ => arm::run(pass),
        }
    }
}

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Narrow(values) => values.len(),
            Self::Wide(values) => values.len(),
        }
    }

    fn at(&self, place: usize) -> i16 {
        match self {
            Self::Narrow(values) => values[place].into(),
            Self::Wide(values) => values[place],
        }
    }
}

impl ValuesMut<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Narrow(values) => values.len(),
            Self::Wide(values) => values.len(),
        }
    }

    /// Some of the values.
    fn part(&mut self, places: Range<usize>) -> ValuesMut<'_> {
        match self {
            Self::Narrow(values) => ValuesMut::Narrow(&mut values[places]),
            Self::Wide(values) => ValuesMut::Wide(&mut values[places]),
        }
    }

    fn set(&mut self, place: usize, value: i16) {
        match self {
            Self::Narrow(values) => values[place] = value as u8,
            Self::Wide(values) => values[place] = value,
        }
    }
}

#[cfg(test)]
mod tests;
