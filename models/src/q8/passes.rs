//! The memory of an engine that computes a network with gates.
//!
//! A gate needs the mean over the whole window before anything behind it can be computed. So such an engine keeps the
//! window's samples and goes over them once for each gate, then once for the posteriors: always
//! column by column, and of every node only the few newest columns stay.
//!
//! Where there is more memory, it keeps the *maps* of gates: all columns that a gate's mean is taken of, and all that
//! the shortcut beside it begins with. What lies behind the gate is computed from them, and nothing before them again. Maps
//! of the last gates are the smallest, and those of the first gates save the most work: so they are kept
//! from some gate on.

use super::padded;
#[cfg(feature = "alloc")]
use crate::arch::Node;
use crate::arch::{ArchSpec, Block, LayerName, MAX_BLOCKS, MAX_NODES, Op, Part};

/// The newest columns of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Columns kept.
    pub columns: usize,
    /// 16-bit elements of a column, padded to whole groups.
    pub channels: usize,
    /// Whether these are all of the node's columns, and stay for the passes to come.
    pub kept: bool,
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
    /// Gates of the network.
    pub gates: usize,
    /// The first gate whose map is kept, counted from 0, as are those of all later ones; [`PassPlan::gates`] if
    /// none is.
    pub kept: usize,
}

impl PassPlan {
    /// The plan that needs the least memory, and of several such plans the one with the least work.
    ///
    /// # Panics
    /// If the network cannot be built.
    #[must_use]
    pub fn new(arch: &ArchSpec) -> Self {
        Self::within(arch, 0)
    }

    /// The plan with the least work among those of at most so many [`PassPlan::words`]: [`PassPlan::new`] where these
    /// are too few for any, the maps of all gates kept where they are `usize::MAX`.
    ///
    /// # Panics
    /// If the network cannot be built.
    #[must_use]
    #[inline(never)]
    pub fn within(arch: &ArchSpec, words: usize) -> Self {
        let least = Self::keeping(arch, MAX_BLOCKS).words();
        let mut plan = Self::keeping(arch, 0);
        // Each map less takes less memory, or at least no more.
        while plan.words() > words.max(least) {
            plan = Self::keeping(arch, plan.kept + 1);
        }
        plan
    }

