//! The memory that an engine needs for a model on a stream.

use super::{Model, padded};
use crate::arch::{Layer, Streaming};

/// Where the columns of one level lie: first the ring of the newest ones, then the left edges of the
/// windows in flight, then the right edge of the window that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelMemory {
    /// Channels of a column, padded to whole groups.
    pub channels: usize,
    /// Bytes of an element: 1 or 2.
    pub width: usize,
    /// Columns of a window.
    pub len: usize,
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
        self.ring.saturating_add(self.left).saturating_add(self.right)
    }

    /// 32-bit words in all.
    #[must_use]
    pub const fn words(&self) -> usize {
        // A file of a few kilobytes can ask for more than 32 bits can count. Columns are below 2^41,
        // channels and width together below 2^18.
        let bytes = self.columns() as u64 * (self.channels * self.width) as u64;
        let words = bytes.div_ceil(4);
        if words > usize::MAX as u64 { usize::MAX } else { words as usize }
    }
}

/// The memory of an engine, in the order in which it is cut.
///
/// Sums saturate: a network that needs more than a machine can address needs `usize::MAX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// What windows share.
    pub streaming: Streaming,
    /// Samples kept: those of one stem column, or a whole window where nothing is shared.
    pub samples: usize,
    /// 32-bit words of the columns kept at all levels.
    pub columns: usize,
    /// 16-bit elements of the inputs that one output column is computed from, those of each position
    /// of the pool for themselves.
    pub patch: usize,
    /// 16-bit elements of the largest column, padded to whole groups.
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
    #[inline(never)]
    pub fn new(model: &Model<'_>, hop: u32) -> Self {
        let mut plan = Self::empty(hop as usize);
        let shared = plan.streaming.share(model.arch());
        shared.expect("a parsed model's network was checked");
        plan.fill(model);
        plan
    }

    /// The memory for windows of which each is computed for itself.
    #[must_use]
    pub fn for_windows(model: &Model<'_>) -> Self {
        let mut plan = Self::empty(model.arch().window as usize);
        plan.fill(model);
        plan
    }

    const fn empty(hop: usize) -> Self {
        let streaming = Streaming::unshared(hop);
        Self { streaming, samples: 0, columns: 0, patch: 0, column: 0, classes: 0 }
    }

    #[inline(never)]
    fn fill(&mut self, model: &Model<'_>) {
        let arch = model.arch();
        let shares = !self.streaming.shared.is_empty();
        self.samples = if shares { arch.stem.kernel.into() } else { arch.window as usize };
        self.classes = arch.classes.into();
        self.patch = padded(arch.stem.kernel.into());
        let mut index = 0;
        let built = arch.each_layer(|layer| {
            let blocks = arch.blocks.len();
            // What the layer reads besides the stem's samples are columns of the layer before.
            if index > 0 && index <= blocks + 1 {
                let positions = arch.blocks.get(index - 1).map_or(1, |block| block.pool.into());
                let row = padded(layer.in_channels).saturating_mul(layer.kernel);
                self.patch = self.patch.max(row.saturating_mul(positions));
            }
            if index <= blocks + 1 {
                // The classifier reads the head's columns one by one.
                let column = padded(layer.out_channels);
                (self.column, self.patch) = (self.column.max(column), self.patch.max(column));
            }
            index += 1;
        });
        debug_assert!(built.is_ok(), "a parsed model's network was checked");
        let mut columns = 0usize;
        self.each_level(model, |_, level| columns = columns.saturating_add(level.words()));
        self.columns = columns;
    }

    /// The levels one after the other: the stem's, then those of the blocks.
    pub fn each_level(&self, model: &Model<'_>, mut each: impl FnMut(usize, &LevelMemory)) {
        let arch = model.arch();
        let mut index = 0;
        let built = arch.each_layer(|layer| {
            if index <= arch.blocks.len() {
                each(index, &self.level(model, index, layer));
            }
            index += 1;
        });
        debug_assert!(built.is_ok(), "a parsed model's network was checked");
    }

    fn level(&self, model: &Model<'_>, index: usize, layer: &Layer) -> LevelMemory {
        let reader = model.arch().blocks.get(index);
        let reach = reader.map_or(0, |b| usize::from(b.kernel) + usize::from(b.pool) - 1);
        let mut level = LevelMemory {
            channels: padded(layer.out_channels),
            width: model.layers()[index].bits() as usize / 8,
            len: layer.out_len,
            ring: reach.min(layer.out_len),
            left: 0,
            right: 0,
        };
        if let Some(shared) = self.streaming.shared.get(index) {
            level.left = shared.left.saturating_mul(shared.slots);
            level.right = shared.len - shared.right;
            level.ring = reach;
            if index + 1 == self.streaming.shared.len() {
                level.ring = (shared.right - shared.left).max(1);
            }
        }
        level
    }

    /// 32-bit words in all.
    #[must_use]
    pub const fn words(&self) -> usize {
        let rest = self.samples.div_ceil(2)
            + self.column.div_ceil(2)
            + self.classes
            + self.classes.div_ceil(2);
        self.columns.saturating_add(self.patch.div_ceil(2)).saturating_add(rest)
    }

    /// Bytes in all, without the few hundred of the engine's own variables.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.words().saturating_mul(4)
    }
}
