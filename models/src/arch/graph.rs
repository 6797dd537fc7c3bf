//! What a network computes, as a short list of *nodes*.
//!
//! A block's kind says what happens inside it. Here every kind becomes nodes of four operations
//! ([`Op`]), each with the operands that it reads. Whoever computes, trains, writes or quantises a network walks this
//! list, and so knows every kind.
//!
//! ```text
//! basic   Conv+ReLU+pool
//! SE      Conv+ReLU+pool ─┬─ Mean ─ Conv+ReLU ─ Conv+sigmoid ─┐
//!                         └───────────────────────────────── Join (gated)
//! Res-1   Conv ──────────────── Join (residual) + ReLU + pool
//! Res-2   Conv+ReLU ─ Conv ──── Join (residual) + ReLU + pool
//! ReSE-n  as Res-n, its last Conv gated like that of SE
//! ```
//!
//! The shortcut of a residual block is its input, or where channels change a 1×1 convolution of it. A
//! network of basic blocks has one node a layer.
//!
//! A mel spectrum in place of the stem is one node as well ([`Op::Mel`]); nothing of it is trained.
//!
//! Source: Kim, Lee, Nam, "Comparison and analysis of SampleCNN architectures for audio
//! classification" (2019); the gate is that of Hu et al., "Squeeze-and-excitation networks" (2018).

use super::{LayerName, MAX_BLOCKS, MAX_LEVELS};

/// The most nodes of a block.
const BLOCK_NODES: usize = if cfg!(feature = "gates") { 7 } else { 1 };
/// The most nodes of a network.
pub const MAX_NODES: usize = MAX_BLOCKS * BLOCK_NODES + 4;
/// Share of a residual block's inner activations that training drops (Res-2, `ReSE`-2).
pub const INNER_DROPOUT: f64 = 0.2;

/// What a node is for within its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The layer's convolution, the first one of a block.
    Conv,
    /// The mel spectrum in place of the stem.
    Mel,
    /// The second convolution of a block.
    Second,
    /// The mean over time that a gate reads.
    Mean,
    /// The first linear layer of a gate.
    Squeeze,
    /// The second linear layer of a gate.
    Excite,
    /// The convolution of a shortcut whose channels change.
    Shortcut,
    /// Where branch, gate and shortcut come together.
    Join,
    /// The global maxima before the head.
    Peaks,
}

impl Part {
    /// The name in files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conv => "conv",
            Self::Mel => "mel",
            Self::Second => "conv2",
            Self::Mean => "mean",
            Self::Squeeze => "squeeze",
            Self::Excite => "excite",
            Self::Shortcut => "shortcut",
            Self::Join => "join",
            Self::Peaks => "peaks",
        }
    }
}

/// What follows a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing: values of both signs.
    None,
    /// max(0, x).
    Relu,
    /// 1 / (1 + e^-x).
    Sigmoid,
}

/// An operation on columns of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Convolution with bias, then batch norm, activation and max pooling, as far as there are. A linear layer is
    /// one whose kernel is as long as its input.
    Conv {
        /// Taps.
        kernel: usize,
        /// Columns between two applications.
        stride: usize,
        /// Zero columns before and after the input.
        padding: (usize, usize),
        /// Whether a batch norm follows.
        norm: bool,
        /// What follows then.
        activation: Activation,
        /// Length and stride of the max pooling; columns that fill no whole pool are dropped.
        pool: usize,
        /// Whether training drops some of the output ([`INNER_DROPOUT`]).
        dropout: bool,
    },
    /// The energies of samples in mel bands, of which nothing is trained: ln(10^-6 + Σ w·|X|²) with the spectra X of
    /// overlapping stretches under a Hann window and weights w that are triangles on the mel scale (O'Shaughnessy,
    /// 1987) from 0 Hz to half the rate.
    Mel {
        /// Samples of a spectrum.
        kernel: usize,
        /// Samples between two spectra.
        stride: usize,
        /// Samples a second.
        rate_hz: u32,
    },
    /// The mean of each channel over all columns: one column.
    Mean,
    /// Operands: columns; a gate of one column, if gated; columns to add, if residual. The first ones are
    /// multiplied with the gate, then the last ones added, then follow ReLU and max pooling.
    Join {
        /// Whether there is a gate.
        gated: bool,
        /// Whether there is a shortcut.
        residual: bool,
        /// Whether a ReLU follows.
        relu: bool,
        /// Length and stride of the max pooling.
        pool: usize,
    },
    /// The largest value of each channel over all columns, of one or more operands, their channels one after the
    /// other: one column.
    Peaks,
}

/// One operation of a network, with its shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The layer that it belongs to.
    pub layer: LayerName,
    /// What it is for there.
    pub part: Part,
    /// What it does.
    pub op: Op,
    /// Numbers of the nodes that it reads; none if it reads the samples.
    pub operands: heapless::Vec<usize, MAX_LEVELS>,
    /// Channels in, of all operands of [`Op::Peaks`] together.
    pub in_channels: usize,
    /// Columns in, of the first operand.
    pub in_len: usize,
    /// Channels out.
    pub out_channels: usize,
    /// Columns before pooling.
    pub conv_len: usize,
    /// Columns out.
    pub out_len: usize,
}

