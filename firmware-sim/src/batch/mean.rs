//! Means over all columns.

use std::vec;

use models::q8::Layer;
use models::quant::{Factor, requantize};

use super::{Machine, Values};

/// The mean of each channel over all columns, which the layer's factor holds one over the number of.
#[derive(Clone, Copy, Debug)]
pub struct BatchMean {
    pub(super) machine: Machine,
    pub(super) factor: Factor,
    pub(super) limit: u16,
}

/// Columns, and the sums over them, which are as many as a column has values.
pub(super) struct Sums<'a> {
    pub(super) values: Values<'a>,
    pub(super) sums: &'a mut [i32],
}

impl BatchMean {
    /// Of this layer.
    #[must_use]
    pub fn new(layer: &Layer<'_>) -> Self {
        Self { machine: Machine::detect(), factor: layer.factor(0), limit: layer.limit }
    }

    /// The means of columns of as many values as `out` has, from `-limit` to `limit`.
    pub fn column(&self, inputs: Values<'_>, out: &mut [i16]) {
        let mut sums = vec![0; out.len()];
        self.machine.run(Sums { values: inputs, sums: &mut sums });
        let limit = i32::from(self.limit);
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = requantize(sum, self.factor).clamp(-limit, limit) as i16;
        }
    }
}

impl Sums<'_> {
    /// Adds one value after the other.
    pub(super) fn one_by_one(self) {
        let width = self.sums.len();
        self.sums.fill(0);
        for place in 0..self.values.len() {
            let sum = &mut self.sums[place % width];
            *sum = sum.wrapping_add(self.values.at(place).into());
        }
    }
}
