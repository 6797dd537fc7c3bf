//! What happens inside a block.

use serde::{Deserialize, Serialize};

/// What happens inside a block.
///
/// The papers draw each kind with its batch norms; [`super::graph`] has the operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockKind {
    /// Convolution, ReLU, max pooling.
    #[default]
    Basic,
    /// As basic, then each channel is multiplied with a gate, which is computed from the channels' means over the window
    /// (*squeeze and excitation*).
    Se(Alpha),
    /// Convolution, shortcut added, ReLU, max pooling.
    Res1,
    /// Two convolutions with ReLU and dropout between them, shortcut added, ReLU, max pooling.
    Res2,
    /// As `Res1`, with a gate on the branch.
    #[serde(rename = "rese1")]
    ReSe1(Alpha),
    /// As `Res2`, with a gate on the branch.
    #[serde(rename = "rese2")]
    ReSe2(Alpha),
}

impl BlockKind {
    /// The gate, if there is one.
    #[must_use]
    pub const fn gate(self) -> Option<Alpha> {
        match self {
            Self::Se(alpha) | Self::ReSe1(alpha) | Self::ReSe2(alpha) => Some(alpha),
            Self::Basic | Self::Res1 | Self::Res2 => None,
        }
    }

    /// Whether there is a shortcut.
    #[must_use]
    pub const fn is_residual(self) -> bool {
        !matches!(self, Self::Basic | Self::Se(_))
    }

    /// Convolutions one after the other.
    #[must_use]
    pub const fn convolutions(self) -> usize {
        if matches!(self, Self::Res2 | Self::ReSe2(_)) { 2 } else { 1 }
    }
}

/// The hidden units of a gate over the channels that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alpha {
    /// So many times as many; the paper has 16.
    Times(u8),
    /// One so-manieth of them, rounded up.
    Over(u8),
}

impl Alpha {
    /// Hidden units for so many channels.
    ///
    /// # Panics
    /// If it is one over 0, which no valid network has.
    #[must_use]
    pub const fn hidden(self, channels: usize) -> usize {
        match self {
            Self::Times(factor) => channels * factor as usize,
            Self::Over(divisor) => channels.div_ceil(divisor as usize),
        }
    }

    /// Whether it makes no gate.
    pub(super) const fn is_zero(self) -> bool {
        matches!(self, Self::Times(0) | Self::Over(0))
    }
}
