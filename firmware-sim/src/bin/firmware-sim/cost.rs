//! What the engine's work costs: operations are counted, cycles are estimated from them.
//!
//! The estimate is for a Cortex-M4 with `firmware_sim::kernel` built for its DSP instructions, in
//! memory without wait states. Cycles of single instructions are those of the Cortex-M4
//! Technical Reference Manual (Arm 100166), table "Processor instructions": 1 for SMLAD, SXTB16 and the
//! like, 2 for LDR (1 behind another load), 1 + n for n words with LDRD or LDM, 3 for a taken branch.

use std::ops::AddAssign;

use models::arch::LayerName;
use models::q8::{Model, PassPlan, Shape, passes};

/// Positions of a pool that one pass over the weights serves.
const POSITIONS: usize = 4;
/// A group, four weights of each of two rows, at 1, 2, 3 and 4 positions: loads of the weights (3, 4, 4,
/// 4), SXTB16 (4), loads of the inputs (3, 5, 9, 20), SMLAD (4, 8, 12, 16), a quarter of the loop (1.5).
const GROUP_HALF_CYCLES: [u64; POSITIONS] = [31, 45, 61, 91];
/// Start and end of a pass over two rows: registers to and from the stack, the place of entry, the largest
/// sums.
const PASS_CYCLES: u64 = 30;
/// A sum to an output: bias, multiplier and shift (5), product, shift, rounding and limits (8), store and
/// loop (2).
const REQUANTISATION_CYCLES: u64 = 15;
/// A group of four inputs put into the patch: load (2), order (4), store (3), loop (3).
const COPY_CYCLES: u64 = 12;
/// Calls and ring indices of one column.
const COLUMN_CYCLES: u64 = 150;
/// Softmax or sigmoid of a class: two powers from tables, one 64-bit division in software.
const CLASS_CYCLES: u64 = 300;

/// Counted operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Multiply-accumulates, those with the zeros included that fill rows up to words.
    pub(crate) macs: u64,
    /// Sums brought to the scale of an output.
    pub(crate) requantisations: u64,
    /// Groups by positions.
    groups: [u64; POSITIONS],
    passes: u64,
    copies: u64,
    columns: u64,
    classes: u64,
}

impl Work {
    /// One column of a convolution: every output at each of `pool` positions.
    fn column(shape: Shape, pool: usize) -> Self {
        let (row, pairs) = (shape.row(), shape.outputs.div_ceil(2));
        let (whole, rest) = (pool / POSITIONS, pool % POSITIONS);
        let mut groups = [0; POSITIONS];
        groups[POSITIONS - 1] = (whole * pairs * row / 4) as u64;
        if rest > 0 {
            groups[rest - 1] = (pairs * row / 4) as u64;
        }
        // Rows of one group have a loop of their own, without passes.
        let passes = if row > 4 || pool > 1 { pairs * pool.div_ceil(POSITIONS) } else { 0 };
        Self {
            macs: (pool * row * shape.outputs) as u64,
            requantisations: shape.outputs as u64,
            groups,
            passes: passes as u64,
            copies: (pool * row / 4) as u64,
            columns: 1,
            classes: 0,
        }
    }

    /// The classifier of one window: a pass for each column of features.
    fn classifier(shape: Shape) -> Self {
        let column = Self::column(shape, 1);
        let passes = column.passes * shape.taps as u64;
        Self { passes, classes: shape.outputs as u64, ..column }
    }

    /// The work done so often.
    fn times(mut self, often: u64) -> Self {
        for number in [
            &mut self.macs,
            &mut self.requantisations,
            &mut self.passes,
            &mut self.copies,
            &mut self.columns,
            &mut self.classes,
        ] {
            *number *= often;
        }
        self.groups.iter_mut().for_each(|groups| *groups *= often);
        self
    }

    /// Estimated cycles of a Cortex-M4.
    pub(crate) fn cycles(&self) -> u64 {
        let groups = self.groups.iter().zip(GROUP_HALF_CYCLES);
        groups.map(|(count, cycles)| count * cycles).sum::<u64>().div_ceil(2)
            + self.passes * PASS_CYCLES
            + self.requantisations * REQUANTISATION_CYCLES
            + self.copies * COPY_CYCLES
            + self.columns * COLUMN_CYCLES
            + self.classes * CLASS_CYCLES
    }

    /// The share of one in `count`.
    fn of(self, count: u64) -> Self {
        let count = count.max(1);
        Self {
            macs: self.macs / count,
            requantisations: self.requantisations / count,
            groups: self.groups.map(|groups| groups / count),
            passes: self.passes / count,
            copies: self.copies / count,
            columns: self.columns / count,
            classes: self.classes / count,
        }
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.macs += other.macs;
        self.requantisations += other.requantisations;
        self.groups.iter_mut().zip(other.groups).for_each(|(sum, groups)| *sum += groups);
        self.passes += other.passes;
        self.copies += other.copies;
        self.columns += other.columns;
        self.classes += other.classes;
    }
}

/// Counts the work of windows. Of gates, which no observer sees, it counts nothing.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Work of a column of each layer; of the classifier, of a window.
    layers: Vec<Work>,
    /// Work since the last window.
    now: Work,
    /// Whether the next window is the first since a reset.
    fresh: bool,
    first: (Work, u64),
    further: (Work, u64),
}

impl Meter {
    pub(crate) fn new(model: &Model<'_>) -> Self {
        let nodes = model.arch().nodes().expect("a parsed model's network was checked");
        // The simulator hands the engine the least memory.
        let passes = passes(&nodes, &PassPlan::new(model.arch()));
        let layers = nodes.iter().zip(model.layers()).zip(passes);
        let layers = layers.map(|((node, layer), passes)| match node.layer {
            LayerName::Classifier => Work::classifier(layer.shape),
            _ => Work::column(layer.shape, node.pool()).times(passes),
        });
        let layers = layers.collect();
        let none = (Work::default(), 0);
        Self { layers, now: Work::default(), fresh: true, first: none, further: none }
    }

    /// A column of a layer was computed.
    pub(crate) fn column(&mut self, layer: usize) {
        self.now += self.layers[layer];
    }

    /// A window was finished.
    pub(crate) fn window(&mut self) {
        self.now += self.layers[self.layers.len() - 1];
        let (sum, windows) = if self.fresh { &mut self.first } else { &mut self.further };
        *sum += std::mem::take(&mut self.now);
        *windows += 1;
        self.fresh = false;
    }

    /// The stream starts anew.
    pub(crate) fn reset(&mut self) {
        (self.now, self.fresh) = (Work::default(), true);
    }

    /// Mean work of the first windows of recordings, for which all that windows share is still to be
    /// computed.
    pub(crate) fn first_window(&self) -> Work {
        let (sum, windows) = self.first;
        sum.of(windows)
    }

    /// Mean work of the windows behind those; of the first ones where there are no others.
    pub(crate) fn window_mean(&self) -> Work {
        let (sum, windows) = self.further;
        if windows == 0 { self.first_window() } else { sum.of(windows) }
    }
}
