//! Layers on many columns at a time, for hosts: the same integers as [`crate::Engine`], in the order in which a
//! computer is fastest.
//!
//! Columns lie one after the other, each padded with zeros to whole groups of four values: of bytes where
//! the layer that made them has 8 bits, of `i16` where it has 16. The inputs of one row of the product
//! are consecutive columns, so rows overlap and nothing is copied.

#[cfg(target_arch = "aarch64")]
mod arm;
mod pack;
mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::vec::Vec;

use models::q8::{Layer, padded};
use models::quant::{Factor, requantize};

use pack::Weights;

/// Values of columns.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Of layers with 8 bits: 0 to 127.
    Narrow(&'a [u8]),
    /// Samples, or of layers with 16 bits.
    Wide(&'a [i16]),
}

/// Room for values of columns.
#[derive(Debug)]
pub enum ValuesMut<'a> {
    /// For 8 bits.
    Narrow(&'a mut [u8]),
    /// For 16 bits.
    Wide(&'a mut [i16]),
}

/// Rows of a product.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Values from the first input of a row to that of the next one.
    pub step: usize,
    /// Rows that one column of the output is the largest of.
    pub pool: usize,
}

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
pub(crate) struct Scales {
    biases: Vec<i32>,
    multipliers: Vec<i32>,
    shifts: Vec<u32>,
}

/// The instructions to compute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    /// Those that every machine has.
    Plain,
    /// AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// NEON.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// NEON with SDOT.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

impl Machine {
    /// The best that this machine has.
    fn detect() -> Self {
        Self::all().pop().unwrap_or(Self::Plain)
    }

    /// All that this machine has, the best last.
    fn all() -> Vec<Self> {
        let mut all = std::vec![Self::Plain];
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx2") {
                all.push(Self::Avx2);
            }
            if has!("avx512f") && has!("avx512bw") && has!("avx512vnni") {
                all.push(Self::Avx512Vnni);
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            all.push(Self::Neon);
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                all.push(Self::NeonDot);
            }
        }
        all
    }
}

impl BatchLayer {
    /// Packs the weights of a layer whose inputs have 8 bits (`narrow`) or 16.
    #[must_use]
    pub fn new(layer: &Layer<'_>, narrow: bool) -> Self {
        Self::on(Machine::detect(), layer, narrow)
    }

    fn on(machine: Machine, layer: &Layer<'_>, narrow: bool) -> Self {
        let outputs = layer.shape.outputs;
        let blocks = outputs.next_multiple_of(pack::BLOCK);
        // Outputs that are none come out as 0.
        let none = Factor { multiplier: 0, shift: 62 };
        let factor = |output| if output < outputs { layer.factor(output) } else { none };
        let bias = |output| if output < outputs { layer.bias(output) } else { 0 };
        Self {
            machine,
            weights: Weights::new(machine, layer, narrow),
            outputs,
            limit: layer.limit,
            scales: Scales {
                biases: (0..blocks).map(bias).collect(),
                multipliers: (0..blocks).map(|output| factor(output).multiplier).collect(),
                shifts: (0..blocks).map(|output| factor(output).shift.into()).collect(),
            },
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
        match out {
            ValuesMut::Narrow(out) => self.each_tile(inputs, rows, out.len(), |from, to, tile| {
                tile.narrow(&mut out[from..to]);
            }),
            ValuesMut::Wide(out) => self.each_tile(inputs, rows, out.len(), |from, to, tile| {
                tile.wide(&mut out[from..to]);
            }),
        }
    }

    /// The same without ReLU, limit and pooling: `value` makes a value of each sum, at the scale of the outputs. Rows lie
    /// `step` values apart.
    ///
    /// # Panics
    /// As [`BatchLayer::columns`].
    pub fn signed_columns(
        &self,
        inputs: Values<'_>,
        step: usize,
        out: &mut [i16],
        value: impl Fn(i32) -> i16,
    ) {
        let Scales { biases, multipliers, shifts } = &self.scales;
        let width = biases.len();
        self.each_tile(inputs, Rows { step, pool: 1 }, out.len(), |from, to, tile| {
            let columns = out[from..to].chunks_exact_mut(self.column());
            for (sums, out) in tile.sums.chunks_exact(width).zip(columns) {
                for (output, out) in out[..self.outputs].iter_mut().enumerate() {
                    let shift = shifts[output] as u8;
                    let factor = Factor { multiplier: multipliers[output], shift };
                    *out = value(requantize(sums[output].wrapping_add(biases[output]), factor));
                }
            }
        });
    }

    fn each_tile(
        &self,
        inputs: Values<'_>,
        rows: Rows,
        len: usize,
        mut each: impl FnMut(usize, usize, &mut Tile<'_>),
    ) {
        let columns = len / self.column();
        let at_once = (TILE / rows.pool).max(1);
        let blocks = self.scales.biases.len();
        let mut sums = std::vec![0i32; at_once.min(columns.max(1)) * rows.pool * blocks];
        let mut column = 0;
        while column < columns {
            let count = at_once.min(columns - column);
            let sums = &mut sums[..count * rows.pool * blocks];
            self.weights.multiply(inputs, column * rows.pool * rows.step, rows.step, sums);
            let mut tile = Tile { layer: self, sums, pool: rows.pool };
            each(column * self.column(), (column + count) * self.column(), &mut tile);
            column += count;
        }
    }
}

/// Sums of a few rows, row by row.
struct Tile<'a> {
    layer: &'a BatchLayer,
    sums: &'a mut [i32],
    pool: usize,
}

impl Tile<'_> {
    fn narrow(&mut self, out: &mut [u8]) {
        self.pooled(
            |values, out: &mut [u8]| {
                for (out, value) in out.iter_mut().zip(values) {
                    *out = *value as u8;
                }
            },
            out,
        );
    }

    fn wide(&mut self, out: &mut [i16]) {
        self.pooled(
            |values, out: &mut [i16]| {
                for (out, value) in out.iter_mut().zip(values) {
                    *out = *value as i16;
                }
            },
            out,
        );
    }

    /// Pools the rows of each column, brings them to the scale of the outputs, and stores them.
    fn pooled<T>(&mut self, store: impl Fn(&[i32], &mut [T]), out: &mut [T]) {
        let (scales, limit) = (&self.layer.scales, self.layer.limit.into());
        let width = scales.biases.len();
        let columns = self.sums.chunks_exact_mut(self.pool * width);
        for (sums, out) in columns.zip(out.chunks_exact_mut(self.layer.column())) {
            let (first, rest) = sums.split_at_mut(width);
            match self.layer.machine {
                Machine::Plain => plain::pool_and_requantize(first, rest, scales, limit),
                #[cfg(target_arch = "x86_64")]
                machine => x86::pool_and_requantize(machine, first, rest, scales, limit),
                #[cfg(target_arch = "aarch64")]
                _ => arm::pool_and_requantize(first, rest, scales, limit),
            }
            store(first, out);
        }
    }
}

#[cfg(test)]
mod tests;
