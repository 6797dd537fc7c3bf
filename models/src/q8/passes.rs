//! The memory of an engine that computes a network with gates.
//!
//! A gate needs the mean over the whole window before anything behind it can be computed. So such an engine keeps the
//! window's samples and goes over them once for each gate, then once for the posteriors: always
//! column by column, and of every node only the few newest columns stay.

use super::padded;
#[cfg(feature = "alloc")]
use crate::arch::Node;
use crate::arch::{ArchSpec, LayerName, MAX_NODES, Op, Part};

/// The newest columns of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Columns kept.
    pub columns: usize,
    /// 16-bit elements of a column, padded to whole groups.
    pub channels: usize,
}

/// The memory, in the order in which it is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassPlan {
    /// One for each node but the classifier.
    pub rings: heapless::Vec<Ring, MAX_NODES>,
    /// Samples kept: those of a window.
    pub samples: usize,
    /// 16-bit elements of the inputs that one output column is computed from, those of each position
    /// of the pool for themselves.
    pub patch: usize,
    /// 16-bit elements of the largest column, padded to whole groups.
    pub column: usize,
    /// Outputs.
    pub classes: usize,
}

impl PassPlan {
    /// The memory for a network.
    ///
    /// # Panics
    /// If the network cannot be built.
    #[must_use]
    #[inline(never)]
    pub fn new(arch: &ArchSpec) -> Self {
        let mut plan = Self {
            rings: heapless::Vec::new(),
            samples: arch.window as usize,
            patch: padded(arch.stem.kernel.into()),
            column: 0,
            classes: arch.classes.into(),
        };
        let mut lens = heapless::Vec::<usize, MAX_NODES>::new();
        let built = arch.each_node(|node| {
            let block = match node.layer {
                LayerName::Block(number) => arch.blocks.get(number - 1),
                _ => None,
            };
            for (index, operand) in node.operands.iter().enumerate() {
                let ring = &mut plan.rings[*operand];
                let columns = match (node.op, node.part, block) {
                    // While a branch is computed, its convolutions run ahead of the shortcut.
                    (_, Part::Shortcut, Some(block)) => ahead(block),
                    (Op::Join { residual: true, .. }, _, Some(block)) if index > 0 => ahead(block),
                    (Op::Conv { kernel, pool, .. }, ..) => kernel.saturating_add(pool) - 1,
                    (Op::Join { pool, .. }, ..) => pool,
                    (Op::Mel { .. } | Op::Mean | Op::Peaks, ..) => 1,
                };
                ring.columns = ring.columns.max(columns.min(lens[*operand]));
            }
            if node.layer == LayerName::Classifier {
                return;
            }
            let channels = padded(node.out_channels);
            let pushed = plan.rings.push(Ring { columns: 1, channels });
            let known = lens.push(node.out_len);
            debug_assert!(pushed.is_ok() && known.is_ok(), "there is room for all nodes");
            plan.column = plan.column.max(channels);
            // Each position of a pool has its own copy of the columns that it reads.
            let copies = node.kernel().saturating_mul(node.pool());
            let inputs = if node.operands.is_empty() { 1 } else { copies };
            let patch = padded(node.in_channels).saturating_mul(inputs);
            plan.patch = plan.patch.max(patch).max(channels);
        });
        built.expect("a parsed model's network was checked");
        plan
    }

    /// 16-bit elements of all rings.
    #[must_use]
    pub fn elements(&self) -> usize {
        let rings = self.rings.iter();
        rings.fold(0, |sum, ring| sum.saturating_add(ring.columns.saturating_mul(ring.channels)))
    }

    /// 32-bit words in all, without what the engine keeps of each node.
    #[must_use]
    pub fn words(&self) -> usize {
        let halves = [self.samples, self.elements(), self.patch, self.column, self.classes];
        let halves = halves.iter().fold(0usize, |sum, n| sum.saturating_add(n.div_ceil(2)));
        // Sums and logits have 32 bits.
        halves.saturating_add(self.column).saturating_add(self.classes)
    }
}

/// How often the columns of each node are computed for a window: once for every gate behind it, and once for the
/// posteriors.
#[cfg(feature = "alloc")]
#[must_use]
pub fn passes(nodes: &[Node]) -> alloc::vec::Vec<u64> {
    let means = || nodes.iter().filter(|node| node.op == Op::Mean);
    let behind = |index| means().filter(|mean| index <= mean.operands[0]).count() as u64;
    let often = |(index, node): (usize, &Node)| match node.part {
        Part::Squeeze | Part::Excite => 1,
        _ => 1 + behind(index),
    };
    nodes.iter().enumerate().map(often).collect()
}

/// Columns of a block's input that a shortcut reads of, from the oldest one needed to the newest one that
/// the branch has asked for.
fn ahead(block: &crate::arch::Block) -> usize {
    let ((_, after), pool) = block.same_and_pool();
    pool + after
}
