//! How the overlapping windows of a stream share their columns.
//!
//! *Level* 0 is the stem's output, level `i` that of block `i`; a level's *stride* is the number of
//! samples between two of its columns. Where the stride divides the hop, windows start on column
//! borders, and a column is the same for every window that it lies in, but for those near a window's ends
//! that saw the zeros of "same" padding. So, of each window's columns at such a level
//!
//! ```text
//! 0 … left          left … right          right … len
//! left edge         shared                right edge
//! of this window    by all windows        of this window
//! ```
//!
//! the middle is computed once for the whole stream and only the edges are computed for each window. Levels
//! whose stride does not divide the hop (and those behind them) are computed for each window: the
//! *tail*.
//!
//! All positions lie on a grid that starts at the first sample after a reset.

use super::{ArchError, ArchSpec, Block, LayerTable, MAX_BLOCKS};

/// One level whose columns windows share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Samples between two columns.
    pub stride: usize,
    /// Columns of a window.
    pub len: usize,
    /// Columns at a window's start that saw its padding.
    pub left: usize,
    /// The first column towards a window's end that saw its padding; `len` if none did.
    pub right: usize,
    /// Windows whose left edges at this level must be kept at a time.
    pub slots: usize,
    /// The column of the level before whose arrival lets a window's left edge be computed.
    pub needs: usize,
}

/// What windows of one network share at one hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streaming {
    /// Samples between two windows.
    pub hop: usize,
    /// The shared levels: the stem's, then those of blocks 1, 2, …; none if not even the stem's stride
    /// divides the hop.
    pub shared: heapless::Vec<Level, { MAX_BLOCKS + 1 }>,
}

/// Multiply-accumulates of a stream, those on padding included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCost {
    /// For the columns that a hop adds to the shared levels.
    pub shared: u64,
    /// For the edges of one window.
    pub edges: u64,
    /// For what lies behind the shared levels, of one window.
    pub tail: u64,
}

impl StreamCost {
    /// Multiply-accumulates of one hop.
    #[must_use]
    pub const fn per_hop(&self) -> u64 {
        self.shared + self.edges + self.tail
    }
}

impl Streaming {
    /// The geometry of windows every `hop` samples.
    ///
    /// # Errors
    /// An architecture that is none.
    ///
    /// # Panics
    /// If `hop` is 0.
    pub fn new(arch: &ArchSpec, hop: u32) -> Result<Self, ArchError> {
        let mut streaming = Self::unshared(hop as usize);
        streaming.share(arch)?;
        Ok(streaming)
    }

    /// Windows that share nothing.
    pub(crate) const fn unshared(hop: usize) -> Self {
        Self { hop, shared: heapless::Vec::new() }
    }

    /// Finds out what windows share. In place, because small computers have little stack.
    ///
    /// # Panics
    /// If the hop is 0.
    #[inline(never)]
    pub(crate) fn share(&mut self, arch: &ArchSpec) -> Result<(), ArchError> {
        let Self { hop, shared } = self;
        assert!(*hop > 0, "a hop is at least 1 sample");
        let levels = arch.shareable_levels();
        let mut index = 0;
        arch.each_layer(|layer| {
            let level = Level {
                stride: layer.stride,
                len: layer.out_len,
                left: 0,
                right: layer.out_len,
                slots: 0,
                needs: 0,
            };
            let level = match (shared.last(), index) {
                (_, index) if index >= levels || index > shared.len() => None,
                (None, _) => Some(level),
                (Some(input), index) => level.behind(input, &arch.blocks[index - 1]),
            };
            if let Some(level) = level.filter(|_| hop.is_multiple_of(layer.stride)) {
                let pushed = shared.push(level);
                debug_assert!(pushed.is_ok(), "there is a level for every block and the stem");
            }
            index += 1;
        })?;
        self.count_slots(arch);
        Ok(())
    }

    /// The same with at most `levels` shared levels; what lies behind them is computed for each
    /// window.
    #[must_use]
    pub fn cut(&self, arch: &ArchSpec, levels: usize) -> Self {
        let mut cut = self.clone();
        cut.shared.truncate(levels);
        cut.shared.iter_mut().for_each(|level| level.slots = 0);
        cut.count_slots(arch);
        cut
    }

