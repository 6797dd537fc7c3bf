//! The training step's inner loops on the CPU.
//!
//! Every convolution of the family is the same operation:
//! *convolution → batch norm → ReLU → max pooling*, the last two as far as there are. Burn's CPU backend runs it as a dozen passes
//! over large arrays. Here it is one operation with a handwritten backward pass, registered with
//! Burn's autodiff like any other ([`op`]).
//!
//! Activations are channels-last, `[batch, columns, channels]`. Then `kernel` neighbouring
//! columns lie side by side in memory, and a convolution *is* a matrix product ([`conv`]) whose left matrix has
//! overlapping rows: nothing is copied or unfolded. The batch norm needs one pass for its
//! statistics and is then applied while pooling ([`norm_pool`]).
//!
//! Work is cut into a fixed number of parts whose sums are added in a fixed order, so results are the same
//! bits for any number of threads.
//!
//! Shapes throughout: B batch, T columns in, U columns of the convolution, V columns after
//! pooling, I channels in, O channels out, K taps.

mod buffers;
mod conv;
mod norm_pool;
mod op;

pub use op::{BatchStats, LayerTensors, RunningStats, conv_norm_pool_eval, conv_norm_pool_train};

/// Parts into which a batch is cut: enough to keep a desktop's cores busy.
const PARTS: usize = 16;

/// Added to the variance before its square root is taken.
pub const EPSILON: f32 = 1e-5;

/// What a convolution-norm-pool layer does to its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// K, taps of the filter.
    pub kernel: usize,
    /// Columns between two applications of the filter.
    pub stride: usize,
    /// Zero columns before and after the input. With a stride of 1 they add up to K − 1 or 0.
    pub padding: (usize, usize),
    /// Length and stride of the max pooling.
    pub pool: usize,
    /// Whether there is a ReLU before it.
    pub relu: bool,
}

impl Geometry {
    /// U: columns that the convolution makes of `t`.
    #[must_use]
    pub const fn conv_len(&self, t: usize) -> usize {
        (t + self.padding.0 + self.padding.1 - self.kernel) / self.stride + 1
    }

    /// V: columns left after pooling `u`.
    #[must_use]
    pub const fn pooled_len(&self, u: usize) -> usize {
        u / self.pool
    }
}
