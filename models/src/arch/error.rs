//! Why a description is no network.

use core::fmt;

use super::build::{MAX_FEATURES, MAX_WINDOW, MEL_KERNELS};
use super::{LayerName, MAX_LEVELS};

/// Why a description is no network, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchError {
    /// The layer that cannot be built.
    pub layer: LayerName,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The sample rate is 0.
    NoRate,
    /// The window is 0 or beyond the largest accepted.
    Window {
        /// Samples asked for.
        samples: u32,
    },
    /// A layer without channels.
    NoChannels,
    /// A kernel, stride or pool of 0.
    ZeroSize,
    /// A network without blocks.
    NoBlocks,
    /// A gate whose α is 0, or 1 over 0.
    NoGate,
    /// The kernel is longer than the unpadded input.
    KernelTooLong {
        /// Taps.
        kernel: usize,
        /// Columns or samples there are.
        len: usize,
    },
    /// Mel bands that no spectrum of so many samples has.
    Mel {
        /// Bands asked for.
        bands: usize,
        /// Samples of a spectrum.
        kernel: usize,
    },
    /// Pooling leaves no column.
    PoolTooLong {
        /// Pool length.
        pool: usize,
        /// Columns there are.
        len: usize,
    },
    /// The head wants the maxima of more levels than it can have.
    TooManyLevels {
        /// Levels asked for.
        levels: usize,
        /// Blocks there are.
        blocks: usize,
    },
    /// The head leaves more features than a classifier can read.
    TooManyFeatures {
        /// Features there would be.
        features: u64,
    },
    /// Fewer than two classes in a multi-class network, or none at all.
    TooFewClasses {
        /// Classes asked for.
        classes: usize,
    },
}

impl core::error::Error for ArchError {}

impl fmt::Display for ArchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.layer)?;
        match self.problem {
            Problem::NoRate => write!(f, "the sample rate is 0 Hz"),
            Problem::Window { samples } => {
                write!(f, "a window of {samples} samples is not in 1 to {MAX_WINDOW}")
            }
            Problem::NoChannels => write!(f, "it has 0 channels"),
            Problem::ZeroSize => write!(f, "kernel, stride and pool must be at least 1"),
            Problem::NoBlocks => write!(f, "the network has no blocks"),
            Problem::NoGate => write!(f, "the factor of its gate must be at least 1"),
            Problem::KernelTooLong { kernel, len } => {
                write!(f, "kernel {kernel} is longer than its input of {len}")
            }
            Problem::Mel { bands, kernel } => write!(
                f,
                "{bands} mel bands of {kernel} samples; spectra are of {} to {} samples, and of at least twice as many as there are bands",
                MEL_KERNELS.start(),
                MEL_KERNELS.end(),
            ),
            Problem::PoolTooLong { pool, len } => write!(
                f,
                "pool {pool} leaves nothing of {len} columns; use a longer window, fewer blocks or smaller pools"
            ),
            Problem::TooManyLevels { levels, blocks } => write!(
                f,
                "it cannot pool {levels} levels of {blocks} blocks; at most {MAX_LEVELS}, and no more than there are"
            ),
            Problem::TooManyFeatures { features } => {
                write!(f, "{features} features are more than {MAX_FEATURES}; use larger pools")
            }
            Problem::TooFewClasses { classes } => {
                write!(f, "{classes} classes are too few to tell apart")
            }
        }
    }
}
