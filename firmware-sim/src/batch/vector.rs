//! What is done to sums and columns vector by vector, whatever vectors a machine has.
//!
//! Values of a column are computed independently of each other, so that a vector may begin at any of them: the last
//! one of a column that holds no whole number of vectors begins earlier, and computes some values twice.
#![allow(unsafe_code)]

use models::quant::{Factor, JOIN_BITS};

use super::join::Join;
use super::layer::Tile;
use super::mean::Sums;
use super::{Values, ValuesMut};

/// As many integers of 32 bits as a vector of a machine holds. Sums and products wrap around.
///
/// # Safety
/// All of it needs the machine's instructions. Pointers are to [`Lanes::COUNT`] values.
pub(super) trait Lanes: Copy {
    /// How many.
    const COUNT: usize;
    /// What [`Lanes::requantize`] multiplies with.
    type Factors;

    unsafe fn splat(value: i32) -> Self;
    unsafe fn load(from: *const i32) -> Self;
    unsafe fn load_u8(from: *const u8) -> Self;
    unsafe fn load_u16(from: *const u16) -> Self;
    unsafe fn load_i16(from: *const i16) -> Self;
    unsafe fn store(self, to: *mut i32);
    /// Stores values from 0 to 127.
    unsafe fn store_u8(self, to: *mut u8);
    /// Stores values that 16 bits hold.
    unsafe fn store_i16(self, to: *mut i16);

    unsafe fn add(self, other: Self) -> Self;
    unsafe fn multiply(self, other: Self) -> Self;
    unsafe fn max(self, other: Self) -> Self;
    unsafe fn min(self, other: Self) -> Self;
    /// Half of the sum, rounded down, whatever the sum is.
    unsafe fn halved_sum(self, other: Self) -> Self;
    /// What is left without all but one of the [`JOIN_BITS`].
    unsafe fn without_fraction(self) -> Self;

    /// `multipliers / 2^shifts`, for results from `-limit` to `limit`.
    unsafe fn factors(multipliers: Self, shifts: Self, limit: i32) -> Self::Factors;
    /// See [`models::quant::requantize`]; what exceeds the limit on either side becomes the limit.
    unsafe fn requantize(self, by: &Self::Factors) -> Self;
}

/// What is done to columns, padding included.
pub(super) trait Pass {
    /// Values of a column that is made.
    fn width(&self) -> usize;

    /// Does it one value at a time.
    fn plain(self);

    /// Does it with vectors, of which a column holds at least one.
    ///
    /// # Safety
    /// The machine has these vectors.
    unsafe fn vectors<L: Lanes>(self);
}

/// Where the vectors of a column begin.
///
/// # Panics
/// If the column does not hold one.
#[inline(always)]
fn starts<L: Lanes>(width: usize) -> impl Iterator<Item = usize> + Clone {
    assert!(width >= L::COUNT, "a column holds a vector");
    (0..width).step_by(L::COUNT).map(move |start| start.min(width - L::COUNT))
}

/// # Safety
/// The machine has these vectors, and there are as many values from `at` on as one holds.
#[inline(always)]
unsafe fn load<L: Lanes>(values: Values<'_>, at: usize) -> L {
    // SAFETY: as the caller says.
    unsafe {
        match values {
            Values::Narrow(values) => L::load_u8(values.as_ptr().add(at)),
            Values::Wide(values) => L::load_i16(values.as_ptr().add(at)),
        }
    }
}

/// # Safety
/// As for [`load`].
#[inline(always)]
unsafe fn store<L: Lanes>(values: L, out: &mut ValuesMut<'_>, at: usize) {
    // SAFETY: as the caller says.
    unsafe {
        match out {
            ValuesMut::Narrow(out) => values.store_u8(out.as_mut_ptr().add(at)),
            ValuesMut::Wide(out) => values.store_i16(out.as_mut_ptr().add(at)),
        }
    }
}

