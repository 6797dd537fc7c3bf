//! Convolutions and linear layers.

use std::vec;
use std::vec::Vec;

use models::q8::{Layer, padded};
use models::quant::{Factor, requantize, requantize_relu, sigmoid};
use models::stream::Q15;

use super::pack::{BLOCK, Weights};
use super::{Machine, Rows, Values, ValuesMut};

/// Rows that are computed before they are pooled.
const TILE: usize = 24;

/// A layer with its weights in the order of this machine's instructions.
#[derive(Debug)]
pub struct BatchLayer {
    machine: Machine,
    weights: Weights,
    outputs: usize,
    limit: u16,
    /// Bias and factor of each output, padded to whole blocks.
    scales: Scales,
}

/// What brings sums to outputs.
#[derive(Debug)]
pub(super) struct Scales {
    pub(super) biases: Vec<i32>,
    pub(super) multipliers: Vec<i32>,
    pub(super) shifts: Vec<u32>,
}

/// Sums of a few rows, row by row, and where the values go that come of them.
pub(super) struct Tile<'a> {
    pub(super) sums: &'a [i32],
    pub(super) scales: &'a Scales,
    /// Rows that one column of the output is the largest of.
    pub(super) pool: usize,
    /// The largest value.
    pub(super) limit: u16,
    /// Whether the least value is `-limit`, not 0.
    pub(super) signed: bool,
    /// Values of a column of the output, padding included.
    pub(super) column: usize,
    pub(super) out: ValuesMut<'a>,
}

impl BatchLayer {
    /// Packs the weights of a layer whose inputs have 8 bits (`narrow`) or 16.
    #[must_use]
    pub fn new(layer: &Layer<'_>, narrow: bool) -> Self {
        Self::on(Machine::detect(), layer, narrow)
    }

    pub(super) fn on(machine: Machine, layer: &Layer<'_>, narrow: bool) -> Self {
        let outputs = layer.shape.outputs;
        let scale = |output| (layer.bias(output), layer.factor(output));
        Self {
            machine,
            weights: Weights::new(machine, layer, narrow),
            outputs,
            limit: layer.limit,
            scales: Scales::new((0..outputs).map(scale)),
        }
    }

    /// Values of a column of the output, padding included.
    #[must_use]
    pub const fn column(&self) -> usize {
        padded(self.outputs)
    }

    /// Computes as many columns as fit into `out`.
    ///
    /// # Panics
    /// If `inputs` is too short for them, or of another width than the layer was packed for.
    pub fn columns(&self, inputs: Values<'_>, rows: Rows, out: ValuesMut<'_>) {
        self.each_tile(inputs, rows, false, out);
    }

    /// The same without ReLU and pooling: values of both signs, from `-limit` to `limit`. Rows lie `step` values apart.
    ///
    /// # Panics
    /// As [`BatchLayer::columns`].
    pub fn signed_columns(&self, inputs: Values<'_>, step: usize, out: &mut [i16]) {
        self.each_tile(inputs, Rows { step, pool: 1 }, true, ValuesMut::Wide(out));
    }

    /// The gates that one row of inputs makes: sigmoids of logits, padded with zeros.
    ///
    /// # Panics
    /// As [`BatchLayer::columns`], or if `out` is no column.
    pub fn gates(&self, inputs: Values<'_>, out: &mut [Q15]) {
        let mut sums = vec![0; self.scales.biases.len()];
        self.weights.multiply(inputs, 0, 0, &mut sums);
        let (gates, padding) = out.split_at_mut(self.outputs);
        let logits = sums.iter().enumerate().take(self.outputs);
        let logits = logits.map(|(output, sum)| self.scales.value(output, *sum));
        sigmoid(&logits.collect::<Vec<i32>>(), gates);
        padding.fill(0);
    }

    fn each_tile(&self, inputs: Values<'_>, rows: Rows, signed: bool, mut out: ValuesMut<'_>) {
        let (scales, limit) = (&self.scales, self.limit);
        let (column, width) = (self.column(), scales.biases.len());
        let columns = out.len() / column;
        let at_once = (TILE / rows.pool).min(columns).max(1);
        let mut sums = vec![0i32; at_once * rows.pool * width];
        for first in (0..columns).step_by(at_once) {
            let last = (first + at_once).min(columns);
            let sums = &mut sums[..(last - first) * rows.pool * width];
            self.weights.multiply(inputs, first * rows.pool * rows.step, rows.step, sums);
            let out = out.part(first * column..last * column);
            self.machine.run(Tile { sums, scales, pool: rows.pool, limit, signed, column, out });
        }
    }
}

impl Scales {
    /// Of outputs with these biases and factors.
    pub(super) fn new(outputs: impl Iterator<Item = (i32, Factor)>) -> Self {
        let mut outputs: Vec<_> = outputs.collect();
        // Outputs that are none come out as 0.
        let none = (0, Factor { multiplier: 0, shift: 62 });
        outputs.resize(outputs.len().next_multiple_of(BLOCK), none);
        Self {
            biases: outputs.iter().map(|(bias, _)| *bias).collect(),
            multipliers: outputs.iter().map(|(_, factor)| factor.multiplier).collect(),
            shifts: outputs.iter().map(|(_, factor)| factor.shift.into()).collect(),
        }
    }

    fn factor(&self, output: usize) -> Factor {
        Factor { multiplier: self.multipliers[output], shift: self.shifts[output] as u8 }
    }

    /// What comes of an output's sum, at the scale of the outputs.
    fn value(&self, output: usize, sum: i32) -> i32 {
        requantize(sum.wrapping_add(self.biases[output]), self.factor(output))
    }
}

impl Tile<'_> {
    /// Makes the values one after the other.
    pub(super) fn one_by_one(mut self) {
        let width = self.scales.biases.len();
        let limit = i32::from(self.limit);
        for (column, rows) in self.sums.chunks_exact(self.pool * width).enumerate() {
            for output in 0..self.column {
                let sums = rows[output..].iter().step_by(width).copied();
                let largest = sums.fold(i32::MIN, i32::max);
                let value = if self.signed {
                    self.scales.value(output, largest).clamp(-limit, limit) as i16
                } else {
                    let sum = largest.wrapping_add(self.scales.biases[output]);
                    requantize_relu(sum, self.scales.factor(output), self.limit)
                };
                self.out.set(column * self.column + output, value);
            }
        }
    }
}