    /// Left edges are kept from when they are computed to when they are used.
    fn count_slots(&mut self, arch: &ArchSpec) {
        for index in 1..self.shared.len() {
            if self.shared[index].left == 0 {
                continue;
            }
            let made = self.edge_time(arch, index);
            let used = if index + 1 < self.shared.len() {
                self.edge_time(arch, index + 1)
            } else {
                arch.window as usize
            };
            self.shared[index].slots = (used - made) / self.hop + 1;
        }
    }

    /// Samples of a window that must have arrived before its left edge at a level can be computed.
    fn edge_time(&self, arch: &ArchSpec, level: usize) -> usize {
        let mut column = self.shared[level].needs;
        for block in arch.blocks[..level - 1].iter().rev() {
            let ((_, after), pool) = block.same_and_pool();
            column = column * pool + pool - 1 + after;
        }
        column * usize::from(arch.stem.stride) + usize::from(arch.stem.kernel)
    }

    /// Multiply-accumulates at this hop. Columns that pooling drops are not computed.
    #[must_use]
    pub fn cost(&self, table: &LayerTable) -> StreamCost {
        let layers = (0..table.layers.len()).map(|layer| self.layer_cost(table, layer));
        layers.fold(StreamCost::default(), |sum, layer| StreamCost {
            shared: sum.shared + layer.shared,
            edges: sum.edges + layer.edges,
            tail: sum.tail + layer.tail,
        })
    }

    /// The same of one layer, in the order of the table.
    ///
    /// # Panics
    /// If there is no such layer.
    #[must_use]
    pub fn layer_cost(&self, table: &LayerTable, index: usize) -> StreamCost {
        let layer = &table.layers[index];
        let before = if index == 0 { layer.stride } else { table.layers[index - 1].stride };
        let pool = if index < table.layers.len() - 2 { layer.stride / before } else { 1 };
        let column = layer.column_macs.saturating_mul(pool as u64);
        let times = |columns: usize| column.saturating_mul(columns as u64);
        let gates = layer.macs - layer.conv_macs;
        match self.shared.get(index) {
            Some(level) => StreamCost {
                shared: times(self.hop / level.stride),
                edges: times(level.left + level.len - level.right),
                tail: gates,
            },
            None => {
                let tail = times(layer.out_len).min(layer.conv_macs).saturating_add(gates);
                StreamCost { shared: 0, edges: 0, tail }
            }
        }
    }
}

impl Level {
    /// The edges of this level behind `input` and a block; `None` if they meet or overlap, or reach further than
    /// the window.
    fn behind(self, input: &Self, block: &Block) -> Option<Self> {
        let ((before, after), pool) = block.same_and_pool();
        let left = (input.left + before).div_ceil(pool);
        let right = (input.right.saturating_sub(after) / pool).min(self.len);
        let needs = (left * pool + after).saturating_sub(1).max(input.left);
        let inside = input.right >= after && (left == 0 || needs < input.right);
        let fits = left <= right && inside;
        fits.then_some(Self { left, right, needs, ..self })
    }
}

impl Block {
    /// Zero columns before and after the input, those of all convolutions together, and the length of the
    /// pool.
    #[must_use]
    pub const fn same_and_pool(&self) -> ((usize, usize), usize) {
        let ((before, after), count) = (self.padding(), self.kind().convolutions());
        ((before * count, after * count), self.pool as usize)
    }
}