impl Pass for Tile<'_> {
    fn width(&self) -> usize {
        self.column
    }

    fn plain(self) {
        self.one_by_one();
    }

    #[inline(always)]
    unsafe fn vectors<L: Lanes>(mut self) {
        let (width, columns) = (self.scales.biases.len(), self.out.len() / self.column);
        let (multipliers, shifts) = (&self.scales.multipliers, &self.scales.shifts);
        assert!(self.column <= width && multipliers.len() == width && shifts.len() == width);
        assert!(self.pool > 0 && self.sums.len() >= columns * self.pool * width);
        for at in starts::<L>(self.column) {
            // SAFETY: the machine is the caller's matter. A vector from `at` on lies within a column, which is no
            // longer than a row of sums, and so within biases, multipliers and shifts; `sums` holds the rows of all
            // columns.
            unsafe {
                let bias = L::load(self.scales.biases.as_ptr().add(at));
                let multipliers = L::load(multipliers.as_ptr().add(at));
                let shifts = L::load(shifts.as_ptr().add(at).cast());
                let factors = L::factors(multipliers, shifts, self.limit.into());
                let least = L::splat(if self.signed { i32::MIN } else { 0 });
                for column in 0..columns {
                    let rows = self.sums.as_ptr().add(column * self.pool * width + at);
                    let mut largest = L::load(rows);
                    for row in 1..self.pool {
                        largest = largest.max(L::load(rows.add(row * width)));
                    }
                    let value = largest.add(bias).max(least).requantize(&factors);
                    store(value, &mut self.out, column * self.column + at);
                }
            }
        }
    }
}

impl Pass for Join<'_> {
    fn width(&self) -> usize {
        self.by.column
    }

    fn plain(self) {
        self.one_by_one();
    }

    /// Both parts together may need one bit more than there are, and their sum's lowest bit changes nothing that
    /// [`models::quant::join`] rounds: half of it is taken, rounded down.
    #[inline(always)]
    unsafe fn vectors<L: Lanes>(mut self) {
        let (width, pool) = (self.by.column, self.by.pool);
        let columns = self.out.len() / width;
        let (branch, gate) = (self.operands.branch, self.operands.gate);
        let shortcut = self.operands.shortcut.zip(self.by.shortcut);
        assert!(branch.len() >= columns * pool * width, "the branch has all columns");
        assert!(shortcut.is_none_or(|(values, _)| values.len() >= columns * pool * width));
        assert!(gate.is_none_or(|gate| gate.len() >= width), "there is a gate for each value");
        let starts = starts::<L>(width);
        // SAFETY: the machine is the caller's matter. A vector from one of `starts` on lies within a column, and branch,
        // shortcut and gate have all that are read.
        unsafe {
            let factor = same::<L>(self.by.branch);
            let shortcut = shortcut.map(|(values, factor)| (values, same::<L>(factor)));
            let (nothing, open) = (L::splat(0), L::splat(1));
            let most = L::splat(i32::from(self.by.limit) << (JOIN_BITS - 1));
            let half = L::splat(1 << (JOIN_BITS - 2));
            for column in 0..columns {
                for at in starts.clone() {
                    let gate = match gate {
                        Some(gate) => L::load_u16(gate.as_ptr().add(at)),
                        None => open,
                    };
                    let mut largest = nothing;
                    for position in column * pool..(column + 1) * pool {
                        let place = position * width + at;
                        let part = load::<L>(branch, place).multiply(gate).requantize(&factor);
                        let added = match &shortcut {
                            Some((values, factor)) => load::<L>(*values, place).requantize(factor),
                            None => nothing,
                        };
                        largest = largest.max(part.halved_sum(added));
                    }
                    let value = largest.min(most).add(half).without_fraction();
                    store(value, &mut self.out, column * width + at);
                }
            }
        }
    }
}

/// A factor in all lanes, for results that an `i32` holds.
///
/// # Safety
/// The machine has these vectors.
#[inline(always)]
unsafe fn same<L: Lanes>(factor: Factor) -> L::Factors {
    // SAFETY: as the caller says.
    unsafe { L::factors(L::splat(factor.multiplier), L::splat(factor.shift.into()), i32::MAX) }
}

impl Pass for Sums<'_> {
    fn width(&self) -> usize {
        self.sums.len()
    }

    fn plain(self) {
        self.one_by_one();
    }

    #[inline(always)]
    unsafe fn vectors<L: Lanes>(self) {
        let width = self.sums.len();
        for at in starts::<L>(width) {
            // SAFETY: the machine is the caller's matter. A vector from `at` on lies within a column, of which the values
            // are whole ones.
            unsafe {
                let mut sum = L::splat(0);
                for column in 0..self.values.len() / width {
                    sum = sum.add(load(self.values, column * width + at));
                }
                sum.store(self.sums.as_mut_ptr().add(at));
            }
        }
    }
}
