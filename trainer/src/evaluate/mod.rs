//! Measuring a model on the clips of a data set.
//!
//! [`predict`] gives posteriors (of a run's network or of an exported model), [`metrics`] what
//! follows from them, [`report`] and [`plot`] show it.

pub mod metrics;
pub mod plot;
pub mod predict;
pub mod report;
