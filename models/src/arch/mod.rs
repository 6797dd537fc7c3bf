//! Networks as data: one type describes every member of the SampleCNN family.
//!
//! A network is a strided *stem* convolution on raw samples, a row of *blocks* (convolution,
//! batch norm, ReLU, max pooling; with gates and shortcuts, see [`BlockKind`]), a 1×1 convolution *head* and a linear
//! *classifier*:
//!
//! ```text
//! [1, window] ─ stem ─ block 1 … block n ─ [global maxima] ─ head ─ flatten ─ classifier ─ softmax | sigmoid
//! ```
//!
//! The baselines that the papers compare with have a wide stem of overlapping frames, or a mel spectrum in its place.
//!
//! [`ArchSpec::each_node`] is what that means operation by operation, [`ArchSpec::layers`] what each layer costs.
//!
//! Source: Lee, Park, Kim, Nam, "Sample-level deep convolutional neural networks for music
//! auto-tagging using raw waveforms" (2017) and "SampleCNN: end-to-end deep convolutional neural
//! networks using very small filters for music classification" (2018); the other kinds of blocks: Kim, Lee,
//! Nam, "Comparison and analysis of SampleCNN architectures for audio classification" (2019).

mod build;
mod error;
mod graph;
mod head;
mod hops;
mod kind;
mod layers;
mod presets;
mod stem;
mod streaming;

pub use error::{ArchError, Problem};
pub use graph::{Activation, INNER_DROPOUT, MAX_NODES, Node, Op, Part};
pub use head::Head;
pub use kind::{Alpha, BlockKind};
pub use layers::{Layer, LayerName, LayerTable, Layers};
pub use presets::{PRESETS, preset};
pub use stem::Stem;
pub use streaming::{Level, StreamCost, Streaming};

use serde::{Deserialize, Serialize};

/// The most blocks a network may have.
pub const MAX_BLOCKS: usize = 16;
/// The most blocks whose global maxima a head may read.
pub const MAX_LEVELS: usize = 3;

/// A network of the SampleCNN family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchSpec {
    /// Samples a second of the audio that the network hears.
    pub sample_rate_hz: u32,
    /// Samples a window, the input of one forward pass.
    pub window: u32,
    /// The first layer.
    pub stem: Stem,
    /// The blocks, in order.
    pub blocks: heapless::Vec<Block, MAX_BLOCKS>,
    /// What lies between the blocks and the classifier.
    pub head: Head,
    /// Number of outputs.
    pub classes: u16,
    /// What the outputs mean.
    pub task: Task,
}

/// One block: "same" convolutions of stride 1, batch norm, ReLU, max pooling.
///
/// "Same" padding puts `(kernel - 1) / 2` zeros before and `kernel / 2` zeros after the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Output channels.
    pub channels: u16,
    /// Taps of the filters.
    pub kernel: u8,
    /// Length and stride of the max pooling; columns that fill no whole pool are dropped.
    pub pool: u8,
    /// What happens inside the block.
    pub kind: BlockKind,
}

impl Block {
    /// [`Block::kind`], where that can be another than basic: else the compiler leaves out what all others need.
    pub(crate) const fn kind(&self) -> BlockKind {
        if cfg!(feature = "gates") { self.kind } else { BlockKind::Basic }
    }

    /// Zero columns that "same" padding puts before and after the input.
    #[must_use]
    pub const fn padding(&self) -> (usize, usize) {
        let kernel = self.kernel as usize;
        ((kernel - 1) / 2, kernel / 2)
    }
}

/// What the outputs of a network mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// One class a window: softmax.
    #[default]
    MultiClass,
    /// Any number of tags a window: sigmoid.
    MultiLabel,
}

impl ArchSpec {
    /// Whether there can be an int8 model of it: a mel spectrum has no integer form.
    #[must_use]
    pub const fn has_integer_form(&self) -> bool {
        !self.stem.mel
    }

    /// Whether the network is a plain chain: a convolution, basic blocks, and a head that reads all columns.
    #[must_use]
    pub fn is_chain(&self) -> bool {
        // What reads models refuses all others.
        cfg!(not(feature = "gates")) || self.has_basic_blocks_only()
    }

    pub(crate) fn has_basic_blocks_only(&self) -> bool {
        !self.stem.mel
            && self.head.levels == 0
            && self.blocks.iter().all(|block| block.kind == BlockKind::Basic)
    }
}
