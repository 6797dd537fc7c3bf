//! Measuring a model on streams: how many commands it hears and how soon, how often it fires at nothing.
//!
//! 1. [`compose`] makes the streams, with [`words`] in noise and [`music`]; a [`track`] is one of
//!    them.
//! 2. [`listen`] runs the network over each, once; [`streams`] keeps the posteriors and runs only the
//!    decision core anew for other settings.
//! 3. [`matching`] says which event belongs to which command, [`rates`] what a count in so many hours
//!    means, [`curves`] what other thresholds would give.
//! 4. [`report`] and [`plot`] show it; [`tune`] chooses settings by it.
//!
//! [`negatives`] writes the streams without commands for training.

pub mod average;
pub mod compose;
pub mod curves;
pub mod listen;
pub mod matching;
mod music;
pub mod negatives;
pub mod plot;
pub mod rates;
pub mod report;
pub mod streams;
pub mod table;
pub mod track;
pub mod tune;
mod words;
