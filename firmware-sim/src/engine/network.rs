//! The layers of a network, one column at a time.

use models::arch::{Block, MAX_BLOCKS, Task};
use models::q8::{MemoryPlan, Model, padded};
use models::quant::{self, requantize};
use models::stream::Q15;

use super::level::{Level, take};
use super::observer::{Observer, Part};
use crate::kernel;

/// The layers and what they keep. Level `i` is what layer `i` makes: 0 is the stem, then the
/// blocks.
#[derive(Debug)]
pub(super) struct Network<'m, 'r> {
    model: &'m Model<'m>,
    levels: heapless::Vec<Level<'r>, { MAX_BLOCKS + 1 }>,
    /// Levels that windows share.
    shared: usize,
    /// Columns between the starts of two windows, at each shared level but the last, and the
    /// column that the left edge behind it waits for.
    edges: heapless::Vec<Edge, MAX_BLOCKS>,
    scratch: Scratch<'r>,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    columns_per_hop: usize,
    /// Column of a window whose arrival lets the left edge of the next level be computed.
    needs: usize,
    /// Shared columns of the first window until then.
    first_edge: usize,
    /// Shared columns of the first window until the next level's first shared column.
    first_column: usize,
}

/// Memory without content between two calls.
#[derive(Debug)]
struct Scratch<'r> {
    /// The inputs of one output column.
    patch: &'r mut [i16],
    /// One output column.
    column: &'r mut [i16],
    /// Sums of the classifier, then logits.
    logits: &'r mut [i32],
    posteriors: &'r mut [Q15],
}

impl<'m, 'r> Network<'m, 'r> {
    pub(super) fn new(model: &'m Model<'m>, plan: &MemoryPlan, mut memory: &'r mut [u32]) -> Self {
        let table = model.arch().layers().expect("a parsed model's network was checked");
        let shared = &plan.streaming.shared;
        let mut levels = heapless::Vec::new();
        for (index, level) in plan.levels.iter().enumerate() {
            let len = table.layers[index].out_len;
            let (level, rest) = Level::new(level, shared.get(index), len, memory);
            memory = rest;
            let pushed = levels.push(level);
            debug_assert!(pushed.is_ok(), "a plan has as many levels as a network");
        }
        let mut edges = heapless::Vec::new();
        for (input, (output, block)) in
            shared.iter().zip(shared.iter().skip(1).zip(&model.arch().blocks))
        {
            let (_, after) = block.padding();
            let pool = usize::from(block.pool);
            let pushed = edges.push(Edge {
                columns_per_hop: plan.streaming.hop / input.stride,
                needs: output.needs,
                first_edge: output.needs + 1 - input.left,
                first_column: (output.left + 1) * pool + after - input.left,
            });
            debug_assert!(pushed.is_ok(), "there is an edge for every block");
        }
        let (patch, memory) = take(memory, plan.patch);
        let (column, memory) = take(memory, plan.column);
        let (logits, memory) = take(memory, plan.classes);
        let (posteriors, _) = take(memory, plan.classes);
        let scratch = Scratch { patch, column, logits, posteriors };
        let mut network = Self { model, levels, shared: shared.len(), edges, scratch };
        network.reset();
        network
    }

    pub(super) fn reset(&mut self) {
        for level in &mut self.levels {
            level.reset();
        }
        for (level, edge) in self.levels.iter_mut().zip(&self.edges) {
            (level.until_column, level.until_edge) = (edge.first_column, edge.first_edge);
        }
    }

    /// Whether windows share anything.
    pub(super) const fn shares(&self) -> bool {
        self.shared > 0
    }

    /// The stem's next shared column.
    pub(super) fn stem(&mut self, samples: &[i16], observer: &mut impl Observer) {
        self.stem_column(samples, Part::Shared, observer);
        self.push(0);
        let mut level = 0;
        while level + 1 < self.shared {
            self.left_edge(level, observer);
            self.levels[level].until_column -= 1;
            if self.levels[level].until_column > 0 {
                break;
            }
            let block = self.block(level);
            self.levels[level].until_column = block.pool.into();
            let (step, reach) = self.reach(level, &block);
            self.levels[level].gather_newest(&mut self.scratch.patch[..reach], step);
            self.block_column(level, step, Part::Shared, observer);
            level += 1;
            self.push(level);
        }
    }

    /// The left edge, behind `level`, of the window whose last input for it has just arrived.
    fn left_edge(&mut self, level: usize, observer: &mut impl Observer) {
        let columns = self.levels[level + 1].left;
        if columns == 0 {
            return;
        }
        self.levels[level].until_edge -= 1;
        if self.levels[level].until_edge > 0 {
            return;
        }
        let Edge { columns_per_hop, needs, .. } = self.edges[level];
        self.levels[level].until_edge = columns_per_hop;
        for column in 0..columns {
            self.window_column(level, column, needs, Part::Edge, observer);
            let values = &self.scratch.column[..self.outputs(level + 1)];
            self.levels[level + 1].keep_left(column, values);
        }
        self.levels[level].drop_left();
    }

