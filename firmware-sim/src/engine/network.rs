//! The layers of a network, one column at a time.

use bytemuck::cast_slice_mut;
use models::arch::{Block, Stem, Streaming};
use models::q8::{Layer, MemoryPlan, Model, padded};
use models::stream::Q15;

use super::level::{Level, take};
use super::observer::{Observer, Part};
use crate::kernel::{self, Prepared, Reach, Sums};

/// The layers and what they keep. Level `i` is what layer `i` makes: 0 is the stem, then the
/// blocks.
#[derive(Debug)]
pub(super) struct Network<'m, 'r> {
    pub(super) model: &'m Model<'m>,
    pub(super) prepared: Option<&'m Prepared>,
    pub(super) levels: &'r mut [Level],
    /// Levels that windows share.
    pub(super) shared: usize,
    /// The columns of all levels.
    pub(super) columns: &'r mut [u32],
    pub(super) scratch: Scratch<'r>,
}

/// Memory without content between two calls.
#[derive(Debug)]
pub(super) struct Scratch<'r> {
    /// The inputs of one output column.
    pub(super) patch: &'r mut [u32],
    /// One output column and its padding.
    pub(super) column: &'r mut [i16],
    /// Sums of the classifier, then logits.
    pub(super) logits: &'r mut [i32],
    pub(super) posteriors: &'r mut [Q15],
    pub(super) sums: &'r mut Sums,
}

/// 32-bit words of memory for levels and scratch that no [`MemoryPlan`] counts.
pub(super) fn own_words(model: &Model<'_>) -> usize {
    let levels = model.arch().blocks.len() + 1;
    levels * size_of::<Level>() / size_of::<u32>() + size_of::<Sums>() / size_of::<u32>()
}

impl<'m, 'r> Network<'m, 'r> {
    pub(super) fn new(model: &'m Model<'m>, plan: &MemoryPlan, memory: &'r mut [u32]) -> Self {
        let Streaming { hop, shared } = &plan.streaming;
        let (levels, memory) = take::<Level>(memory, model.arch().blocks.len() + 1);
        let mut words = 0;
        plan.each_level(model, |index, level| {
            levels[index] = Level::new(level, shared.get(index), *hop, words);
            words += level.words();
        });
        let (columns, memory) = memory.split_at_mut(plan.columns);
        let (patch, memory) = take(memory, plan.patch.div_ceil(2));
        let (column, memory) = take(memory, plan.column);
        let (logits, memory) = take(memory, plan.classes);
        let (posteriors, memory) = take(memory, plan.classes);
        let (sums, _) = take::<Sums>(memory, 1);
        let scratch = Scratch { patch, column, logits, posteriors, sums: &mut sums[0] };
        let mut network =
            Self { model, prepared: None, levels, shared: shared.len(), columns, scratch };
        network.reset();
        network
    }

    pub(super) fn reset(&mut self) {
        let mut levels = &mut *self.levels;
        let mut blocks = self.model.arch().blocks.iter();
        for index in 1..=levels.len() {
            let [level, rest @ ..] = levels else { break };
            let next = rest.first().zip(blocks.next());
            level.reset(next.filter(|_| index < self.shared));
            levels = rest;
        }
    }

    /// Whether windows share anything.
    pub(super) const fn shares(&self) -> bool {
        self.shared > 0
    }

    pub(super) const fn stem_shape(&self) -> Stem {
        self.model.arch().stem
    }

    /// The stem's next shared columns, from samples of whole inputs that do not overlap.
    pub(super) fn stem(&mut self, mut samples: &[i16], observer: &mut impl Observer) {
        let stem = &self.model.layers()[0];
        let (input, step) = (stem.shape.inputs, padded(stem.shape.outputs));
        let wide = !self.levels[0].is_narrow();
        let mut left = samples.len() / input;
        while left > 0 {
            let count = if wide { self.levels[0].calm().min(left) } else { 1 };
            let (now, later) = samples.split_at(count * input);
            (samples, left) = (later, left - count);
            let place = self.levels[0].next_places(count);
            if wide {
                let out = self.levels[0].columns_mut(self.columns, place, count);
                let out = cast_slice_mut(out);
                let Scratch { patch, sums, .. } = &mut self.scratch;
                kernel::convolve_samples(stem, now, patch, sums, out);
                for column in out.chunks_exact(step) {
                    observer.column(0, Part::Shared, &column[..stem.shape.outputs]);
                }
            } else {
                self.stem_column(now, Part::Shared, Some(place), observer);
            }
            if self.shared > 1 && self.arrive(0, count, observer) {
                self.deeper(observer);
            }
        }
    }

    /// The next shared column behind the stem's, and what follows from it.
    #[inline(never)]
    fn deeper(&mut self, observer: &mut impl Observer) {
        for level in 1..self.shared {
            self.shared_column(level, observer);
            if level + 1 == self.shared || !self.arrive(level, 1, observer) {
                return;
            }
        }
    }

