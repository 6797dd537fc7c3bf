//! A node as the passes see it.

use bytemuck::{Pod, Zeroable};
use models::arch::{Activation, Node, Op};
use models::q8::Ring;

/// What a node does.
pub(super) const RELU: u16 = 0;
const SIGNED: u16 = 1;
pub(super) const GATE: u16 = 2;
pub(super) const MEAN: u16 = 3;
pub(super) const JOIN: u16 = 4;
pub(super) const PEAKS: u16 = 5;
/// No such operand.
pub(super) const NONE: u32 = u32::MAX;

/// One node: what it does, and how far this pass is.
///
/// Steps lie in the engine's memory, so numbers are no longer than they must be.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Step {
    pub(super) does: u16,
    /// Whether its columns stay for the passes to come: 1 or 0.
    stays: u16,
    /// Nodes that it reads; of a join: columns, gate, shortcut.
    pub(super) reads: [u32; 3],
    /// Columns between two inputs, of the stem in samples.
    pub(super) stride: u32,
    pub(super) taps: u32,
    pub(super) pool: u16,
    /// Zero columns before the input.
    pub(super) before: u16,
    /// Columns that it makes of a window.
    pub(super) len: u32,
    /// Where its columns lie, in groups of four elements.
    pub(super) start: u32,
    pub(super) ring: u32,
    /// Elements of a column.
    pub(super) width: u32,
    /// Columns of this pass so far, and of those before where they stay.
    pub(super) made: u32,
    /// Columns of this window so far, in any pass.
    pub(super) seen: u32,
}

impl Step {
    /// A node whose columns lie from element `start` on.
    pub(super) fn new(node: &Node, ring: Ring, start: usize) -> Self {
        let mut reads = [NONE; 3];
        match node.op {
            Op::Join { gated: false, .. } => {
                reads[0] = node.operands[0] as u32;
                reads[2] = node.operands.get(1).map_or(NONE, |operand| *operand as u32);
            }
            _ => reads.iter_mut().zip(&node.operands).for_each(|(to, from)| *to = *from as u32),
        }
        let word = |number: usize| number as u32;
        let (does, stride, before) = match node.op {
            Op::Conv { stride, padding, activation, .. } => {
                let does = match activation {
                    Activation::Relu => RELU,
                    Activation::None => SIGNED,
                    Activation::Sigmoid => GATE,
                };
                (does, stride, padding.0)
            }
            Op::Mel { .. } => unreachable!("no model file holds a mel spectrum"),
            Op::Mean => (MEAN, 1, 0),
            Op::Join { .. } => (JOIN, 1, 0),
            Op::Peaks => (PEAKS, 1, 0),
        };
        Self {
            does,
            reads,
            stride: word(stride),
            taps: word(node.kernel()),
            // Blocks have pools and kernels of 8 bits.
            pool: node.pool() as u16,
            before: before as u16,
            len: word(node.out_len),
            stays: u16::from(ring.kept || does == GATE),
            start: word(start / 4),
            ring: word(ring.columns),
            width: word(ring.channels),
            ..Self::zeroed()
        }
    }

    /// Forgets its columns, unless they stay.
    pub(super) const fn start_pass(&mut self) {
        self.made *= self.stays as u32;
    }

    /// Where a column lies.
    pub(super) fn place(&self, column: usize) -> core::ops::Range<usize> {
        let start = 4 * self.start as usize + column % self.ring as usize * self.width as usize;
        start..start + self.width as usize
    }
}
