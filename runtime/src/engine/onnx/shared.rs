//! Windows of a stream that share their columns.
//!
//! See [`Streaming`] for which columns windows share. At each hop, every shared level gets three runs
//! of columns from the level before: the columns that the hop adds for all windows, the left edge
//! of a window to come, and the right edge of the window that ends. What lies behind the shared
//! levels is computed for the whole window that ends.
//!
//! Column numbers here are relative to the start of the window that ends, so that a hop moves
//! the columns kept, and all numbers stay what they are. What has not been computed yet is no
//! number (NaN) and would show in the posteriors.

use std::mem::take;
use std::sync::Arc;

use models::arch::{ArchSpec, Level, Streaming};
use tract_onnx::tract_core::internal::*;

use super::chain::{Chain, Layer};
use super::stages::{Stage, Tail};

/// Multiply-accumulates that could be done in the time that a shared level costs beside them.
const LEVEL_MACS: u64 = 200_000;

/// What windows every `hop` samples should share, by the work that it saves; `None` if nothing.
pub(super) fn cheapest(arch: &ArchSpec, hop: u32) -> Option<Streaming> {
    let table = arch.layers().ok()?;
    let all = Streaming::new(arch, hop).ok().filter(|all| all.hop <= arch.window as usize)?;
    let cost = |levels: usize| {
        let cut = all.cut(arch, levels);
        (cut.cost(&table).per_hop() + LEVEL_MACS * levels as u64, cut)
    };
    let cheapest = (0..=all.shared.len()).map(cost).min_by_key(|(cost, _)| *cost)?;
    (!cheapest.1.shared.is_empty()).then_some(cheapest.1)
}

/// The state of a stream of overlapping windows.
pub(super) struct Shared {
    hop: usize,
    window: usize,
    /// The newest samples, up to the end of the hop under way.
    samples: Vec<f32>,
    /// How many of them have arrived.
    filled: usize,
    /// How many of them no layer needs any more.
    skipped: usize,
    /// Hops to go until the first window is full.
    before_first: usize,
    levels: Vec<Columns>,
    tail: Tail,
}

impl Shared {
    /// The plans for windows that share the levels of `streaming`: at least one, at a hop of at most a
    /// window.
    pub(super) fn new(chain: &Chain, arch: &ArchSpec, streaming: &Streaming) -> TractResult<Self> {
        let (hop, window) = (streaming.hop, arch.window as usize);
        ensure!(!streaming.shared.is_empty() && hop <= window, "nothing to share");
        let mut levels: Vec<Columns> = Vec::with_capacity(streaming.shared.len());
        for (layer, level) in chain.layers.iter().zip(&streaming.shared) {
            let level = Columns::new(layer, *level, hop, levels.last())?;
            levels.push(level);
        }
        for index in 0..levels.len() {
            let (input, readers) = levels.split_at_mut(index + 1);
            input[index].make_room(readers.first());
        }
        let stem = &levels[0];
        let wanted = window + hop - stem.level.len * stem.level.stride;
        let len = wanted.max(hop);
        let tail = Tail::new(chain, levels.len(), window)?;
        let (samples, skipped) = (vec![f32::NAN; len], len - wanted);
        let mut shared =
            Self { hop, window, samples, filled: 0, skipped, before_first: 0, levels, tail };
        shared.reset();
        Ok(shared)
    }

    /// Forgets everything.
    pub(super) fn reset(&mut self) {
        // Windows end every hop from the first window's end on; before it, hops end on the same grid.
        self.before_first = (self.window - 1) / self.hop;
        let first = self.window - self.before_first * self.hop;
        self.filled = self.samples.len() - first;
        self.samples.fill(f32::NAN);
        self.levels.iter_mut().for_each(Columns::reset);
    }

    /// Takes samples up to the end of the next window, tells how many, and whether that window's
    /// posteriors are in `out` now.
    pub(super) fn push(&mut self, samples: &[f32], out: &mut [f32]) -> TractResult<(usize, bool)> {
        let mut taken = 0;
        while taken < samples.len() {
            let room = &mut self.samples[self.filled..];
            let count = room.len().min(samples.len() - taken);
            room[..count].copy_from_slice(&samples[taken..taken + count]);
            (self.filled, taken) = (self.filled + count, taken + count);
            if self.filled < self.samples.len() {
                break;
            }
            self.add_hop()?;
            self.samples.copy_within(self.hop.., 0);
            self.filled -= self.hop;
            if self.before_first == 0 {
                if let Some(last) = self.levels.last() {
                    last.write_window(self.tail.input());
                }
                self.tail.run(out)?;
                return Ok((taken, true));
            }
            self.before_first -= 1;
        }
        Ok((taken, false))
    }

    fn add_hop(&mut self) -> TractResult<()> {
        self.levels[0].take(|stage| stage.run(&[&self.samples[self.skipped..]]))?;
        for index in 1..self.levels.len() {
            let (inputs, level) = self.levels.split_at_mut(index);
            level[0].add_hop(&inputs[index - 1])?;
        }
        Ok(())
    }
}

/// The columns of one level.
struct Columns {
    /// Makes the columns of a hop, of a left edge and of a right edge.
    stage: Stage,
    layer: Arc<Layer>,
    level: Level,
    /// Columns of a hop.
    hop: usize,
    /// How many windows after the one that ends the left edge is computed that is computed now.
    ahead: usize,
    /// The newest columns that windows share, up to the right edge of the window that ends.
    history: Vec<f32>,
    /// Left edges that are still read, the oldest window's first.
    left: Vec<f32>,
    /// The right edge of the window that ends.
    right: Vec<f32>,
    /// What the left and the right edge are computed from.
    left_input: Vec<f32>,
    right_input: Vec<f32>,
}

