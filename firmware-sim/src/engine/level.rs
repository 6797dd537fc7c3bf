//! The columns that one layer keeps.

use bytemuck::{Pod, Zeroable, cast_slice_mut};
use models::arch;
use models::q8::LevelMemory;

use crate::kernel::{self, Reach};

/// Cuts `count` elements off the front of the memory.
pub(super) fn take<T: Pod>(memory: &mut [u32], count: usize) -> (&mut [T], &mut [u32]) {
    let words = (count * size_of::<T>()).div_ceil(size_of::<u32>());
    let (front, rest) = memory.split_at_mut(words);
    (&mut cast_slice_mut(front)[..count], rest)
}

/// One level: where its columns lie, and how far the stream is.
///
/// A *place* is the index of a column in the level's memory: first the ring of the newest columns, then the
/// left edges by slot, then the right edge.
///
/// Levels lie in the engine's memory, which is not longer than 2^32 words: all numbers are of 32 bits.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Level {
    /// The first word of its columns in the memory of all of them.
    start: u32,
    /// Words of a column.
    words: u32,
    /// Whether values have 8 bits instead of 16: 1 or 0.
    narrow: u32,
    ring: u32,
    /// Place of the ring that the next column goes to.
    next: u32,
    /// Columns of a window.
    len: u32,
    /// Columns at a window's start that are its own; 0 at levels that windows do not share.
    left: u32,
    /// The first column at a window's end that is its own; `len` at levels that windows do not
    /// share.
    right: u32,
    /// Windows whose left edges are kept.
    slots: u32,
    write_slot: u32,
    read_slot: u32,
    /// Columns between the starts of two windows.
    per_hop: u32,
    /// Column of the level before whose arrival lets a window's left edge be computed.
    needs: u32,
    /// Columns to come until the next level can compute its next shared column.
    until_column: u32,
    /// Columns to come until the next level can compute the left edge of the next window.
    until_edge: u32,
    /// Columns of this window so far, at levels that windows do not share.
    made: u32,
}

impl Level {
    /// A level whose columns lie from word `start` on.
    pub(super) fn new(
        plan: &LevelMemory,
        shared: Option<&arch::Level>,
        hop: usize,
        start: usize,
    ) -> Self {
        let word = |number: usize| number as u32;
        let mut level = Self {
            start: word(start),
            words: word(plan.channels * plan.width / size_of::<u32>()),
            narrow: u32::from(plan.width == 1),
            ring: word(plan.ring),
            len: word(plan.len),
            right: word(plan.len),
            ..Self::zeroed()
        };
        if let Some(shared) = shared {
            (level.left, level.right) = (word(shared.left), word(shared.right));
            (level.slots, level.needs) = (word(shared.slots), word(shared.needs));
            level.per_hop = word(hop / shared.stride);
        }
        level
    }

    /// The start of a stream. The next level is that behind `block`, if windows share it.
    pub(super) fn reset(&mut self, next: Option<(&Self, &arch::Block)>) {
        self.restart();
        (self.write_slot, self.read_slot) = (0, 0);
        (self.until_column, self.until_edge) = (0, 0);
        if let Some((next, block)) = next {
            let (_, after) = block.padding();
            // Where there are no left edges, nothing waits for them.
            self.until_edge = if next.left > 0 { next.needs + 1 - self.left } else { 0 };
            self.until_column = (next.left + 1) * u32::from(block.pool) + after as u32 - self.left;
        }
    }

    /// Forgets the columns of the window before, at levels that windows do not share.
    pub(super) const fn restart(&mut self) {
        (self.next, self.made) = (0, 0);
    }

    /// Columns of a window.
    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    /// Columns at a window's start that are its own.
    pub(super) const fn left(&self) -> usize {
        self.left as usize
    }

    /// The first column at a window's end that is its own.
    pub(super) const fn right(&self) -> usize {
        self.right as usize
    }

    /// Columns of this window so far, at levels that windows do not share.
    pub(super) const fn made(&self) -> usize {
        self.made as usize
    }

    /// Column of the level before whose arrival lets a window's left edge be computed.
    pub(super) const fn needs(&self) -> usize {
        self.needs as usize
    }

    /// Another column of this window will be there.
    pub(super) const fn make(&mut self) {
        self.made += 1;
    }

    /// Shared columns that can come before the next level has something to do, and that lie side by
    /// side in the ring; at least one.
    pub(super) fn calm(&self) -> usize {
        let edge = if self.until_edge > 0 { self.until_edge } else { u32::MAX };
        let column = if self.until_column > 0 { self.until_column } else { u32::MAX };
        (self.ring - self.next).min(edge).min(column) as usize
    }

