//! Inner loops in the DSP instructions of Cortex-M4, M7, M33 and later: dot products ([`rows`]), what
//! follows them ([`outputs`]), and what goes before ([`scatter`]).
//!
//! Assembly, because no compiler keeps two outputs by three positions in the 14 registers. The compiler
//! does not lend `r6` and `r7` to assembly: they wait on the stack.
#![allow(unsafe_code)]

mod outputs;
mod rows;
mod scatter;

pub(super) use outputs::{requantize, singles};
pub(super) use rows::largest;
pub(super) use scatter::{scatter_narrow, scatter_wide};