impl Node {
    /// Taps of the convolution, 1 where there is none.
    #[must_use]
    pub const fn kernel(&self) -> usize {
        match self.op {
            Op::Conv { kernel, .. } | Op::Mel { kernel, .. } => kernel,
            _ => 1,
        }
    }

    /// Length of the max pooling, 1 where there is none.
    #[must_use]
    pub const fn pool(&self) -> usize {
        match self.op {
            Op::Conv { pool, .. } | Op::Join { pool, .. } => pool,
            _ => 1,
        }
    }

    /// Whether its values may be negative.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        matches!(self.op, Op::Conv { activation: Activation::None, .. } | Op::Mean | Op::Mel { .. })
    }

    /// Trained numbers: weights, biases, batch-norm scale and shift.
    #[must_use]
    pub const fn params(&self) -> u64 {
        let Op::Conv { kernel, norm, .. } = self.op else { return 0 };
        let (inputs, outputs) = (self.in_channels as u64, self.out_channels as u64);
        let filter = inputs.saturating_mul(kernel as u64).saturating_add(1);
        outputs.saturating_mul(filter).saturating_add(if norm { 2 * outputs } else { 0 })
    }

    /// Multiply-accumulates of one window, those on padding included.
    #[must_use]
    pub const fn macs(&self) -> u64 {
        let (columns, channels) = (self.conv_len as u64, self.out_channels as u64);
        let each = match self.op {
            Op::Conv { kernel, .. } => (self.in_channels as u64).saturating_mul(kernel as u64),
            Op::Join { gated: true, .. } => 1,
            Op::Mel { kernel, .. } => {
                // Real and imaginary parts by products with sines, and the bands by a matrix.
                let parts = 2 * (kernel as u64 / 2 + 1);
                return columns.saturating_mul(parts.saturating_mul(kernel as u64 + channels));
            }
            _ => 0,
        };
        columns.saturating_mul(channels).saturating_mul(each)
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::super::{PRESETS, preset};
    use super::*;
    use std::string::String;

    /// A block's nodes as text: part, operands, columns out.
    fn parts(name: &str, number: usize) -> String {
        let nodes = preset(name, 12).unwrap().nodes().unwrap();
        let mut text = String::new();
        for (index, node) in nodes.iter().enumerate() {
            if node.layer == LayerName::Block(number) {
                let part = node.part.name();
                text += &std::format!("{index} {part} {:?} {}, ", node.operands, node.out_len);
            }
        }
        text
    }

    #[test]
    fn every_kind_is_wired_as_in_the_paper() {
        assert_eq!(parts("samplecnn-multi-speech", 1), "1 conv [0] 1777, ");
        assert_eq!(
            parts("se-multi-speech", 1),
            "1 conv [0] 1777, 2 mean [1] 1, 3 squeeze [2] 1, 4 excite [3] 1, 5 join [1, 4] 1777, "
        );
        assert_eq!(parts("res1-multi-speech", 1), "1 conv [0] 5333, 2 join [1, 0] 1777, ");
        assert_eq!(
            parts("res2-multi-speech", 3),
            "7 conv [6] 592, 8 conv2 [7] 592, 9 shortcut [6] 592, 10 join [8, 9] 197, "
        );
        assert_eq!(
            parts("rese1-multi-speech", 1),
            "1 conv [0] 5333, 2 mean [1] 1, 3 squeeze [2] 1, 4 excite [3] 1, 5 join [1, 4, 0] 1777, "
        );
        assert_eq!(
            parts("rese2-multi-speech", 1),
            "1 conv [0] 5333, 2 conv2 [1] 5333, 3 mean [2] 1, 4 squeeze [3] 1, 5 excite [4] 1, 6 join [2, 5, 0] 1777, "
        );
    }

    #[test]
    fn the_multi_level_head_reads_the_last_three_blocks() {
        let nodes = preset("rese2-multi-scene", 17).unwrap().nodes().unwrap();
        let peaks = &nodes[nodes.len() - 3];
        assert_eq!((peaks.op, peaks.out_channels, peaks.out_len), (Op::Peaks, 1024, 1));
        let channels: std::vec::Vec<_> =
            peaks.operands.iter().map(|level| nodes[*level].out_channels).collect();
        assert_eq!(channels, [256, 256, 512]);
    }

    #[test]
    fn nodes_follow_what_they_read() {
        for name in PRESETS {
            let nodes = preset(name, 12).unwrap().nodes().unwrap();
            assert!(nodes.len() <= MAX_NODES);
            for (index, node) in nodes.iter().enumerate() {
                assert!(node.operands.iter().all(|operand| *operand < index), "{name}");
                assert_eq!(node.operands.is_empty(), index == 0);
            }
        }
    }
}
