//! Recorded runs.

mod compare;
mod format;
mod play;
mod sums;

pub(crate) use compare::difference;
pub(crate) use format::{Decided, Golden, Outputs, Window};
pub(crate) use play::play;
pub(crate) use sums::{LayerSums, Sums};
