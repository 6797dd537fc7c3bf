//! Networks with gates, shortcuts and global maxima, window by window.
//!
//! The samples of a window are kept ([`models::q8::PassPlan`]). For each gate all columns before it are computed
//! once more, and their means give the gate; a last pass gives the posteriors. A column is computed when
//! another one asks for it, and of each node only the newest columns are kept. Means are exact sums of integers, so the order
//! of passes cannot change a bit.

use bytemuck::cast_slice;
use models::arch::{MAX_NODES, Part as Role, Task};
use models::q8::{Model, PassPlan, padded};
use models::quant::{self, requantize, requantize_relu};
use models::stream::Q15;

use super::level::take;
use super::observer::{Observer, Part};
use super::step::{GATE, JOIN, MEAN, NONE, PEAKS, RELU, Step};
use crate::kernel::{self, Reach, Sums};

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

/// 32-bit words of memory.
#[inline(never)]
pub(super) fn words(model: &Model<'_>) -> usize {
    let plan = PassPlan::new(model.arch());
    let steps = (plan.rings.len() + 1) * size_of::<Step>() / size_of::<u32>();
    let scratch = size_of::<Sums>() / size_of::<u32>();
    // The signed sums of a column lie beside those of a mean.
    plan.words().saturating_add(steps + scratch).saturating_add(plan.column)
}

