//! Means over the last windows.

use super::q15::{ONE, Q15};

/// A ring of the posteriors of the last windows, which lies at the beginning of a detector's memory.
///
/// Windows that have not arrived yet count as zero. Means are exact integers, rounded once (halves up).
#[derive(Clone, Copy, Debug)]
pub(super) struct Smoothing {
    classes: usize,
    windows: usize,
    /// Row that the next window overwrites.
    next: usize,
}

impl Smoothing {
    /// A ring of `windows` rows, at least 1, of `classes` elements.
    pub(super) const fn new(classes: usize, windows: u16) -> Self {
        Self { classes, windows: windows as usize, next: 0 }
    }

    /// Elements of memory that it takes.
    pub(super) const fn len(&self) -> usize {
        self.classes * self.windows
    }

    pub(super) fn clear(&mut self, memory: &mut [Q15]) {
        memory[..self.len()].fill(0);
        self.next = 0;
    }

    /// Takes the posteriors of a window.
    pub(super) fn push(&mut self, memory: &mut [Q15], posteriors: &[Q15]) {
        let row = self.next * self.classes;
        let slots = &mut memory[row..row + self.classes];
        for (slot, posterior) in slots.iter_mut().zip(posteriors) {
            *slot = (*posterior).min(ONE);
        }
        self.next = (self.next + 1) % self.windows;
    }

    /// The mean of a class.
    pub(super) fn mean(&self, memory: &[Q15], class: usize) -> Q15 {
        let history = memory[..self.len()].iter().skip(class).step_by(self.classes);
        let sum: u32 = history.map(|p| u32::from(*p)).sum();
        let count = self.windows as u32;
        // At most ONE, because every term is.
        ((sum + count / 2) / count) as Q15
    }
}
