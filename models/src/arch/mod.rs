//! Networks as data: one type describes every member of the SampleCNN family.
//!
//! A network is a strided *stem* convolution on raw samples, a row of *blocks* (convolution,
//! batch norm, ReLU, max pooling), a 1×1 convolution *head* and a linear *classifier*:
//!
//! ```text
//! [1, window] ─ stem ─ block 1 … block n ─ head ─ flatten ─ classifier ─ softmax | sigmoid
//! ```
//!
//! Source: Lee, Park, Kim, Nam, "Sample-level deep convolutional neural networks for music
//! auto-tagging using raw waveforms" (2017) and "SampleCNN: end-to-end deep convolutional neural
//! networks using very small filters for music classification" (2018).

mod layers;
mod presets;
mod streaming;

pub use layers::{ArchError, Layer, LayerName, LayerTable, Layers, Problem};
pub use presets::{PRESETS, preset};
pub use streaming::{Level, StreamCost, Streaming};

use serde::{Deserialize, Serialize};

/// The most blocks a network may have.
pub const MAX_BLOCKS: usize = 16;

/// A network of the SampleCNN family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchSpec {
    /// Samples a second of the audio that the network hears.
    pub sample_rate_hz: u32,
    /// Samples a window, the input of one forward pass.
    pub window: u32,
    /// The first convolution.
    pub stem: Stem,
    /// The blocks, in order.
    pub blocks: heapless::Vec<Block, MAX_BLOCKS>,
    /// The 1×1 convolution before the classifier.
    pub head: Head,
    /// Number of outputs.
    pub classes: u16,
    /// What the outputs mean.
    pub task: Task,
}

/// The first convolution: no padding, stride as given, then batch norm and ReLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stem {
    /// Output channels.
    pub channels: u16,
    /// Taps of the filter.
    pub kernel: u8,
    /// Samples between two output columns.
    pub stride: u8,
}

/// One block: "same" convolution of stride 1, batch norm, ReLU, max pooling.
///
/// "Same" padding puts `(kernel - 1) / 2` zeros before and `kernel / 2` zeros after the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Output channels.
    pub channels: u16,
    /// Taps of the filter.
    pub kernel: u8,
    /// Length and stride of the max pooling; columns that fill no whole pool are dropped.
    pub pool: u8,
    /// What happens inside the block.
    pub kind: BlockKind,
}

impl Block {
    /// Zero columns that "same" padding puts before and after the input.
    #[must_use]
    pub const fn padding(&self) -> (usize, usize) {
        let kernel = self.kernel as usize;
        ((kernel - 1) / 2, kernel / 2)
    }
}

/// What happens inside a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockKind {
    /// Convolution, batch norm, ReLU, max pooling.
    #[default]
    Basic,
}

/// The 1×1 convolution (with batch norm, ReLU and dropout) between the blocks and the classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Output channels.
    pub channels: u16,
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
