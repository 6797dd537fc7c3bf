//! Windows of a stream that share their columns, whatever computes the columns.
//!
//! See [`Streaming`] for which columns windows share. At each hop, every shared level gets three runs
//! of columns from the level before: the columns that the hop adds for all windows, the left edge
//! of a window to come, and the right edge of the window that ends. What lies behind the shared
//! levels is computed for the whole window that ends.
//!
//! Column numbers here are relative to the start of the window that ends, so that a hop moves
//! the columns kept, and all numbers stay what they are. Columns are rows of 32-bit words, which only
//! [`Layers`] understands; zeros are zero in all of them. What has not been computed yet is
//! [`UNKNOWN`]: no number in floating point, out of range in integers, so that a mistake shows.

use models::arch::{ArchSpec, Level, Streaming};

use super::EngineError;

/// A word of a column that has not been computed yet.
const UNKNOWN: u32 = u32::MAX;

/// What windows every `hop` samples should share by the work that it saves, where a shared level costs `level_macs`
/// beside its products; `None` if that does not save enough.
pub(super) fn cheapest(arch: &ArchSpec, hop: u32, level_macs: u64) -> Option<Streaming> {
    let table = arch.layers().ok()?;
    let all = Streaming::new(arch, hop).ok().filter(|all| all.hop <= arch.window as usize)?;
    let cost = |levels: usize| {
        let cut = all.cut(arch, levels);
        (cut.cost(&table).per_hop() + level_macs * levels as u64, cut)
    };
    let (whole, _) = cost(0);
    let (least, cut) = (1..=all.shared.len()).map(cost).min_by_key(|(cost, _)| *cost)?;
    Streaming::saves(least, whole).then_some(cut)
}

/// The layers of a network, on columns of words.
pub(super) trait Layers {
    /// A sample of the stream.
    type Sample: Copy;
    /// A sample that has not arrived.
    const UNKNOWN: Self::Sample;

    /// A sample from −1 to 1 as the network reads it.
    fn sample(value: f32) -> Self::Sample;

    /// 32-bit words of a column that a level makes.
    fn words(&self, level: usize) -> usize;

    /// The columns of the stem that fit into `out`, from the first samples on.
    fn stem(&mut self, samples: &[Self::Sample], out: &mut [u32]) -> Result<(), EngineError>;

    /// The columns of a level behind the stem: those that a hop adds, those of the left and those of the
    /// right edge, always as many. There may be no edges.
    fn level(&mut self, level: usize, runs: [Run<'_>; 3]) -> Result<(), EngineError>;

    /// The posteriors of a window of columns of the last shared level.
    fn tail(&mut self, window: &[u32], out: &mut [f32]) -> Result<(), EngineError>;
}

/// A run of columns: as many as fit into `output`, from those of `input`, zeros around them included.
pub(super) struct Run<'a> {
    pub(super) input: &'a [u32],
    pub(super) output: &'a mut [u32],
}

/// The state of a stream of overlapping windows.
pub(super) struct Shared<L: Layers> {
    layers: L,
    hop: usize,
    window: usize,
    /// The newest samples, up to the end of the hop under way.
    samples: Vec<L::Sample>,
    /// How many of them have arrived.
    filled: usize,
    /// How many of them no layer needs any more.
    skipped: usize,
    /// Hops to go until the first window is full.
    before_first: usize,
    levels: Vec<Columns>,
    /// The columns of the window that ends.
    columns: Vec<u32>,
}

impl<L: Layers> Shared<L> {
    /// For windows that share the levels of `streaming`, at least one, at a hop of at most a window.
    pub(super) fn new(layers: L, arch: &ArchSpec, streaming: &Streaming) -> Self {
        let (hop, window) = (streaming.hop, arch.window as usize);
        assert!(!streaming.shared.is_empty() && hop <= window, "something is shared");
        let mut levels: Vec<Columns> = Vec::with_capacity(streaming.shared.len());
        for (index, level) in streaming.shared.iter().enumerate() {
            let shape = Shape::of(arch, index);
            levels.push(Columns::new(shape, *level, layers.words(index), hop, levels.last()));
        }
        for index in 0..levels.len() {
            let (input, readers) = levels.split_at_mut(index + 1);
            input[index].make_room(readers.first());
        }
        let (stem, last) = (&levels[0], &levels[levels.len() - 1]);
        let wanted = window + hop - stem.level.len * stem.level.stride;
        let len = wanted.max(hop);
        let mut shared = Self {
            hop,
            window,
            samples: vec![L::UNKNOWN; len],
            filled: 0,
            skipped: len - wanted,
            before_first: 0,
            columns: vec![0; last.level.len * last.words],
            levels,
            layers,
        };
        shared.reset();
        shared
    }

