//! The subcommands: arguments in, lines out. The work is done elsewhere.

pub mod bench;
pub mod crossval;
pub mod data_common;
pub mod data_cut;
pub mod data_fetch;
pub mod data_inspect;
pub mod data_mix;
pub mod data_negatives;
pub mod data_stream;
pub mod data_synth;
pub mod describe;
mod describe_trained;
pub mod evaluate;
pub mod evaluate_stream;
mod evaluate_tags;
pub mod explain;
pub mod export;
pub mod features;
pub mod fit;
pub mod fit_head;
mod footprint;
mod presets;
mod qat;
mod teachers;
mod transfer;
pub mod tune;
pub mod visualize;