    /// `count` shared columns of `level` have arrived, no more than it is calm for; whether the next one, shared as well, has all inputs of a
    /// column now.
    #[inline(always)]
    fn arrive(&mut self, level: usize, count: usize, observer: &mut impl Observer) -> bool {
        let [input, output, ..] = &mut self.levels[level..] else { return false };
        if output.left() > 0 && input.completes_edge(count) {
            self.left_edge(level, observer);
        }
        let blocks = &self.model.arch().blocks;
        self.levels[level].completes_column(count, || blocks[level].pool)
    }

    /// The next shared column of a level behind the stem's.
    fn shared_column(&mut self, level: usize, observer: &mut impl Observer) {
        let reach = self.reach(level - 1);
        self.levels[level - 1].gather_newest(self.columns, &reach, self.scratch.patch);
        let place = self.levels[level].next_place();
        self.convolve(level, &reach, Part::Shared, Some(place), observer);
    }

    /// The left edge, behind `level`, of the window whose last input for it has just arrived.
    #[inline(never)]
    fn left_edge(&mut self, level: usize, observer: &mut impl Observer) {
        let newest = self.levels[level + 1].needs();
        for column in 0..self.levels[level + 1].left() {
            let place = self.levels[level + 1].left_place(column);
            self.window_column(level, column, newest, Part::Edge, Some(place), observer);
        }
        self.levels[level + 1].keep_left();
        self.levels[level].drop_left();
    }

    /// A column behind `input` in the oldest window's own count.
    pub(super) fn window_column(
        &mut self,
        input: usize,
        column: usize,
        newest: usize,
        part: Part,
        place: Option<usize>,
        observer: &mut impl Observer,
    ) {
        let (before, _) = self.block(input).padding();
        let reach = self.reach(input);
        let first = (column * reach.pool) as isize - before as isize;
        let patch = &mut *self.scratch.patch;
        self.levels[input].gather(self.columns, first, newest, &reach, patch);
        self.convolve(input + 1, &reach, part, place, observer);
    }

    /// The block behind a level.
    pub(super) fn block(&self, level: usize) -> Block {
        self.model.arch().blocks[level]
    }

    /// What one column behind a level reads of it.
    pub(super) fn reach(&self, level: usize) -> Reach {
        let Block { kernel, pool, .. } = self.model.arch().blocks[level];
        Reach { taps: kernel.into(), pool: pool.into(), step: padded(self.outputs(level)) }
    }

    pub(super) fn outputs(&self, layer: usize) -> usize {
        self.model.layers()[layer].shape.outputs
    }

    #[inline(always)]
    pub(super) fn stem_column(
        &mut self,
        samples: &[i16],
        part: Part,
        place: Option<usize>,
        observer: &mut impl Observer,
    ) {
        let stem = &self.model.layers()[0];
        let prepared = self.prepared;
        let Scratch { patch, column, sums, .. } = &mut self.scratch;
        let target = Target { to: self.levels.first().zip(place), columns: self.columns, column };
        target.compute(0, stem, part, observer, |out| {
            if let Some(prepared) = prepared {
                kernel::load(samples, patch);
                let reach = Reach { taps: 1, pool: 1, step: stem.shape.row() };
                prepared.convolve(0, stem, &reach, patch, out);
            } else {
                kernel::convolve_samples(stem, samples, patch, sums, out);
            }
        });
    }

    /// A layer's column from the patch: to a place in its level, or else to the scratch.
    pub(super) fn convolve(
        &mut self,
        layer: usize,
        reach: &Reach,
        part: Part,
        place: Option<usize>,
        observer: &mut impl Observer,
    ) {
        let numbers = &self.model.layers()[layer];
        let prepared = self.prepared;
        let Scratch { patch, column, sums, .. } = &mut self.scratch;
        let to = self.levels.get(layer).zip(place);
        let target = Target { to, columns: self.columns, column };
        target.compute(layer, numbers, part, observer, |out| {
            if !prepared.is_some_and(|p| p.convolve(layer, numbers, reach, patch, out)) {
                kernel::convolve(numbers, reach, patch, sums, out);
            }
        });
    }
}

/// Where a column goes: to a place in its level, or else to the scratch.
struct Target<'t> {
    to: Option<(&'t Level, usize)>,
    columns: &'t mut [u32],
    column: &'t mut [i16],
}

impl Target<'_> {
    /// Computes a column, where it goes if it has 16 bits there, and shows it to the observer.
    #[inline(always)]
    fn compute(
        self,
        index: usize,
        layer: &Layer<'_>,
        part: Part,
        observer: &mut impl Observer,
        compute: impl FnOnce(&mut [i16]),
    ) {
        let outputs = layer.shape.outputs;
        let Self { to, columns, column } = self;
        let (out, narrow) = match to {
            Some((level, place)) if !level.is_narrow() => {
                (cast_slice_mut(level.column_mut(columns, place)), None)
            }
            _ => (&mut column[..padded(outputs)], to.map(|(level, place)| (level, place, columns))),
        };
        compute(out);
        observer.column(index, part, &out[..outputs]);
        if let Some((level, place, columns)) = narrow {
            kernel::store_narrow(out, level.column_mut(columns, place));
        }
    }
}
