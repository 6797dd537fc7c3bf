//! The inner loops: dot products of `i16` inputs with `i8` weights.
//!
//! Columns lie in words, each padded with zeros to whole groups of four values. What one output column is
//! computed from is gathered in a *patch*. A convolution at pool position `j` is the dot
//! product of a row of weights with the columns from `j` on, as many as there are taps. Sums wrap
//! around; the exporter chooses scales with which they never do.
//!
//! How values lie in a patch is the business of two modules of the same functions: [`natural`] keeps
//! columns as they are, for plain loops and [`avx2`]; [`packed`] permutes them for the instructions of
//! Cortex-M ([`dsp`]).

#[cfg(all(feature = "std", not(feature = "dsp"), target_arch = "x86_64"))]
mod avx2;
#[cfg(all(feature = "dsp", target_arch = "arm"))]
mod dsp;
#[cfg(not(feature = "dsp"))]
mod natural;
#[cfg(feature = "dsp")]
mod packed;
#[cfg(any(test, not(all(feature = "dsp", target_arch = "arm"))))]
mod scalar;
#[cfg(all(feature = "std", not(feature = "dsp"), target_arch = "x86_64"))]
mod vectors;

#[cfg(not(feature = "dsp"))]
pub(crate) use natural::{
    Sums, accumulate, convolve, convolve_samples, gather, load, store_narrow,
};
#[cfg(feature = "dsp")]
pub(crate) use packed::{Sums, accumulate, convolve, convolve_samples, gather, load, store_narrow};

#[cfg(all(feature = "std", not(feature = "dsp"), target_arch = "x86_64"))]
pub use vectors::Prepared;

/// Weights in another order, for machines with a kernel that wants them so. Here there is none.
#[cfg(not(all(feature = "std", not(feature = "dsp"), target_arch = "x86_64")))]
#[derive(Clone, Debug)]
pub struct Prepared(core::convert::Infallible);

#[cfg(not(all(feature = "std", not(feature = "dsp"), target_arch = "x86_64")))]
impl Prepared {
    /// `None`: this machine reads the weights as they are.
    #[must_use]
    pub const fn new(_: &models::q8::Model<'_>) -> Option<Self> {
        None
    }

    pub(crate) const fn convolve(
        &self,
        _: usize,
        _: &models::q8::Layer<'_>,
        _: &Reach,
        _: &[u32],
        _: &mut [i16],
    ) -> bool {
        false
    }
}

/// The columns that one output column is computed from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// Taps of the convolution.
    pub taps: usize,
    /// Positions of the pool.
    pub pool: usize,
    /// Values of a column, padding included.
    pub step: usize,
}

impl Reach {
    /// Columns in all.
    pub(crate) const fn columns(&self) -> usize {
        self.taps + self.pool - 1
    }

    /// Values that one position reads.
    #[cfg(feature = "dsp")]
    pub(crate) const fn row(&self) -> usize {
        self.taps * self.step
    }
}
