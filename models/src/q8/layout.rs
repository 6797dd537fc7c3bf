//! Where a layer's numbers lie in the data.

#[cfg(feature = "alloc")]
use crate::arch::{ArchError, ArchSpec};
use crate::arch::{Node, Op};

/// Bytes between which weights are padded with zeros, so that engines can read them in words.
const GROUP: usize = 4;

/// `channels` rounded up to whole groups.
#[must_use]
pub const fn padded(channels: usize) -> usize {
    channels.next_multiple_of(GROUP)
}

/// A node's numbers in the data: weights, then biases, multipliers and shifts.
///
/// There is one row of weights an output. It holds `taps` times `inputs` weights, each tap's inputs
/// padded to whole groups of four with zeros: in the order in which the layer's input columns lie in
/// memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Outputs: rows of weights.
    pub outputs: usize,
    /// Taps of a row: of a convolution, or the columns that the classifier reads. The stem, whose
    /// input has one channel, has one tap with the kernel as its inputs. 0 where there are no weights.
    pub taps: usize,
    /// Inputs of a tap, without padding.
    pub inputs: usize,
}

impl Shape {
    /// The shapes of a network, in the order of its nodes.
    ///
    /// # Errors
    /// A network that cannot be built.
    #[cfg(feature = "alloc")]
    pub fn of(arch: &ArchSpec) -> Result<alloc::vec::Vec<Self>, ArchError> {
        Ok(arch.nodes()?.iter().map(Self::of_node).collect())
    }

    /// The shape of a node. One without weights has a factor for every operand that it brings to the scale of its
    /// output.
    pub(super) fn of_node(node: &Node) -> Self {
        let outputs = node.out_channels;
        let factors = |outputs| Self { outputs, taps: 0, inputs: 0 };
        match node.op {
            Op::Conv { kernel, .. } if node.operands.is_empty() => {
                Self { outputs, taps: 1, inputs: kernel }
            }
            Op::Conv { kernel, .. } => Self { outputs, taps: kernel, inputs: node.in_channels },
            // A mel spectrum has no integer form; no file can hold one.
            Op::Mel { .. } => factors(0),
            Op::Mean => factors(1),
            Op::Join { residual, .. } => factors(1 + usize::from(residual)),
            Op::Peaks => factors(node.operands.len()),
        }
    }

    /// Bytes of a row of weights.
    #[must_use]
    pub const fn row(&self) -> usize {
        self.taps * padded(self.inputs)
    }

    /// Bytes of all numbers. In u64: nobody has looked yet whether they are there.
    pub(super) const fn bytes(&self) -> u64 {
        let outputs = self.outputs as u64;
        let row = self.taps as u64 * padded(self.inputs) as u64;
        outputs * (row + 8) + padded(self.outputs) as u64
    }
}
