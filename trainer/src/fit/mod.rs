//! Training: from a data set and a configuration to a run folder.
//!
//! 1. [`config`] settles every number of the training and keeps it beside the weights.
//! 2. [`batch`] turns clips into augmented batches; `cut` and `room` are two of the changes.
//! 3. [`train`] runs epochs of steps, which make the `loss` smaller; [`schedule`] sets their learning rate;
//!    `average` keeps the mean of their weights, `frozen` trains a classifier alone.
//! 4. [`checkpoint`] keeps the whole state in one file that is never half-written.
//! 5. [`run`] is the folder that all of this goes into; [`progress`] is what the user sees; [`source`] is a trained
//!    network to start from, `teacher` some to learn from.
//!
//! Every random draw is a function of the seed and of what it is for (epoch, clip, step), so that
//! a run that was interrupted goes on as if it had not been.

mod average;
pub mod batch;
pub mod checkpoint;
pub mod config;
mod config_toml;
mod cut;
mod frozen;
pub(crate) mod loss;
pub mod progress;
mod room;
pub mod run;
pub mod schedule;
pub mod source;
mod teacher;
pub mod train;

pub use config::FitConfig;
pub use run::Run;
pub use teacher::Teachers;
pub use train::{Stop, fit};
