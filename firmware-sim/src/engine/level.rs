//! The columns that one layer keeps.

use bytemuck::{Pod, cast_slice_mut};
use models::arch;
use models::q8::LevelMemory;

use crate::kernel;

/// Cuts `count` elements off the front of the memory.
pub(super) fn take<T: Pod>(memory: &mut [u32], count: usize) -> (&mut [T], &mut [u32]) {
    let words = (count * size_of::<T>()).div_ceil(size_of::<u32>());
    let (front, rest) = memory.split_at_mut(words);
    (&mut cast_slice_mut(front)[..count], rest)
}

/// Columns in 8 or 16 bits.
#[derive(Debug)]
enum Columns<'r> {
    Narrow(&'r mut [i8]),
    Wide(&'r mut [i16]),
}

/// One level: its columns, and how far the stream is.
///
/// A *place* is the index of a column in the memory: first the ring of the newest columns, then the
/// left edges by slot, then the right edge.
#[derive(Debug)]
pub(super) struct Level<'r> {
    columns: Columns<'r>,
    channels: usize,
    ring: usize,
    /// Place of the ring that the next column goes to.
    next: usize,
    left_places: usize,
    /// Columns of a window.
    pub len: usize,
    /// Columns at a window's start that are its own; 0 at levels that windows do not share.
    pub left: usize,
    /// The first column at a window's end that is its own; `len` at levels that windows do not
    /// share.
    pub right: usize,
    slots: usize,
    write_slot: usize,
    read_slot: usize,
    /// Columns to come until the next level can compute its next shared column.
    pub until_column: usize,
    /// Columns to come until the next level can compute the left edge of the next window.
    pub until_edge: usize,
    /// Columns of this window so far, at levels that windows do not share.
    pub made: usize,
}

impl<'r> Level<'r> {
    /// A level with memory from the front of `memory`, and the rest of it.
    pub(super) fn new(
        plan: &LevelMemory,
        shared: Option<&arch::Level>,
        len: usize,
        memory: &'r mut [u32],
    ) -> (Self, &'r mut [u32]) {
        let count = plan.columns() * plan.channels;
        let (columns, rest) = if plan.width == 1 {
            let (columns, rest) = take(memory, count);
            (Columns::Narrow(columns), rest)
        } else {
            let (columns, rest) = take(memory, count);
            (Columns::Wide(columns), rest)
        };
        let (left, right, slots) = shared.map_or((0, len, 0), |l| (l.left, l.right, l.slots));
        let level = Self {
            columns,
            channels: plan.channels,
            ring: plan.ring,
            next: 0,
            left_places: plan.left,
            len,
            left,
            right,
            slots,
            write_slot: 0,
            read_slot: 0,
            until_column: 0,
            until_edge: 0,
            made: 0,
        };
        (level, rest)
    }

    pub(super) fn reset(&mut self) {
        (self.next, self.made) = (0, 0);
        (self.write_slot, self.read_slot) = (0, 0);
    }

    /// Forgets the columns of the window before, at levels that windows do not share.
    pub(super) fn restart(&mut self) {
        (self.next, self.made) = (0, 0);
    }

    /// Puts a column into the ring.
    pub(super) fn push(&mut self, values: &[i16]) {
        self.write(self.next, values);
        self.next = if self.next + 1 == self.ring { 0 } else { self.next + 1 };
    }

    /// Keeps column `index` of the left edge of the window whose turn it is.
    pub(super) fn keep_left(&mut self, index: usize, values: &[i16]) {
        self.write(self.ring + self.write_slot * self.left + index, values);
        if index + 1 == self.left {
            self.write_slot = (self.write_slot + 1) % self.slots;
        }
    }

    /// Keeps column `index` of the window that ends.
    pub(super) fn keep_right(&mut self, index: usize, values: &[i16]) {
        self.write(self.ring + self.left_places + index - self.right, values);
    }

    /// The left edges of the oldest window were used.
    pub(super) fn drop_left(&mut self) {
        if self.slots > 0 {
            self.read_slot = (self.read_slot + 1) % self.slots;
        }
    }

    /// Place of the column that is `back` columns older than the newest.
    fn place(&self, back: usize) -> usize {
        let behind = back + 1;
        if self.next >= behind { self.next - behind } else { self.next + self.ring - behind }
    }

    /// Place of column `index` of the oldest window, where `newest` is the newest column in the
    /// ring; `None` is padding.
    fn find(&self, index: isize, newest: usize) -> Option<usize> {
        let index = usize::try_from(index).ok().filter(|index| *index < self.len)?;
        Some(if index < self.left {
            self.ring + self.read_slot * self.left + index
        } else if index >= self.right {
            self.ring + self.left_places + index - self.right
        } else {
            self.place(newest - index)
        })
    }

    /// Gathers the `patch.len() / step` newest columns of the stream.
    pub(super) fn gather_newest(&self, patch: &mut [i16], step: usize) {
        let count = patch.len() / step;
        for (back, column) in (0..count).rev().zip(patch.chunks_exact_mut(step)) {
            self.read(self.place(back), column);
        }
    }

    /// Gathers columns from `first` on of the oldest window, where `newest` is the newest column
    /// in the ring.
    pub(super) fn gather(&self, first: isize, newest: usize, patch: &mut [i16], step: usize) {
        for (index, column) in (first..).zip(patch.chunks_exact_mut(step)) {
            match self.find(index, newest) {
                Some(place) => self.read(place, column),
                None => column.fill(0),
            }
        }
    }

    /// The newest column of the ring when a window ends.
    pub(super) const fn newest(&self, shared: bool) -> usize {
        let columns = if shared { self.right } else { self.made };
        columns.saturating_sub(1)
    }

    fn read(&self, place: usize, out: &mut [i16]) {
        let range = place * self.channels..(place + 1) * self.channels;
        match &self.columns {
            Columns::Narrow(all) => kernel::load_narrow(&all[range], out),
            Columns::Wide(all) => kernel::load(&all[range], out),
        }
    }

    fn write(&mut self, place: usize, values: &[i16]) {
        let range = place * self.channels..(place + 1) * self.channels;
        match &mut self.columns {
            Columns::Narrow(all) => {
                // The layer's limit keeps the values of a narrow level within 8 bits.
                all[range].iter_mut().zip(values).for_each(|(out, value)| *out = *value as i8);
            }
            Columns::Wide(all) => all[range].copy_from_slice(values),
        }
    }
}
