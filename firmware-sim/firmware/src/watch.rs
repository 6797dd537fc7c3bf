//! Looks at the engine while it works: keeps the last window, and, with the feature `layers`, what each
//! layer takes.

use firmware_sim::{Observer, Part};
use models::arch::MAX_BLOCKS;
use models::q8::Model;
use models::stream::Q15;

use crate::board::{self, Counter, Instant};
use crate::constants::CLASSES;
use crate::report;

/// Stem, blocks, head, classifier.
const MAX_LAYERS: usize = MAX_BLOCKS + 3;
const LAYERS: bool = cfg!(feature = "layers");

pub(crate) struct Watch<'c> {
    counter: &'c Counter,
    window: Option<([Q15; CLASSES], u64)>,
    /// Of each layer: columns, and instructions.
    spent: [(u32, u64); MAX_LAYERS],
    since: Instant,
    /// The layer behind the one of the last column.
    next: usize,
}

impl<'c> Watch<'c> {
    pub(crate) fn new(counter: &'c Counter) -> Self {
        let (window, spent, since) = (None, [(0, 0); MAX_LAYERS], board::now());
        Self { counter, window, spent, since, next: 0 }
    }

    /// The engine begins to work.
    pub(crate) fn start(&mut self) {
        if LAYERS {
            self.since = board::now();
        }
    }

    /// The window that was completed since the last call, and the position just after its last sample.
    pub(crate) fn take(&mut self) -> Option<([Q15; CLASSES], u64)> {
        self.window.take()
    }

    /// Prints what each layer took.
    pub(crate) fn report(&self, model: &Model<'_>) {
        let Ok(table) = model.arch().layers() else { return };
        for (layer, (columns, instructions)) in table.layers.iter().zip(self.spent) {
            if LAYERS {
                report::layer(layer.name, columns, instructions);
            }
        }
    }

    fn note(&mut self, layer: usize) {
        if LAYERS {
            let (columns, instructions) = &mut self.spent[layer];
            *columns += 1;
            *instructions += self.counter.between(self.since, board::now());
            self.next = layer + 1;
            self.since = board::now();
        }
    }
}

impl Observer for Watch<'_> {
    fn column(&mut self, layer: usize, _: Part, _: &[i16]) {
        self.note(layer);
    }

    fn window(&mut self, posteriors: &[Q15], end: u64) {
        self.note(self.next.min(MAX_LAYERS - 1));
        let mut copy = [0; CLASSES];
        copy.copy_from_slice(posteriors);
        self.window = Some((copy, end));
    }
}