    /// Forgets everything.
    pub(super) fn reset(&mut self) {
        // Windows end every hop from the first window's end on; before it, hops end on the same grid.
        self.before_first = (self.window - 1) / self.hop;
        let first = self.window - self.before_first * self.hop;
        self.filled = self.samples.len() - first;
        self.samples.fill(L::UNKNOWN);
        self.levels.iter_mut().for_each(Columns::reset);
    }

    /// Takes samples up to the end of the next window, tells how many, and whether that window ended, whose
    /// posteriors are then in `out`; without `out` nobody wants them.
    pub(super) fn push(
        &mut self,
        samples: impl ExactSizeIterator<Item = L::Sample>,
        out: Option<&mut [f32]>,
    ) -> Result<(usize, bool), EngineError> {
        let mut taken = 0;
        for sample in samples {
            self.samples[self.filled] = sample;
            (self.filled, taken) = (self.filled + 1, taken + 1);
            if self.filled < self.samples.len() {
                continue;
            }
            self.add_hop()?;
            self.samples.copy_within(self.hop.., 0);
            self.filled -= self.hop;
            if self.before_first == 0 {
                if let (Some(last), Some(out)) = (self.levels.last(), out) {
                    last.write_window(&mut self.columns);
                    self.layers.tail(&self.columns, out)?;
                }
                return Ok((taken, true));
            }
            self.before_first -= 1;
        }
        Ok((taken, false))
    }

    fn add_hop(&mut self) -> Result<(), EngineError> {
        let stem = self.levels[0].next_hop();
        self.layers.stem(&self.samples[self.skipped..], stem)?;
        for index in 1..self.levels.len() {
            let (inputs, level) = self.levels.split_at_mut(index);
            level[0].add_hop(index, &inputs[index - 1], &mut self.layers)?;
        }
        Ok(())
    }
}

/// What a layer reads: of a block with several convolutions, what all of them read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// Zero columns before and after the input.
    pub(super) padding: (usize, usize),
    /// Rows that one column of the output is the largest of.
    pub(super) pool: usize,
}

impl Shape {
    /// Of a convolution of one tap.
    pub(super) const POINT: Self = Self { kernel: 1, stride: 1, padding: (0, 0), pool: 1 };

    /// Of the stem, a block, or the head.
    pub(super) fn of(arch: &ArchSpec, layer: usize) -> Self {
        let (kernel, stride) = (arch.stem.kernel.into(), arch.stem.stride.into());
        match layer.checked_sub(1).map(|block| arch.blocks.get(block)) {
            None => Self { kernel, stride, padding: (0, 0), pool: 1 },
            Some(Some(block)) => {
                let (padding, pool) = block.same_and_pool();
                Self { kernel: padding.0 + padding.1 + 1, stride: 1, padding, pool }
            }
            Some(None) => Self::POINT,
        }
    }

    /// Zero columns at the end of what the right edge of a level is computed from, the level before being
    /// `input`.
    pub(super) fn zeros_behind(&self, level: &Level, input: &Level) -> usize {
        if level.right == level.len {
            return 0;
        }
        let rest = self.reach(level.len - level.right) - self.before_right(level, input);
        rest.saturating_sub(input.len - input.right)
    }

    /// Shared columns of `input` that the right edge of a level is computed from.
    const fn before_right(&self, level: &Level, input: &Level) -> usize {
        input.right - (level.right * self.pool - self.padding.0)
    }

    /// Columns of input that `columns` of output are computed from.
    pub(super) const fn reach(&self, columns: usize) -> usize {
        match columns {
            0 => 0,
            _ => (columns * self.pool - 1) * self.stride + self.kernel,
        }
    }
}

/// The columns of one level.
struct Columns {
    shape: Shape,
    level: Level,
    words: usize,
    /// Columns of a hop.
    hop: usize,
    /// How many windows after the one that ends the left edge is computed that is computed now.
    ahead: usize,
    /// The newest columns that windows share, up to the right edge of the window that ends.
    history: Vec<u32>,
    /// Left edges that are still read, the oldest window's first.
    left: Vec<u32>,
    /// The right edge of the window that ends.
    right: Vec<u32>,
    /// What the left and the right edge are computed from.
    left_input: Vec<u32>,
    right_input: Vec<u32>,
}

impl Columns {
    fn new(shape: Shape, level: Level, words: usize, hop: usize, input: Option<&Self>) -> Self {
        let (hop, right) = (hop / level.stride, level.len - level.right);
        let ahead = match input {
            Some(input) if level.left > 0 => {
                // Its left edge needs columns that windows share, and the left edge of its input.
                let newest = input.level.right - 1;
                input.ahead.min((newest - level.needs) / input.hop)
            }
            Some(input) => input.ahead,
            None => usize::MAX,
        };
        let seen = |columns| vec![0; shape.reach(columns) * input.map_or(0, |input| input.words)];
        Self {
            shape,
            level,
            words,
            hop,
            ahead,
            history: Vec::new(),
            left: Vec::new(),
            right: vec![UNKNOWN; right * words],
            left_input: seen(level.left),
            right_input: seen(right),
        }
    }

