//! Looking at an engine while it works.

use models::stream::Q15;

/// What a column was computed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// For every window that it lies in.
    Shared,
    /// For one window: the start or the end of a level that is otherwise shared.
    Edge,
    /// For one window: a level that windows do not share.
    Tail,
}

/// Sees what an engine computes, in the order in which it does: each column once, also where networks with gates
/// compute it for every pass over a window. The order of columns within a layer depends on nothing but the samples.
pub trait Observer {
    /// A column of layer `layer` (0 is the stem, then blocks and head), behind ReLU and pooling.
    fn column(&mut self, layer: usize, part: Part, values: &[i16]) {
        let _ = (layer, part, values);
    }

    /// A window's posteriors, and the position just after its last sample.
    fn window(&mut self, posteriors: &[Q15], end: u64);
}

impl<F: FnMut(&[Q15], u64)> Observer for F {
    fn window(&mut self, posteriors: &[Q15], end: u64) {
        self(posteriors, end);
    }
}