impl ArchSpec {
    /// Levels that windows can share at any hop: the stem's, and those of blocks up to a gate or to the first
    /// level that the head reads.
    #[must_use]
    pub fn shareable_levels(&self) -> usize {
        let read_by_head = usize::from(self.head.levels()).saturating_sub(1);
        let most = self.blocks.len() - read_by_head.min(self.blocks.len());
        let gate = self.blocks.iter().position(|block| block.kind().gate().is_some());
        let before_gate = gate.map_or(most, |index| {
            // The convolution of an SE block lies before its gate.
            if self.blocks[index].kind().is_residual() { index } else { index + 1 }
        });
        1 + before_gate.min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{BlockKind, preset};

    #[test]
    fn the_papers_network_shares_up_to_the_hop() {
        let arch = preset("samplecnn-speech", 12).unwrap();
        let streaming = Streaming::new(&arch, 2187).unwrap();
        assert_eq!(streaming.shared.len(), 7);
        let last = streaming.shared[6];
        assert_eq!((last.stride, last.len, last.left), (2187, 7, 1));
        assert_eq!(last.slots, 6);
        assert_eq!(Streaming::new(&arch, 729).unwrap().shared.len(), 6);
        assert_eq!(Streaming::new(&arch, 2188).unwrap().shared.len(), 0);
    }

    #[test]
    fn gates_and_levels_end_what_is_shared() {
        let shared = |name: &str| {
            let arch = preset(name, 12).unwrap();
            Streaming::new(&arch, 2187).unwrap().shared.len()
        };
        assert_eq!(shared("samplecnn-multi-speech"), 7);
        assert_eq!(shared("samplecnn-multi-59049"), 7);
        assert_eq!(shared("se-multi-speech"), 2);
        assert_eq!(shared("res1-multi-speech"), 7);
        assert_eq!(shared("res2-speech"), 7);
        assert_eq!(shared("rese2-multi-speech"), 1);
        // Two convolutions a block reach twice as far.
        let edges = |name: &str| {
            let arch = preset(name, 12).unwrap();
            let level = Streaming::new(&arch, 2187).unwrap().shared[3];
            (level.left, level.len - level.right)
        };
        assert_eq!((edges("res1-speech"), edges("res2-speech")), ((1, 0), (1, 1)));
    }

    #[test]
    fn edges_longer_than_the_window_are_not_shared() {
        let mut arch = preset("2^1", 2).unwrap();
        // Levels of 6, 2 and 2 columns; of the second one only the first column is the same for all windows.
        arch.window = 12;
        arch.blocks[0] = Block { channels: 1, kernel: 2, pool: 3, kind: BlockKind::Basic };
        let last = Block { channels: 1, kernel: 2, pool: 1, kind: BlockKind::Res2 };
        arch.blocks.push(last).unwrap();
        assert_eq!(Streaming::new(&arch, 6).unwrap().shared.len(), 2);
        arch.blocks[1].kind = BlockKind::Basic;
        assert_eq!(Streaming::new(&arch, 6).unwrap().shared.len(), 3);
    }

    #[test]
    fn work_before_the_first_gate_is_shared() {
        let arch = preset("se-multi-speech", 12).unwrap();
        let table = arch.layers().unwrap();
        let streaming = Streaming::new(&arch, 2187).unwrap();
        let whole = streaming.cut(&arch, 0).cost(&table);
        let cost = streaming.cost(&table);
        assert_eq!((whole.shared, whole.edges), (0, 0));
        // The first block is more than half of it, of which a hop adds a seventh.
        assert!(cost.per_hop() < whole.per_hop() * 6 / 10, "{cost:?} of {whole:?}");
    }

    #[test]
    fn mel_spectra_are_shared_as_the_columns_of_a_convolution() {
        let arch = preset("melcnn-speech", 12).unwrap();
        let table = arch.layers().unwrap();
        let shared = |hop| Streaming::new(&arch, hop).unwrap().shared.len();
        assert_eq!([160, 2400, 1440, 2187].map(shared), [1, 2, 3, 0]);
        // 15 of a window's 97 spectra, and no edges, as nothing is padded.
        let streaming = Streaming::new(&arch, 2400).unwrap();
        let stem = streaming.layer_cost(&table, 0);
        assert_eq!((97 * stem.shared, stem.edges, stem.tail), (15 * table.layers[0].macs, 0, 0));
        let cost = streaming.cost(&table);
        assert!(4 * cost.per_hop() < table.macs(), "{cost:?}");
        let whole = streaming.cut(&arch, 0).layer_cost(&table, 0);
        assert_eq!(whole.tail, table.layers[0].macs);
    }

    #[test]
    fn sharing_takes_a_seventh_of_the_work() {
        let arch = preset("samplecnn-speech", 31).unwrap();
        let table = arch.layers().unwrap();
        let cost = Streaming::new(&arch, 2187).unwrap().cost(&table);
        assert!((64_000_000..70_000_000).contains(&cost.per_hop()), "{cost:?}");
        let whole = Streaming::new(&arch, 1).unwrap().cost(&table);
        assert_eq!((whole.shared, whole.edges), (0, 0));
        assert!(whole.tail <= table.macs());
    }
}
