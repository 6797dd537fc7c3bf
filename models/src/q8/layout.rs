//! Where a layer's numbers lie in the data.

#[cfg(feature = "alloc")]
use crate::arch::LayerTable;
use crate::arch::{Layer, LayerName};

/// Bytes between which weights are padded with zeros, so that engines can read them in words.
const GROUP: usize = 4;

/// `channels` rounded up to whole groups.
#[must_use]
pub const fn padded(channels: usize) -> usize {
    channels.next_multiple_of(GROUP)
}

/// A layer's numbers in the data: weights, then biases, multipliers and shifts.
///
/// There is one row of weights an output. It holds `taps` times `inputs` weights, each tap's inputs
/// padded to whole groups of four with zeros: in the order in which the layer's input columns lie in
/// memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Outputs: rows of weights.
    pub outputs: usize,
    /// Taps of a row: of a convolution, or the columns that the classifier reads. The stem, whose
    /// input has one channel, has one tap with the kernel as its inputs.
    pub taps: usize,
    /// Inputs of a tap, without padding.
    pub inputs: usize,
}

impl Shape {
    /// The shapes of a network, in the order of its layers.
    #[cfg(feature = "alloc")]
    pub fn of(table: &LayerTable) -> impl Iterator<Item = Self> + '_ {
        let columns = table.layers.iter().rev().nth(1).map_or(1, |head| head.out_len);
        table.layers.iter().map(move |layer| Self::of_layer(layer, columns))
    }

    /// The shape of a layer, where the head makes so many columns.
    pub(super) fn of_layer(layer: &Layer, columns: usize) -> Self {
        let outputs = layer.out_channels;
        match layer.name {
            LayerName::Stem => Self { outputs, taps: 1, inputs: layer.kernel },
            LayerName::Classifier => {
                Self { outputs, taps: columns, inputs: layer.in_channels / columns }
            }
            _ => Self { outputs, taps: layer.kernel, inputs: layer.in_channels },
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
