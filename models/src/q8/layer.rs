//! The numbers of one layer, in place.

use super::{MAX_LIMIT, Shape};
use crate::quant::Factor;

/// The numbers of one layer.
#[derive(Clone, Copy)]
pub struct Layer<'a> {
    /// Rows, taps and inputs.
    pub shape: Shape,
    /// What one unit of the output stands for. Of the classifier: of a logit to base e.
    pub scale: f32,
    /// The largest output behind the ReLU; it needs 8 bits up to 127, 16 beyond.
    pub limit: u16,
    /// The least of all shifts.
    least_shift: u8,
    /// Weights, biases, multipliers and shifts, as [`Shape`] describes them.
    data: &'a [u8],
}

impl<'a> Layer<'a> {
    /// A layer of which only the body's part is known.
    pub(super) const fn new(scale: f32, limit: u16) -> Self {
        let shape = Shape { outputs: 0, taps: 0, inputs: 0 };
        Self { shape, scale, limit, least_shift: 0, data: &[] }
    }

    /// Fills in a layer's numbers; false if something is out of range.
    pub(super) fn fill(&mut self, shape: Shape, data: &'a [u8]) -> bool {
        (self.shape, self.data, self.least_shift) = (shape, data, u8::MAX);
        for output in 0..shape.outputs {
            let factor = self.factor(output);
            if !factor.is_valid() {
                return false;
            }
            self.least_shift = self.least_shift.min(factor.shift);
        }
        let positive = self.scale.is_finite() && self.scale > 0.0;
        positive && self.limit > 0 && self.limit <= MAX_LIMIT
    }

    /// Bytes of all numbers.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Bits that an output needs.
    #[must_use]
    pub const fn bits(&self) -> u32 {
        if self.limit <= i8::MAX as u16 { 8 } else { 16 }
    }

    /// The least shift of all outputs' factors.
    #[must_use]
    pub const fn least_shift(&self) -> u8 {
        self.least_shift
    }

    /// All numbers, as [`Shape`] describes them.
    #[must_use]
    #[inline]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// All rows of weights (`i8`), one after the other.
    #[must_use]
    #[inline]
    pub fn weights(&self) -> &'a [u8] {
        &self.data[..self.biases_at()]
    }

    /// All biases, each 4 bytes, little-endian.
    #[must_use]
    #[inline]
    pub fn biases(&self) -> &'a [u8] {
        &self.data[self.biases_at()..][..4 * self.shape.outputs]
    }

    /// All multipliers, each 4 bytes, little-endian.
    #[must_use]
    #[inline]
    pub fn multipliers(&self) -> &'a [u8] {
        &self.data[self.biases_at() + 4 * self.shape.outputs..][..4 * self.shape.outputs]
    }

    /// All shifts, a byte each, and padding.
    #[must_use]
    #[inline]
    pub fn shifts(&self) -> &'a [u8] {
        &self.data[self.biases_at() + 8 * self.shape.outputs..]
    }

    const fn biases_at(&self) -> usize {
        self.shape.outputs * self.shape.row()
    }

    /// The weights of one output, as `i8`.
    ///
    /// # Panics
    /// If there is no such output.
    #[must_use]
    #[inline]
    pub fn row(&self, output: usize) -> &'a [u8] {
        let row = self.shape.row();
        &self.weights()[output * row..][..row]
    }

    /// What the sum of an output starts with.
    ///
    /// # Panics
    /// If there is no such output.
    #[must_use]
    #[inline]
    pub fn bias(&self, output: usize) -> i32 {
        word(self.biases(), output)
    }

    /// What brings the sum of an output to the scale of the layer's outputs.
    ///
    /// # Panics
    /// If there is no such output.
    #[must_use]
    #[inline]
    pub fn factor(&self, output: usize) -> Factor {
        Factor { multiplier: word(self.multipliers(), output), shift: self.shifts()[output] }
    }
}

#[inline]
pub(super) fn word(bytes: &[u8], index: usize) -> i32 {
    let [a, b, c, d] = bytes.as_chunks().0[index];
    i32::from_le_bytes([a, b, c, d])
}