impl Columns {
    fn new(
        layer: &Arc<Layer>,
        level: Level,
        hop: usize,
        input: Option<&Self>,
    ) -> TractResult<Self> {
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
        let room = |columns: usize| vec![f32::NAN; columns * layer.outputs];
        let seen = |columns| vec![0.0; layer.reach(columns) * layer.inputs];
        Ok(Self {
            stage: Stage::new(layer, &[hop, level.left, right])?,
            layer: Arc::clone(layer),
            level,
            hop,
            ahead,
            history: Vec::new(),
            left: Vec::new(),
            right: room(right),
            left_input: seen(level.left),
            right_input: seen(right),
        })
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
        let windows = if left == 0 { 0 } else { self.ahead - last + 1 };
        let room = |columns: usize| vec![f32::NAN; columns * self.layer.outputs];
        self.history = room((right as isize - oldest).max(0) as usize);
        self.left = room(windows * left);
    }

    fn reset(&mut self) {
        for columns in [&mut self.history, &mut self.left, &mut self.right] {
            columns.fill(f32::NAN);
        }
    }

    /// The first column of the level before that the columns of a hop are computed from.
    fn first_input(&self) -> isize {
        let rows = (self.level.right as isize - self.hop as isize) * self.layer.pool as isize;
        rows - self.layer.padding.0 as isize
    }

    /// Columns from `first` on, of those that windows share.
    fn shared(&self, first: isize, columns: usize) -> &[f32] {
        let channels = self.layer.outputs;
        let oldest = self.level.right as isize - (self.history.len() / channels) as isize;
        let start = (first - oldest) as usize;
        &self.history[start * channels..][..columns * channels]
    }

    /// The left edge of the oldest window that is still read.
    fn oldest_left(&self) -> &[f32] {
        &self.left[..self.level.left * self.layer.outputs]
    }

    /// Computes the columns that a hop adds from those of the level before.
    fn add_hop(&mut self, input: &Self) -> TractResult<()> {
        self.prepare_left(input);
        self.prepare_right(input);
        let columns = self.layer.reach(self.hop);
        let first = self.first_input();
        let (left, right) = (take(&mut self.left_input), take(&mut self.right_input));
        let runs = [input.shared(first, columns), &left, &right];
        let done = self.take(|stage| stage.run(&runs));
        (self.left_input, self.right_input) = (left, right);
        done
    }

    /// The left edge's input: zeros, the left edge of the level before, then shared columns.
    fn prepare_left(&mut self, input: &Self) {
        if self.level.left == 0 {
            return;
        }
        let (zeros, edge) = (self.layer.padding.0, input.level.left);
        let columns = self.layer.reach(self.level.left) - zeros - edge;
        let channels = self.layer.inputs;
        let place = &mut self.left_input[zeros * channels..];
        let (to_edge, to_shared) = place.split_at_mut(edge * channels);
        to_edge.copy_from_slice(input.oldest_left());
        let first = self.ahead * input.hop + edge;
        to_shared.copy_from_slice(input.shared(first as isize, columns));
    }

    /// The right edge's input: shared columns, the right edge of the level before, then zeros.
    fn prepare_right(&mut self, input: &Self) {
        if self.right.is_empty() {
            return;
        }
        let first = self.level.right * self.layer.pool - self.layer.padding.0;
        let channels = self.layer.inputs;
        let shared = input.level.right - first;
        let (to_shared, rest) = self.right_input.split_at_mut(shared * channels);
        to_shared.copy_from_slice(input.shared(first as isize, shared));
        // Pooling may drop the last columns.
        let edge = rest.len().min(input.right.len());
        let (to_edge, zeros) = rest.split_at_mut(edge);
        to_edge.copy_from_slice(&input.right[..edge]);
        zeros.fill(0.0);
    }

    /// Keeps the columns of the stage's runs.
    fn take(
        &mut self,
        run: impl FnOnce(&mut Stage) -> TractResult<TVec<TValue>>,
    ) -> TractResult<()> {
        let made = run(&mut self.stage)?;
        let runs = [self.hop, self.level.left, self.level.len - self.level.right];
        let mut made = made.iter();
        for (place, columns) in [&mut self.history, &mut self.left].into_iter().zip(runs) {
            if columns > 0 {
                let made = made.next().context("a run makes columns")?;
                append(place, made.view().as_slice()?);
            }
        }
        if let Some(made) = made.next() {
            self.right.copy_from_slice(made.view().as_slice()?);
        }
        Ok(())
    }

    /// All columns of the window that ends.
    fn write_window(&self, out: &mut [f32]) {
        let Level { left, right, .. } = self.level;
        let channels = self.layer.outputs;
        let (to_left, rest) = out.split_at_mut(left * channels);
        to_left.copy_from_slice(self.oldest_left());
        let (to_shared, to_right) = rest.split_at_mut((right - left) * channels);
        to_shared.copy_from_slice(self.shared(left as isize, right - left));
        to_right.copy_from_slice(&self.right);
    }
}

/// Moves `kept` up and puts `new` at its end; of more than fits, the last.
fn append(kept: &mut [f32], new: &[f32]) {
    let new = &new[new.len().saturating_sub(kept.len())..];
    kept.copy_within(new.len().., 0);
    let end = kept.len() - new.len();
    kept[end..].copy_from_slice(new);
}