    /// Makes room for what `reader`, the level behind this one, reads; without one, for windows.
    fn make_room(&mut self, reader: Option<&Self>) {
        let Level { left, right, .. } = self.level;
        let (oldest, last) = match reader {
            Some(reader) if reader.level.left > 0 => {
                let edge = (reader.ahead * self.hop + left) as isize;
                (reader.first_input().min(edge), reader.ahead)
            }
            Some(reader) => (reader.first_input(), 0),
            None => (left as isize, 0),
        };
        let kept = (right as isize - oldest).max(self.hop as isize) as usize;
        let windows = if left == 0 { 0 } else { self.ahead - last + 1 };
        self.history = vec![UNKNOWN; kept * self.words];
        self.left = vec![UNKNOWN; windows * left * self.words];
    }

    fn reset(&mut self) {
        for columns in [&mut self.history, &mut self.left, &mut self.right] {
            columns.fill(UNKNOWN);
        }
    }

    /// The first column of the level before that the columns of a hop are computed from.
    const fn first_input(&self) -> isize {
        let rows = (self.level.right as isize - self.hop as isize) * self.shape.pool as isize;
        rows - self.shape.padding.0 as isize
    }

    /// Columns from `first` on, of those that windows share.
    fn shared(&self, first: isize, columns: usize) -> &[u32] {
        let oldest = self.level.right as isize - (self.history.len() / self.words) as isize;
        let start = (first - oldest) as usize;
        &self.history[start * self.words..][..columns * self.words]
    }

    /// The left edge of the oldest window that is still read.
    fn oldest_left(&self) -> &[u32] {
        &self.left[..self.level.left * self.words]
    }

    /// Where the columns of the next hop go.
    fn next_hop(&mut self) -> &mut [u32] {
        append(&mut self.history, self.hop * self.words)
    }

    /// Computes the columns that a hop adds from those of the level before.
    fn add_hop(
        &mut self,
        index: usize,
        input: &Self,
        layers: &mut impl Layers,
    ) -> Result<(), EngineError> {
        self.prepare_left(input);
        self.prepare_right(input);
        let columns = input.shared(self.first_input(), self.shape.reach(self.hop));
        let runs = [
            Run { input: columns, output: append(&mut self.history, self.hop * self.words) },
            Run {
                input: &self.left_input,
                output: append(&mut self.left, self.level.left * self.words),
            },
            Run { input: &self.right_input, output: &mut self.right },
        ];
        layers.level(index, runs)
    }

    /// The left edge's input: zeros, the left edge of the level before, then shared columns.
    fn prepare_left(&mut self, input: &Self) {
        if self.level.left == 0 {
            return;
        }
        let (zeros, edge) = (self.shape.padding.0, input.level.left);
        let columns = self.shape.reach(self.level.left) - zeros - edge;
        let place = &mut self.left_input[zeros * input.words..];
        let (to_edge, to_shared) = place.split_at_mut(edge * input.words);
        to_edge.copy_from_slice(input.oldest_left());
        let first = self.ahead * input.hop + edge;
        to_shared.copy_from_slice(input.shared(first as isize, columns));
    }

    /// The right edge's input: shared columns, the right edge of the level before, then zeros.
    fn prepare_right(&mut self, input: &Self) {
        if self.right.is_empty() {
            return;
        }
        let first = self.level.right * self.shape.pool - self.shape.padding.0;
        let shared = self.shape.before_right(&self.level, &input.level);
        let (to_shared, rest) = self.right_input.split_at_mut(shared * input.words);
        to_shared.copy_from_slice(input.shared(first as isize, shared));
        // Pooling may drop the last columns.
        let edge = rest.len().min(input.right.len());
        let (to_edge, zeros) = rest.split_at_mut(edge);
        to_edge.copy_from_slice(&input.right[..edge]);
        zeros.fill(0);
    }

    /// All columns of the window that ends.
    fn write_window(&self, out: &mut [u32]) {
        let Level { left, right, .. } = self.level;
        let (to_left, rest) = out.split_at_mut(left * self.words);
        to_left.copy_from_slice(self.oldest_left());
        let (to_shared, to_right) = rest.split_at_mut((right - left) * self.words);
        to_shared.copy_from_slice(self.shared(left as isize, right - left));
        to_right.copy_from_slice(&self.right);
    }
}

/// Moves what is kept up by `len` words, and tells where the new ones go.
fn append(kept: &mut [u32], len: usize) -> &mut [u32] {
    kept.copy_within(len.., 0);
    let end = kept.len() - len;
    &mut kept[end..]
}
