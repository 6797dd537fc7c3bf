//! Networks with gates, shortcuts and global maxima, window by window.
//!
//! The samples of a window are kept. For each gate all columns before it are computed once more, and their means give the
//! gate; a last pass gives the posteriors. A column is computed when another one asks for it ([`columns`]), and of each node
//! only the newest columns are kept. Where there is the memory, all columns of some nodes are kept instead, and later passes
//! begin there ([`models::q8::PassPlan`]). Means are exact sums of integers, so neither the order of passes nor what
//! is kept can change a bit.

mod columns;
mod step;
#[cfg(test)]
mod tests;

use core::ops::Range;

use models::arch::{MAX_NODES, Part as Role, Task};
use models::q8::{Model, PassPlan, padded};
use models::quant::{self, requantize, requantize_relu};
use models::stream::Q15;

use super::level::take;
use super::observer::{Observer, Part};
use crate::kernel::{self, Sums};
use columns::limited;
use step::{JOIN, MEAN, NONE, PEAKS, Step};

/// A network with its memory.
#[derive(Debug)]
pub(super) struct Passes<'m, 'r> {
    model: &'m Model<'m>,
    steps: &'r mut [Step],
    columns: &'r mut [i16],
    patch: &'r mut [u32],
    column: &'r mut [i16],
    /// Sums of the mean under way, or of a convolution.
    sums: &'r mut [i32],
    logits: &'r mut [i32],
    posteriors: &'r mut [Q15],
    scratch: &'r mut Sums,
    /// The node whose mean is under way.
    watched: usize,
    /// The nodes whose maxima are under way: the first operands of the global maxima.
    peaks: Option<usize>,
}

/// The plan with the least work that fits into so many 32-bit words of memory; the one with the least memory if none does.
#[inline(never)]
pub(super) fn plan(model: &Model<'_>, words: usize) -> PassPlan {
    let own = own_words(&PassPlan::new(model.arch()));
    // Steps count columns and elements in 32 bits.
    let most = u32::MAX as usize;
    PassPlan::within(model.arch(), words.min(most).saturating_sub(own))
}

/// 32-bit words of memory for a plan.
pub(super) fn words(plan: &PassPlan) -> usize {
    plan.words().saturating_add(own_words(plan))
}

/// Those of them that are not the plan's: they are the same for all plans of a network.
fn own_words(plan: &PassPlan) -> usize {
    let steps = plan.rings.len() * size_of::<Step>() / size_of::<u32>();
    let scratch = size_of::<Sums>() / size_of::<u32>();
    // The signed sums of a column lie beside those of a mean.
    plan.column.saturating_add(steps + scratch)
}

impl<'m, 'r> Passes<'m, 'r> {
    pub(super) fn new(model: &'m Model<'m>, plan: &PassPlan, memory: &'r mut [u32]) -> Self {
        let (steps, memory) = take::<Step>(memory, plan.rings.len());
        let (columns, memory) = take(memory, plan.elements());
        let (patch, memory) = take(memory, plan.patch.div_ceil(2));
        let (column, memory) = take(memory, plan.column);
        let (sums, memory) = take(memory, 2 * plan.column);
        let (logits, memory) = take(memory, plan.classes);
        let (posteriors, memory) = take(memory, plan.classes);
        let (scratch, _) = take::<Sums>(memory, 1);
        let (mut index, mut start, mut peaks) = (0, 0, None);
        let built = model.arch().each_node(|node| {
            // The classifier, the last node, has no columns.
            if let Some(ring) = plan.rings.get(index) {
                steps[index] = Step::new(node, *ring, start);
                start += ring.columns * ring.channels;
            }
            if node.part == Role::Peaks {
                peaks = Some(index);
            }
            index += 1;
        });
        debug_assert!(built.is_ok() && index <= MAX_NODES, "a parsed network was checked");
        let scratch = &mut scratch[0];
        let watched = usize::MAX;
        Self {
            model,
            steps,
            columns,
            patch,
            column,
            sums,
            logits,
            posteriors,
            scratch,
            watched,
            peaks,
        }
    }

    /// A window's posteriors, once [`Passes::whole`] has computed it; 0 of a quiet one, which needs not.
    pub(super) fn finish(&mut self, quiet: bool) -> &[Q15] {
        if quiet {
            self.posteriors.fill(0);
            return self.posteriors;
        }
        match self.model.arch().task {
            Task::MultiClass => quant::softmax(self.logits, self.posteriors),
            Task::MultiLabel => quant::sigmoid(self.logits, self.posteriors),
        }
        self.posteriors
    }

    /// Computes a window up to its logits. The observer sees columns when they are computed first.
    pub(super) fn whole(&mut self, window: &[i16], observer: &mut impl Observer) {
        self.start_window();
        for index in 0..self.steps.len() {
            if self.steps[index].does == MEAN {
                self.gate(index, window, observer);
                self.start_pass();
            }
        }
        self.last_pass(window, observer);
    }

    fn start_window(&mut self) {
        self.steps.iter_mut().for_each(|step| (step.made, step.seen) = (0, 0));
        if let Some(peaks) = self.peaks {
            let place = self.steps[peaks].place(0);
            self.columns[place].fill(0);
        }
    }

