//! The layers of a network, one column at a time.

use bytemuck::cast_slice_mut;
use models::arch::{Block, Stem, Streaming, Task};
use models::q8::{Layer, MemoryPlan, Model, padded};
use models::quant::{self, requantize};
use models::stream::Q15;

use super::level::{Level, take};
use super::observer::{Observer, Part};
use crate::kernel::{self, Prepared, Reach, Sums};

/// The layers and what they keep. Level `i` is what layer `i` makes: 0 is the stem, then the
/// blocks.
#[derive(Debug)]
pub(super) struct Network<'m, 'r> {
    model: &'m Model<'m>,
    pub(super) prepared: Option<&'m Prepared>,
    levels: &'r mut [Level],
    /// Levels that windows share.
    shared: usize,
    /// The columns of all levels.
    columns: &'r mut [u32],
    scratch: Scratch<'r>,
}

/// Memory without content between two calls.
#[derive(Debug)]
struct Scratch<'r> {
    /// The inputs of one output column.
    patch: &'r mut [u32],
    /// One output column and its padding.
    column: &'r mut [i16],
    /// Sums of the classifier, then logits.
    logits: &'r mut [i32],
    posteriors: &'r mut [Q15],
    sums: &'r mut Sums,
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

    /// The stem's next shared column.
    pub(super) fn stem(&mut self, samples: &[i16], observer: &mut impl Observer) {
        let place = self.levels[0].next_place();
        self.stem_column(samples, Part::Shared, Some(place), observer);
        let mut level = 0;
        while level + 1 < self.shared && self.arrive(level, observer) {
            level += 1;
            self.shared_column(level, observer);
        }
    }

    /// A shared column of `level` has arrived; whether the next one, shared as well, has all inputs of a
    /// column now.
    #[inline(always)]
    fn arrive(&mut self, level: usize, observer: &mut impl Observer) -> bool {
        let [input, output, ..] = &mut self.levels[level..] else { return false };
        if output.left() > 0 && input.completes_edge() {
            self.left_edge(level, observer);
        }
        let blocks = &self.model.arch().blocks;
        self.levels[level].completes_column(|| blocks[level].pool)
    }

    /// The next shared column of a level behind the stem's.
    #[inline(never)]
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

    /// A window's posteriors, once its last sample is in.
    pub(super) fn finish(&mut self, observer: &mut impl Observer) -> &[Q15] {
        if self.shares() {
            for level in 1..self.shared {
                let newest = self.levels[level - 1].newest(true);
                for column in self.levels[level].right()..self.levels[level].len() {
                    let place = Some(self.levels[level].right_place(column));
                    self.window_column(level - 1, column, newest, Part::Edge, place, observer);
                }
            }
            self.tail(None, observer);
            self.levels[self.shared - 1].drop_left();
        }
        let Scratch { logits, posteriors, .. } = &mut self.scratch;
        let classifier = self.model.layers().last().expect("networks end in a classifier");
        for (class, logit) in logits.iter_mut().enumerate() {
            *logit = requantize(*logit, classifier.factor(class));
        }
        match self.model.arch().task {
            Task::MultiClass => quant::softmax(logits, posteriors),
            Task::MultiLabel => quant::sigmoid(logits, posteriors),
        }
        posteriors
    }

    /// The sums of the classifier for a window of which nothing is shared.
    pub(super) fn whole(&mut self, window: &[i16], observer: &mut impl Observer) {
        self.tail(Some(window), observer);
    }

    /// Everything behind the shared levels, up to the sums of the classifier: always the deepest
    /// layer that has its inputs, so that no layer needs to keep more than one reach of columns.
    fn tail(&mut self, window: Option<&[i16]>, observer: &mut impl Observer) {
        let classifier = self.model.layers().last().expect("networks end in a classifier");
        for (class, sum) in self.scratch.logits.iter_mut().enumerate() {
            *sum = classifier.bias(class);
        }
        let first = self.shared;
        let last = self.levels.len() - 1;
        self.levels[first..].iter_mut().for_each(Level::restart);
        if first > last {
            self.shared_features(observer);
            return;
        }
        let deepest = |network: &Self| (first..=last).rev().find(|level| network.ready(*level));
        while let Some(level) = deepest(self) {
            let column = self.levels[level].made();
            self.levels[level].make();
            // The head reads what the last block makes at once.
            let place = (level < last).then(|| self.levels[level].next_place());
            match (level.checked_sub(1), window) {
                (None, Some(window)) => {
                    let stem = &self.model.arch().stem;
                    let start = column * usize::from(stem.stride);
                    let samples = &window[start..start + usize::from(stem.kernel)];
                    self.stem_column(samples, Part::Tail, place, observer);
                }
                (None, None) => unreachable!("the stem is shared unless there is a window"),
                (Some(input), _) => {
                    let newest = self.levels[input].newest(input < first);
                    self.window_column(input, column, newest, Part::Tail, place, observer);
                }
            }
            if level == last {
                self.head(column, observer);
            }
        }
    }

    /// Head and classifier where all blocks are shared.
    fn shared_features(&mut self, observer: &mut impl Observer) {
        let last = self.levels.len() - 1;
        let reach = Reach { taps: 1, pool: 1, step: padded(self.outputs(last)) };
        for column in 0..self.levels[last].len() {
            let newest = self.levels[last].newest(true);
            let first = column as isize;
            let patch = &mut *self.scratch.patch;
            self.levels[last].gather(self.columns, first, newest, &reach, patch);
            self.head_of_patch(column, observer);
        }
    }

    /// Whether the next column of a level behind the shared ones can be computed.
    fn ready(&self, level: usize) -> bool {
        let column = self.levels[level].made();
        if column == self.levels[level].len() {
            return false;
        }
        if level == self.shared {
            return true;
        }
        let block = self.block(level - 1);
        let (_, after) = block.padding();
        let input = &self.levels[level - 1];
        let newest = (column + 1) * usize::from(block.pool) - 1 + after;
        newest.min(input.len() - 1) < input.made()
    }

    /// A column behind `input` in the oldest window's own count.
    fn window_column(
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
    fn block(&self, level: usize) -> Block {
        self.model.arch().blocks[level]
    }

    /// What one column behind a level reads of it.
    fn reach(&self, level: usize) -> Reach {
        let Block { kernel, pool, .. } = self.model.arch().blocks[level];
        Reach { taps: kernel.into(), pool: pool.into(), step: padded(self.outputs(level)) }
    }

    fn outputs(&self, layer: usize) -> usize {
        self.model.layers()[layer].shape.outputs
    }

    #[inline(always)]
    fn stem_column(
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
    fn convolve(
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

    /// Head and classifier for one column, which lies in the scratch.
    fn head(&mut self, column: usize, observer: &mut impl Observer) {
        let channels = self.outputs(self.levels.len() - 1);
        let Scratch { patch, column: values, .. } = &mut self.scratch;
        kernel::load(&values[..channels], patch);
        self.head_of_patch(column, observer);
    }

    fn head_of_patch(&mut self, column: usize, observer: &mut impl Observer) {
        let head = self.levels.len();
        let step = padded(self.outputs(head - 1));
        self.convolve(head, &Reach { taps: 1, pool: 1, step }, Part::Tail, None, observer);
        let channels = self.outputs(head);
        let Scratch { patch, column: values, logits, sums, .. } = &mut self.scratch;
        kernel::load(&values[..channels], patch);
        let classifier = &self.model.layers()[head + 1];
        kernel::accumulate(classifier, column * padded(channels), patch, sums, logits);
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
        if let Some((level, place)) = self.to.filter(|(level, _)| !level.is_narrow()) {
            let out = cast_slice_mut(level.column_mut(self.columns, place));
            compute(out);
            observer.column(index, part, &out[..outputs]);
            return;
        }
        let out = &mut self.column[..padded(outputs)];
        compute(out);
        observer.column(index, part, &out[..outputs]);
        if let Some((level, place)) = self.to {
            kernel::store_narrow(out, level.column_mut(self.columns, place));
        }
    }
}
