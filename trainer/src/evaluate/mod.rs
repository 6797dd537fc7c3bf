//! Measuring a model on the clips of a data set.
//!
//! [`model`] is whatever can be measured, [`mod@drop`] one model beside another.
//!
//! [`predict`] gives posteriors (of a run's network or of an exported model), [`int8`] those of an int8
//! model, [`metrics`] what follows from them, [`report`] and [`plot`] show it; [`tags`] is the same for networks that find
//! tags. [`gain`] makes
//! recordings quieter. [`stream`] measures on hours of sound instead of clips.

pub mod drop;
pub mod gain;
pub mod int8;
pub mod metrics;
pub mod model;
pub mod plot;
pub mod predict;
pub mod report;
pub mod stream;
pub mod tags;