    /// A window's posteriors, once its last sample is in.
    pub(super) fn finish(&mut self, observer: &mut impl Observer) -> &[Q15] {
        if self.shares() {
            for level in 1..self.shared {
                let newest = self.levels[level - 1].newest(true);
                for column in self.levels[level].right..self.levels[level].len {
                    self.window_column(level - 1, column, newest, Part::Edge, observer);
                    let values = &self.scratch.column[..self.outputs(level)];
                    self.levels[level].keep_right(column, values);
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
        self.levels[first.min(last + 1)..].iter_mut().for_each(Level::restart);
        if first > last {
            self.shared_features(observer);
            return;
        }
        let deepest = |network: &Self| (first..=last).rev().find(|level| network.ready(*level));
        while let Some(level) = deepest(self) {
            let column = self.levels[level].made;
            self.levels[level].made += 1;
            match (level.checked_sub(1), window) {
                (None, Some(window)) => {
                    let stem = &self.model.arch().stem;
                    let start = column * usize::from(stem.stride);
                    let samples = &window[start..start + usize::from(stem.kernel)];
                    self.stem_column(samples, Part::Tail, observer);
                }
                (None, None) => unreachable!("the stem is shared unless there is a window"),
                (Some(input), _) => {
                    let newest = self.levels[input].newest(input < first);
                    self.window_column(input, column, newest, Part::Tail, observer);
                }
            }
            if level == last {
                self.head(column, observer);
            } else {
                self.push(level);
            }
        }
    }

    /// Head and classifier where all blocks are shared.
    fn shared_features(&mut self, observer: &mut impl Observer) {
        let last = self.levels.len() - 1;
        let step = padded(self.outputs(last));
        for column in 0..self.levels[last].len {
            let newest = self.levels[last].newest(true);
            let patch = &mut self.scratch.patch[..step];
            self.levels[last].gather(column as isize, newest, patch, step);
            self.head_of_patch(column, observer);
        }
    }

    /// Whether the next column of a level behind the shared ones can be computed.
    fn ready(&self, level: usize) -> bool {
        let column = self.levels[level].made;
        if column == self.levels[level].len {
            return false;
        }
        if level == self.shared {
            return true;
        }
        let block = self.block(level - 1);
        let (_, after) = block.padding();
        let input = &self.levels[level - 1];
        let newest = (column + 1) * usize::from(block.pool) - 1 + after;
        newest.min(input.len - 1) < input.made
    }

    /// A column behind `input` in the oldest window's own count.
    fn window_column(
        &mut self,
        input: usize,
        column: usize,
        newest: usize,
        part: Part,
        observer: &mut impl Observer,
    ) {
        let block = self.block(input);
        let (before, _) = block.padding();
        let (step, reach) = self.reach(input, &block);
        let first = (column * usize::from(block.pool)) as isize - before as isize;
        self.levels[input].gather(first, newest, &mut self.scratch.patch[..reach], step);
        self.block_column(input, step, part, observer);
    }

    /// The block behind a level.
    fn block(&self, level: usize) -> Block {
        self.model.arch().blocks[level]
    }

    /// Elements of a column in the patch, and of all columns that one output column reads.
    fn reach(&self, input: usize, block: &Block) -> (usize, usize) {
        let step = padded(self.outputs(input));
        (step, step * (usize::from(block.kernel) + usize::from(block.pool) - 1))
    }

    fn outputs(&self, layer: usize) -> usize {
        self.model.layers()[layer].shape.outputs
    }

    fn push(&mut self, level: usize) {
        let outputs = self.outputs(level);
        self.levels[level].push(&self.scratch.column[..outputs]);
    }

    fn stem_column(&mut self, samples: &[i16], part: Part, observer: &mut impl Observer) {
        let row = padded(samples.len());
        kernel::load(samples, &mut self.scratch.patch[..row]);
        self.convolve(0, 1, row, part, observer);
    }

    fn block_column(
        &mut self,
        input: usize,
        step: usize,
        part: Part,
        observer: &mut impl Observer,
    ) {
        self.convolve(input + 1, self.block(input).pool.into(), step, part, observer);
    }

    /// Head and classifier for one column, which lies in the scratch.
    fn head(&mut self, column: usize, observer: &mut impl Observer) {
        let channels = self.outputs(self.levels.len() - 1);
        let Scratch { patch, column: values, .. } = &mut self.scratch;
        kernel::load(&values[..channels], &mut patch[..padded(channels)]);
        self.head_of_patch(column, observer);
    }

    fn head_of_patch(&mut self, column: usize, observer: &mut impl Observer) {
        let head = self.levels.len();
        self.convolve(head, 1, 0, Part::Tail, observer);
        let channels = self.outputs(head);
        let row = padded(channels);
        let Scratch { patch, column: values, logits, .. } = &mut self.scratch;
        kernel::load(&values[..channels], &mut patch[..row]);
        let classifier = &self.model.layers()[head + 1];
        kernel::accumulate(classifier, column * row, &patch[..row], logits);
    }

    /// A layer's column from the patch.
    fn convolve(
        &mut self,
        layer: usize,
        pool: usize,
        step: usize,
        part: Part,
        observer: &mut impl Observer,
    ) {
        let numbers = &self.model.layers()[layer];
        let Scratch { patch, column, .. } = &mut self.scratch;
        let column = &mut column[..numbers.shape.outputs];
        kernel::convolve(numbers, patch, step, pool, column);
        observer.column(layer, part, column);
    }
}
