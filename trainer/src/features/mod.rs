//! Clips as features of trained networks, and small classifiers on them.
//!
//! *Multi-level, multi-scale aggregation*: each network looks at a clip in segments of its own window. Of its last three
//! blocks the largest value over time is taken within a segment, the mean over all segments of a clip. What all networks
//! give is put side by side.
//!
//! [`extract`] does that, [`npz`] keeps the result where NumPy reads it, [`head`] trains a classifier on it, and
//! [`crate::export::aggregate`] writes networks, pooling and classifier as one model.
//!
//! Source: Lee and Nam, "Multi-level and multi-scale feature aggregation using pretrained convolutional neural networks for music
//! auto-tagging" (2017).

mod extract;
pub mod head;
pub mod npz;
mod scale;
mod table;

pub use extract::{Extractor, extract, levels, pooled};
pub use table::{About, Features, Origin};
