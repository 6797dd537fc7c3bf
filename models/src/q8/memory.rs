//! The memory that an engine needs for a model on a stream.

use super::{Model, padded};
use crate::arch::{MAX_BLOCKS, Streaming};

/// Where the columns of one level lie: first the ring of the newest ones, then the left edges of the
/// windows in flight, then the right edge of the window that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelMemory {
    /// Channels of a column.
    pub channels: usize,
    /// Bytes of an element: 1 or 2.
    pub width: usize,
    /// Columns of the ring.
    pub ring: usize,
    /// Columns of all left edges.
    pub left: usize,
    /// Columns of the right edge.
    pub right: usize,
}

impl LevelMemory {
    /// Columns in all.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.ring + self.left + self.right
    }

    /// 32-bit words in all.
    #[must_use]
    pub const fn words(&self) -> usize {
        (self.columns() * self.channels * self.width).div_ceil(4)
    }
}

/// The memory of an engine, in the order in which it is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// What windows share.
    pub streaming: Streaming,
    /// Samples kept: those of one stem column, or a whole window where nothing is shared.
    pub samples: usize,
    /// Columns kept at each level: the stem's, then those of the blocks.
    pub levels: heapless::Vec<LevelMemory, { MAX_BLOCKS + 1 }>,
    /// 16-bit elements of the input that one output column is computed from.
    pub patch: usize,
    /// 16-bit elements of the largest column.
    pub column: usize,
    /// Outputs.
    pub classes: usize,
}

impl MemoryPlan {
    /// The memory for windows every `hop` samples.
    ///
    /// # Panics
    /// If `hop` is 0.
    #[must_use]
    pub fn new(model: &Model<'_>, hop: u32) -> Self {
        let streaming = Streaming::new(model.arch(), hop);
        Self::with(model, streaming.expect("a parsed model's network was checked"))
    }

    /// The memory for windows of which each is computed for itself.
    #[must_use]
    pub fn for_windows(model: &Model<'_>) -> Self {
        let hop = model.arch().window as usize;
        Self::with(model, Streaming { hop, shared: heapless::Vec::new() })
    }

    fn with(model: &Model<'_>, streaming: Streaming) -> Self {
        let arch = model.arch();
        let table = arch.layers().expect("a parsed model's network was checked");
        let mut levels = heapless::Vec::new();
        let (mut patch, mut column) = (padded(arch.stem.kernel.into()), 0);
        let last_shared = streaming.shared.len().checked_sub(1);
        for (index, layer) in table.layers[..=arch.blocks.len()].iter().enumerate() {
            let reader = arch.blocks.get(index);
            let reach = reader.map_or(0, |b| usize::from(b.kernel) + usize::from(b.pool) - 1);
            let mut level = LevelMemory {
                channels: layer.out_channels,
                width: model.layers()[index].bits() as usize / 8,
                ring: reach.min(layer.out_len),
                left: 0,
                right: 0,
            };
            if let Some(shared) = streaming.shared.get(index) {
                level.left = shared.left * shared.slots;
                level.right = shared.len - shared.right;
                level.ring = reach;
                if last_shared == Some(index) {
                    level.ring = (shared.right - shared.left).max(1);
                }
            }
            patch = patch.max(reach * padded(layer.out_channels));
            column = column.max(layer.out_channels);
            let pushed = levels.push(level);
            debug_assert!(pushed.is_ok(), "there is a level for every block and the stem");
        }
        let head = usize::from(arch.head.channels);
        let last = &table.layers[arch.blocks.len()];
        patch = patch.max(padded(last.out_channels)).max(padded(head));
        column = column.max(head);
        let whole = arch.window as usize;
        let samples = if last_shared.is_some() { arch.stem.kernel.into() } else { whole };
        let classes = usize::from(arch.classes);
        Self { streaming, samples, levels, patch, column, classes }
    }

    /// 32-bit words in all.
    #[must_use]
    pub fn words(&self) -> usize {
        let levels: usize = self.levels.iter().map(LevelMemory::words).sum();
        let halves = |elements: usize| elements.div_ceil(2);
        halves(self.samples)
            + levels
            + halves(self.patch)
            + halves(self.column)
            + self.classes
            + halves(self.classes)
    }

    /// Bytes in all, without the few hundred of the engine's own variables.
    #[must_use]
    pub fn bytes(&self) -> usize {
        4 * self.words()
    }
}