impl<'m, 'r> Passes<'m, 'r> {
    pub(super) fn new(model: &'m Model<'m>, plan: &PassPlan, memory: &'r mut [u32]) -> Self {
        let (steps, memory) = take::<Step>(memory, plan.rings.len() + 1);
        let (columns, memory) = take(memory, plan.elements());
        let (patch, memory) = take(memory, plan.patch.div_ceil(2));
        let (column, memory) = take(memory, plan.column);
        let (sums, memory) = take(memory, 2 * plan.column);
        let (logits, memory) = take(memory, plan.classes);
        let (posteriors, memory) = take(memory, plan.classes);
        let (scratch, _) = take::<Sums>(memory, 1);
        let (mut index, mut start, mut peaks) = (0, 0, None);
        let built = model.arch().each_node(|node| {
            let step = &mut steps[index];
            *step = Step::new(node);
            if node.part == Role::Peaks {
                peaks = Some(index);
            }
            if let Some(ring) = plan.rings.get(index) {
                (step.start, step.ring) = (start, ring.columns as u32);
                step.width = ring.channels as u32;
                start += (ring.columns * ring.channels / 4) as u32;
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

    /// Computes a window up to its logits.
    pub(super) fn whole(&mut self, window: &[i16], observer: &mut impl Observer) {
        self.steps.iter_mut().for_each(|step| step.made = 0);
        for index in 0..self.steps.len() {
            if self.steps[index].does == MEAN {
                self.mean(index, window);
                // The linear layers of a gate follow its mean.
                self.pull(index + 2, 1, window, &mut None::<&mut fn(&[Q15], u64)>);
                self.start_pass();
            }
        }
        self.last_pass(window, observer);
    }

    fn start_pass(&mut self) {
        self.steps.iter_mut().filter(|step| !step.stays()).for_each(|step| step.made = 0);
    }

    fn mean(&mut self, index: usize, window: &[i16]) {
        let input = self.steps[index].reads[0] as usize;
        let width = self.steps[input].width as usize;
        self.sums[..width].fill(0);
        self.watched = input;
        let len = self.steps[input].len as usize;
        self.pull(input, len, window, &mut None::<&mut fn(&[Q15], u64)>);
        self.watched = usize::MAX;
        let layer = &self.model.layers()[index];
        let place = self.steps[index].place(0);
        for (out, sum) in self.columns[place].iter_mut().zip(&self.sums[..width]) {
            *out = limited(requantize(*sum, layer.factor(0)), layer.limit);
        }
        self.steps[index].made = 1;
    }

    fn last_pass(&mut self, window: &[i16], observer: &mut impl Observer) {
        let mut observer = Some(observer);
        if let Some(peaks) = self.peaks {
            let place = self.steps[peaks].place(0);
            self.columns[place].fill(0);
            // The deepest level first: it reads the others while their columns are new.
            for level in self.steps[peaks].reads.into_iter().rev().filter(|level| *level != NONE) {
                let len = self.steps[level as usize].len as usize;
                self.pull(level as usize, len, window, &mut observer);
            }
            self.finish_peaks(peaks);
            if let Some(observer) = &mut observer {
                let place = self.steps[peaks].place(0);
                observer.column(peaks, Part::Tail, &self.columns[place][..self.outputs(peaks)]);
            }
        }
        let classifier = self.steps.len() - 1;
        let head = classifier - 1;
        let layer = &self.model.layers()[classifier];
        for (class, logit) in self.logits.iter_mut().enumerate() {
            *logit = layer.bias(class);
        }
        let channels = layer.shape.inputs;
        for column in 0..self.steps[head].len as usize {
            self.pull(head, column + 1, window, &mut observer);
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
    fn pull(
        &mut self,
        node: usize,
        columns: usize,
        window: &[i16],
        observer: &mut Option<&mut impl Observer>,
    ) {
        while (self.steps[node].made as usize) < columns {
            let column = self.steps[node].made as usize;
            self.make(node, column, window, observer);
            self.steps[node].made += 1;
            let place = self.steps[node].place(column);
            if node == self.watched {
                for (sum, value) in self.sums.iter_mut().zip(&self.columns[place.clone()]) {
                    *sum = sum.wrapping_add((*value).into());
                }
            }
            if let Some(observer) = observer {
                self.raise_peaks(node, place.clone());
                observer.column(node, Part::Tail, &self.columns[place][..self.outputs(node)]);
            }
        }
    }

    /// Takes a new column of a level into the maxima.
    fn raise_peaks(&mut self, node: usize, place: core::ops::Range<usize>) {
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

    /// Computes the next column of a node, and what it needs for it.
    fn make(
        &mut self,
        node: usize,
        column: usize,
        window: &[i16],
        observer: &mut Option<&mut impl Observer>,
    ) {
        let step = self.steps[node];
        let place = step.place(column);
        if step.does == JOIN {
            return self.join(node, column, window, observer);
        }
        let layer = &self.model.layers()[node];
        if step.reads[0] == NONE {
            let samples = &window[column * step.stride as usize..][..step.taps as usize];
            let out = &mut self.columns[place];
            kernel::convolve_samples(layer, samples, self.patch, self.scratch, out);
            return;
        }
        let input = step.reads[0] as usize;
        let (taps, pool) = (step.taps as usize, step.pool as usize);
        let first = (column * pool) as isize - step.before as isize;
        let end = (first + (taps + pool - 1) as isize).max(0) as usize;
        self.pull(input, end.min(self.steps[input].len as usize), window, observer);
        let from = self.steps[input];
        let find = |index: usize| {
            let column = usize::try_from(first + index as isize).ok();
            column.filter(|column| *column < from.len as usize)
        };
        if step.does == RELU {
            let columns = &*self.columns;
            let reach = Reach { taps, pool, step: from.width as usize };
            let read = |index| find(index).map(|column| cast_slice(&columns[from.place(column)]));
            kernel::gather(read, false, &reach, self.patch);
            let out = &mut self.column[..step.width as usize];
            kernel::convolve(layer, &reach, self.patch, self.scratch, out);
            self.columns[place].copy_from_slice(out);
            return;
        }
        let outputs = layer.shape.outputs;
        let half = self.sums.len() / 2;
        let sums = &mut self.sums[half..][..outputs];
        for (output, sum) in sums.iter_mut().enumerate() {
            *sum = layer.bias(output);
        }
        for tap in 0..taps {
            if let Some(column) = find(tap) {
                let values = &self.columns[from.place(column)][..layer.shape.inputs];
                kernel::load(values, self.patch);
                let start = tap * from.width as usize;
                kernel::accumulate(layer, start, self.patch, self.scratch, sums);
            }
        }
        for (output, sum) in sums.iter_mut().enumerate() {
            *sum = requantize(*sum, layer.factor(output));
        }
        let out = &mut self.columns[place];
        out.fill(0);
        for (out, sum) in out.iter_mut().zip(&*sums) {
            *out = if step.does == GATE {
                let mut gate = [0];
                quant::sigmoid(&[*sum], &mut gate);
                gate[0].cast_signed()
            } else {
                limited(*sum, layer.limit)
            };
        }
    }

    /// The largest over a pool of what [`quant::join`] makes of branch, gate and shortcut.
    fn join(
        &mut self,
        node: usize,
        column: usize,
        window: &[i16],
        observer: &mut Option<&mut impl Observer>,
    ) {
        let step = self.steps[node];
        let [branch, gate, shortcut] = step.reads.map(|read| read as usize);
        let (first, pool) = (column * step.pool as usize, step.pool as usize);
        self.pull(branch, first + pool, window, observer);
        if step.reads[2] != NONE {
            self.pull(shortcut, first + pool, window, observer);
        }
        let layer = &self.model.layers()[node];
        let out = &mut self.column[..step.width as usize];
        out.fill(0);
        let gate = (step.reads[1] != NONE).then(|| self.steps[gate].place(0).start);
        for position in first..first + pool {
            let from = self.steps[branch].place(position).start;
            let added = (step.reads[2] != NONE).then(|| self.steps[shortcut].place(position).start);
            for (channel, out) in out.iter_mut().enumerate() {
                let value = |start: usize| self.columns[start + channel];
                let gate = gate.map(|gate| value(gate).cast_unsigned());
                let branch = (value(from), gate, layer.factor(0));
                let shortcut = added.map(|added| (value(added), layer.factor(1)));
                *out = (*out).max(quant::join(branch, shortcut, layer.limit));
            }
        }
        self.columns[step.place(column)].copy_from_slice(out);
    }
}

/// A value of either sign, limited.
fn limited(value: i32, limit: u16) -> i16 {
    value.clamp(-i32::from(limit), limit.into()) as i16
}
