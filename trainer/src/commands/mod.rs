//! The subcommands: arguments in, lines out. The work is done elsewhere.

pub mod bench;
pub mod crossval;
pub mod data_common;
pub mod data_inspect;
pub mod data_negatives;
pub mod data_stream;
pub mod data_synth;
pub mod describe;
pub mod evaluate;
pub mod evaluate_stream;
pub mod explain;
pub mod export;
pub mod fit;
mod footprint;
mod qat;
pub mod tune;
pub mod visualize;
