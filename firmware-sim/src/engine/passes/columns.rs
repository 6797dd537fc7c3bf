//! How a column is computed from others.

use bytemuck::cast_slice;
use models::quant::{self, requantize};

use super::Passes;
use super::step::{GATE, JOIN, NONE, RELU};
use crate::engine::observer::Observer;
use crate::kernel::{self, Reach};

impl Passes<'_, '_> {
    /// Computes the next column of a node, and what it needs for it.
    pub(super) fn make(
        &mut self,
        node: usize,
        column: usize,
        window: &[i16],
        observer: &mut impl Observer,
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
    fn join(&mut self, node: usize, column: usize, window: &[i16], observer: &mut impl Observer) {
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
pub(super) fn limited(value: i32, limit: u16) -> i16 {
    value.clamp(-i32::from(limit), limit.into()) as i16
}