    fn start_pass(&mut self) {
        self.steps.iter_mut().for_each(Step::start_pass);
    }

    /// The pass for the gate whose mean has this index.
    fn gate(&mut self, index: usize, window: &[i16], observer: &mut impl Observer) {
        let input = self.steps[index].reads[0] as usize;
        let width = self.steps[input].width as usize;
        self.sums[..width].fill(0);
        // All its columns are still to be made, also where they stay then: besides the mean only what lies
        // behind the gate reads them.
        self.watched = input;
        self.pull(input, self.steps[input].len as usize, window, observer);
        self.watched = usize::MAX;
        let layer = &self.model.layers()[index];
        let place = self.steps[index].place(0);
        for (out, sum) in self.columns[place].iter_mut().zip(&self.sums[..width]) {
            *out = limited(requantize(*sum, layer.factor(0)), layer.limit);
        }
        self.steps[index].made = 1;
        // The linear layers follow; no observer is shown a gate.
        let last = index + 2;
        self.steps[index + 1..=last].iter_mut().for_each(|step| step.seen = step.len);
        self.pull(last, 1, window, observer);
        self.finish_levels(index, window, observer);
    }

    /// Computes the levels before a node to their ends, in the first pass that begins them: pooling behind them may drop
    /// columns that count for the global maxima.
    fn finish_levels(&mut self, end: usize, window: &[i16], observer: &mut impl Observer) {
        let Some(peaks) = self.peaks else { return };
        // The deepest level first: it reads the others while their columns are new.
        for level in self.steps[peaks].reads.into_iter().rev() {
            let level = level as usize;
            if level < end && self.steps[level].seen < self.steps[level].len {
                self.pull(level, self.steps[level].len as usize, window, observer);
            }
        }
    }

    fn last_pass(&mut self, window: &[i16], observer: &mut impl Observer) {
        if let Some(peaks) = self.peaks {
            self.finish_levels(peaks, window, observer);
            self.finish_peaks(peaks);
            let place = self.steps[peaks].place(0);
            observer.column(peaks, Part::Tail, &self.columns[place][..self.outputs(peaks)]);
        }
        let head = self.steps.len() - 1;
        let layer = &self.model.layers()[head + 1];
        for (class, logit) in self.logits.iter_mut().enumerate() {
            *logit = layer.bias(class);
        }
        let channels = layer.shape.inputs;
        for column in 0..self.steps[head].len as usize {
            self.pull(head, column + 1, window, observer);
            let place = self.steps[head].place(column);
            kernel::load(&self.columns[place][..channels], self.patch);
            let start = column * padded(channels);
            kernel::accumulate(layer, start, self.patch, self.scratch, self.logits);
        }
        for (class, logit) in self.logits.iter_mut().enumerate() {
            *logit = requantize(*logit, layer.factor(class));
        }
    }

    /// Brings the largest values of each level to the scale that all have in common.
    fn finish_peaks(&mut self, peaks: usize) {
        let layer = &self.model.layers()[peaks];
        let start = self.steps[peaks].place(0).start;
        let mut channel = start;
        for (index, level) in self.steps[peaks].reads.into_iter().enumerate() {
            if level == NONE {
                continue;
            }
            let outputs = self.outputs(level as usize);
            for value in &mut self.columns[channel..][..outputs] {
                *value = requantize_relu((*value).into(), layer.factor(index), layer.limit);
            }
            channel += outputs;
        }
        self.steps[peaks].made = 1;
    }

    /// Values of a column, without padding.
    fn outputs(&self, node: usize) -> usize {
        match self.steps[node].does {
            MEAN | JOIN => self.outputs(self.steps[node].reads[0] as usize),
            PEAKS => {
                let levels = self.steps[node].reads.into_iter().filter(|level| *level != NONE);
                levels.map(|level| self.outputs(level as usize)).sum()
            }
            _ => self.model.layers()[node].shape.outputs,
        }
    }

    /// Sees to it that a node has made so many columns.
    fn pull(&mut self, node: usize, columns: usize, window: &[i16], observer: &mut impl Observer) {
        while (self.steps[node].made as usize) < columns {
            let column = self.steps[node].made as usize;
            self.make(node, column, window, observer);
            let step = &mut self.steps[node];
            step.made += 1;
            let (place, new) = (step.place(column), step.seen < step.made);
            step.seen = step.seen.max(step.made);
            if node == self.watched {
                for (sum, value) in self.sums.iter_mut().zip(&self.columns[place.clone()]) {
                    *sum = sum.wrapping_add((*value).into());
                }
            }
            if new {
                self.raise_peaks(node, place.clone());
                observer.column(node, Part::Tail, &self.columns[place][..self.outputs(node)]);
            }
        }
    }

    /// Takes a new column of a level into the maxima.
    fn raise_peaks(&mut self, node: usize, place: Range<usize>) {
        let Some(peaks) = self.peaks else { return };
        let mut start = self.steps[peaks].place(0).start;
        for level in self.steps[peaks].reads {
            if level == node as u32 {
                for (channel, index) in place.take(self.outputs(node)).enumerate() {
                    let largest = self.columns[start + channel].max(self.columns[index]);
                    self.columns[start + channel] = largest;
                }
                return;
            }
            if level != NONE {
                start += self.outputs(level as usize);
            }
        }
    }
}