    /// Keeps the maps of gates from number `kept` on.
    #[inline(never)]
    fn keeping(arch: &ArchSpec, kept: usize) -> Self {
        let mut plan = Self {
            rings: heapless::Vec::new(),
            samples: arch.window as usize,
            patch: padded(arch.stem.kernel.into()),
            column: 0,
            classes: arch.classes.into(),
            gates: 0,
            kept,
        };
        let mut lens = heapless::Vec::<usize, MAX_NODES>::new();
        let built = arch.each_node(|node| {
            let block = match node.layer {
                LayerName::Block(number) => arch.blocks.get(number - 1),
                _ => None,
            };
            let keeps = plan.gates >= kept && reads_map(node.part, block);
            plan.gates += usize::from(node.op == Op::Mean);
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
                let len = lens[*operand];
                ring.columns = ring.columns.max(if keeps { len } else { columns.min(len) });
                ring.kept |= keeps;
            }
            if node.layer == LayerName::Classifier {
                return;
            }
            let channels = padded(node.out_channels);
            let pushed = plan.rings.push(Ring { columns: 1, channels, kept: false });
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
        plan.kept = kept.min(plan.gates);
        plan
    }

    /// Passes over the samples of a window.
    #[must_use]
    pub const fn passes(&self) -> usize {
        // Where a map is kept, the pass for its gate is the last one that begins with the samples.
        self.kept + 1
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

/// How often the columns of each node are computed for a window: once for every gate behind it and once for the
/// posteriors, as far as no map that is kept lies between.
#[cfg(feature = "alloc")]
#[must_use]
pub fn passes(nodes: &[Node], plan: &PassPlan) -> alloc::vec::Vec<u64> {
    let means = || nodes.iter().filter(|node| node.op == Op::Mean).take(plan.passes());
    let behind = |index| means().filter(|mean| index <= mean.operands[0]).count();
    let last = usize::from(plan.kept == plan.gates);
    let often = |(index, node): (usize, &Node)| match node.part {
        Part::Mean | Part::Squeeze | Part::Excite => 1,
        // What lies behind a map that is kept is computed once.
        _ => (behind(index) + last).max(1) as u64,
    };
    nodes.iter().enumerate().map(often).collect()
}

/// Whether what a node of a block reads is part of the map of the block's gate: it takes the mean, or it is where the branch
/// leaves the shortcut.
fn reads_map(part: Part, block: Option<&Block>) -> bool {
    let gated = |block: &Block| block.kind().is_residual() && block.kind().gate().is_some();
    match part {
        Part::Mean => true,
        Part::Conv => block.is_some_and(gated),
        _ => false,
    }
}

/// Columns of a block's input that a shortcut reads of, from the oldest one needed to the newest one that
/// the branch has asked for.
fn ahead(block: &Block) -> usize {
    let ((_, after), pool) = block.same_and_pool();
    pool + after
}

#[cfg(all(test, feature = "alloc", feature = "gates"))]
mod tests {
    use super::*;
    use crate::arch::{Alpha, BlockKind, Head, Stem, Task, preset};

    fn arch(window: u32, stem: u16, blocks: [(u16, u8, BlockKind); 2], head: u16) -> ArchSpec {
        let block = |(channels, pool, kind)| Block { channels, kernel: 3, pool, kind };
        ArchSpec {
            sample_rate_hz: 16_000,
            window,
            stem: Stem::conv(stem, 2, 2),
            blocks: blocks.into_iter().map(block).collect(),
            head: Head { channels: head, levels: 0 },
            classes: 3,
            task: Task::MultiClass,
        }
    }

    /// Columns of all rings, their elements, and the columns' passes, with maps kept from a gate on.
    fn plan(arch: &ArchSpec, kept: usize) -> (std::vec::Vec<usize>, usize, std::vec::Vec<u64>) {
        let plan = PassPlan::keeping(arch, kept);
        let rings = plan.rings.iter().map(|ring| ring.columns).collect();
        (rings, plan.elements(), passes(&arch.nodes().unwrap(), &plan))
    }

    #[test]
    fn maps_of_gates() {
        let se = BlockKind::Se(Alpha::Over(2));
        // Columns: 18 of the stem, 9 of block 1, 3 of block 2.
        let arch = arch(36, 2, [(4, 2, se), (4, 3, se)], 5);
        assert_eq!(
            plan(&arch, 2),
            (
                [4, 1, 1, 1, 1, 5, 1, 1, 1, 1, 1, 3].into(),
                96,
                [3, 3, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1].into()
            )
        );
        assert_eq!(
            plan(&arch, 1),
            (
                [4, 1, 1, 1, 1, 5, 3, 1, 1, 1, 1, 3].into(),
                104,
                [2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1].into()
            )
        );
        assert_eq!(
            plan(&arch, 0),
            ([4, 9, 1, 1, 1, 5, 3, 1, 1, 1, 1, 3].into(), 136, [1; 13].into())
        );
    }

    #[test]
    fn maps_of_gates_beside_shortcuts() {
        let alpha = Alpha::Over(2);
        let blocks = [(4, 2, BlockKind::ReSe1(alpha)), (4, 3, BlockKind::ReSe2(alpha))];
        // Columns: 12 of the stem and of the branch in block 1, 6 behind it and in the branch of block 2, then 2.
        let arch = arch(24, 3, blocks, 4);
        assert_eq!(
            plan(&arch, 2),
            (
                [3, 2, 1, 1, 1, 3, 5, 3, 3, 1, 1, 1, 1, 2].into(),
                112,
                [3, 3, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1].into()
            )
        );
        assert_eq!(
            plan(&arch, 1),
            (
                [3, 2, 1, 1, 1, 3, 6, 3, 6, 1, 1, 1, 1, 2].into(),
                128,
                [2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1].into()
            )
        );
        assert_eq!(
            plan(&arch, 0),
            ([12, 12, 1, 1, 1, 3, 6, 3, 6, 1, 1, 1, 1, 2].into(), 204, [1; 15].into())
        );
        let plan = PassPlan::keeping(&arch, 0);
        let kept = plan.rings.iter().enumerate().filter(|(_, ring)| ring.kept);
        assert_eq!(kept.map(|(node, _)| node).collect::<std::vec::Vec<_>>(), [0, 1, 6, 8]);
    }

    #[test]
    fn the_least_work_that_fits_is_chosen() {
        for name in ["se-nano", "rese-nano", "se-multi-speech"] {
            let arch = preset(name, 12).unwrap();
            let work = |plan: &PassPlan| {
                let nodes = arch.nodes().unwrap();
                let work = nodes.iter().zip(passes(&nodes, plan));
                work.map(|(node, passes)| passes * node.macs()).sum::<u64>()
            };
            let all = PassPlan::within(&arch, usize::MAX);
            assert_eq!((all.kept, all.gates), (0, arch.blocks.len()), "{name}");
            assert_eq!(work(&all), arch.layers().unwrap().macs(), "{name}");
            let mut plan = all;
            let least = PassPlan::new(&arch);
            while plan != least {
                assert_eq!(PassPlan::within(&arch, plan.words()), plan, "{name}");
                let next = PassPlan::within(&arch, plan.words() - 1);
                assert!(next.kept > plan.kept && next.words() < plan.words(), "{name}");
                assert!(work(&next) > work(&plan), "{name}");
                plan = next;
            }
            assert_eq!(least.words(), PassPlan::keeping(&arch, MAX_BLOCKS).words(), "{name}");
        }
        // The last block's map is no longer than what is kept of it anyway.
        let least = PassPlan::new(&preset("rese-nano", 12).unwrap());
        assert_eq!((least.kept, least.gates, least.passes()), (7, 8, 8));
        // Without gates there is nothing to choose.
        let least = PassPlan::new(&preset("res2-speech", 12).unwrap());
        assert_eq!((least.kept, least.gates, least.passes()), (0, 0, 1));
    }
}