    /// Whether the next level can compute a shared column now that `count` more of this level are there;
    /// then it next can after `pool` more.
    pub(super) fn completes_column(&mut self, count: usize, pool: impl FnOnce() -> u8) -> bool {
        self.until_column -= count as u32;
        let complete = self.until_column == 0;
        if complete {
            self.until_column = pool().into();
        }
        complete
    }

    /// Whether the next level can compute the left edge of a window now that `count` more columns are
    /// there.
    pub(super) const fn completes_edge(&mut self, count: usize) -> bool {
        self.until_edge -= count as u32;
        let complete = self.until_edge == 0;
        if complete {
            self.until_edge = self.per_hop;
        }
        complete
    }

    /// Place of the ring that the next `count` columns go to, up to its end.
    pub(super) const fn next_places(&mut self, count: usize) -> usize {
        let place = self.next;
        let end = place + count as u32;
        self.next = if end == self.ring { 0 } else { end };
        place as usize
    }

    /// Place of the ring that the next column goes to.
    pub(super) const fn next_place(&mut self) -> usize {
        self.next_places(1)
    }

    /// Place of column `index` of the left edge of the window whose turn it is.
    pub(super) const fn left_place(&self, index: usize) -> usize {
        (self.ring + self.write_slot * self.left) as usize + index
    }

    /// The left edge of a window is complete.
    pub(super) const fn keep_left(&mut self) {
        self.write_slot = (self.write_slot + 1) % self.slots;
    }

    /// Place of column `index` of the right edge of the window that ends.
    pub(super) const fn right_place(&self, index: usize) -> usize {
        (self.ring + self.left * self.slots) as usize + index - self.right as usize
    }

    /// The left edges of the oldest window were used.
    pub(super) const fn drop_left(&mut self) {
        if self.slots > 0 {
            self.read_slot = (self.read_slot + 1) % self.slots;
        }
    }

    /// Place of the column that is `back` columns older than the newest.
    const fn place(&self, back: usize) -> usize {
        let (next, behind) = (self.next as usize, back + 1);
        if next >= behind { next - behind } else { next + self.ring as usize - behind }
    }

    /// Place of column `index` of the oldest window, where `newest` is the newest column in the
    /// ring; `None` is padding.
    fn find(&self, index: isize, newest: usize) -> Option<usize> {
        let index = usize::try_from(index).ok().filter(|index| *index < self.len())?;
        Some(if index < self.left() {
            (self.ring + self.read_slot * self.left) as usize + index
        } else if index >= self.right() {
            self.right_place(index)
        } else {
            self.place(newest - index)
        })
    }

    /// Gathers the newest columns of the stream.
    #[inline(never)]
    pub(super) fn gather_newest(&self, columns: &[u32], reach: &Reach, patch: &mut [u32]) {
        let mut place = self.place(reach.columns() - 1);
        let column = |_| {
            let column = self.column(columns, place);
            place = if place + 1 == self.ring as usize { 0 } else { place + 1 };
            Some(column)
        };
        kernel::gather(column, self.is_narrow(), reach, patch);
    }

    /// Gathers columns from `first` on of the oldest window, where `newest` is the newest column
    /// in the ring.
    #[inline(never)]
    pub(super) fn gather(
        &self,
        columns: &[u32],
        first: isize,
        newest: usize,
        reach: &Reach,
        patch: &mut [u32],
    ) {
        let find = |index: usize| self.find(first + index as isize, newest);
        let column = |index| find(index).map(|place| self.column(columns, place));
        kernel::gather(column, self.is_narrow(), reach, patch);
    }

    /// The newest column of the ring when a window ends.
    pub(super) const fn newest(&self, shared: bool) -> usize {
        let columns = if shared { self.right } else { self.made };
        columns.saturating_sub(1) as usize
    }

    /// Whether values have 8 bits instead of 16.
    pub(super) const fn is_narrow(&self) -> bool {
        self.narrow == 1
    }

    #[inline(always)]
    fn column<'c>(&self, columns: &'c [u32], place: usize) -> &'c [u32] {
        let words = self.words as usize;
        &columns[self.start as usize + place * words..][..words]
    }

    /// The words of a column to write.
    #[inline(always)]
    pub(super) fn column_mut<'c>(&self, columns: &'c mut [u32], place: usize) -> &'c mut [u32] {
        self.columns_mut(columns, place, 1)
    }

    /// The words of `count` columns side by side.
    #[inline(always)]
    pub(super) fn columns_mut<'c>(
        &self,
        columns: &'c mut [u32],
        place: usize,
        count: usize,
    ) -> &'c mut [u32] {
        let words = self.words as usize;
        &mut columns[self.start as usize + place * words..][..count * words]
    }
}
