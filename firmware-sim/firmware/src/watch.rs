//! Looks at the engine while it works: keeps the last window, and, with the feature `layers`, what each
//! layer takes.

use firmware_sim::{Observer, Part};
use models::stream::Q15;

use crate::board::{self, Counter, Instant};
use crate::constants::{CLASSES, LAYERS, MACS};
use crate::report;

const COUNTING: bool = cfg!(feature = "layers");
const COUNTED: usize = if COUNTING { LAYERS.len() } else { 0 };

pub(crate) struct Watch<'c> {
    counter: &'c Counter,
    window: Option<([Q15; CLASSES], u64)>,
    /// Of each layer: columns and instructions since the first window.
    spent: [(u32, u64); COUNTED],
    /// The same up to the last window.
    whole_hops: [(u32, u64); COUNTED],
    since: Instant,
    /// The layer behind the one of the last column.
    next: usize,
}

impl<'c> Watch<'c> {
    pub(crate) fn new(counter: &'c Counter) -> Self {
        let (spent, since) = ([(0, 0); COUNTED], board::now());
        Self { counter, window: None, spent, whole_hops: spent, since, next: 0 }
    }

    /// The engine begins to work.
    pub(crate) fn start(&mut self) {
        if COUNTING {
            self.since = board::now();
        }
    }

    /// The window that was completed since the last call, and the position just after its last sample.
    pub(crate) fn take(&mut self) -> Option<([Q15; CLASSES], u64)> {
        self.window.take()
    }

    /// Prints what each layer took in a hop.
    pub(crate) fn report(&self, hops: u64) {
        for (index, (columns, instructions)) in self.whole_hops.iter().enumerate() {
            report::layer(LAYERS[index], *columns, *instructions, hops, MACS[index]);
        }
    }

    fn note(&mut self, layer: usize) {
        if let Some((columns, instructions)) = self.spent.get_mut(layer) {
            *columns += 1;
            *instructions += self.counter.between(self.since, board::now());
            self.next = layer + 1;
            self.since = board::now();
        }
    }
}

impl Observer for Watch<'_> {
    #[inline(always)]
    fn column(&mut self, layer: usize, _: Part, _: &[i16]) {
        if COUNTING {
            self.note(layer);
        }
    }

    fn window(&mut self, posteriors: &[Q15], end: u64) {
        self.note(self.next);
        let mut copy = [0; CLASSES];
        copy.copy_from_slice(posteriors);
        self.window = Some((copy, end));
        if end == u64::from(crate::constants::WINDOW) {
            // All later hops cost the same.
            self.spent = [(0, 0); COUNTED];
        }
        self.whole_hops = self.spent;
    }
}
