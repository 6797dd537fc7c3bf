//! Reads a network layer by layer: which units a layer of its kind is made of, and whether they fit its description.

use std::sync::Arc;

use models::arch::{ArchSpec, BlockKind, Layer as LayerSizes};
use tract_onnx::pb::ModelProto;

use super::super::LIMIT_ELEMENTS;
use super::super::peaks::Peaks;
use super::walk::Walk;
use super::{Chain, Shape, Unit};

/// Reads the layers of a network one after the other.
pub(super) struct Reader<'a> {
    arch: &'a ArchSpec,
    walk: Walk<'a>,
    steps: Vec<Step<'a>>,
    /// The last unit of each block.
    blocks: Vec<usize>,
}

/// A unit that was read.
struct Step<'a> {
    unit: Unit,
    /// Columns of its output of a whole window.
    len: usize,
    /// Where the walk is behind it.
    end: Walk<'a>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(arch: &'a ArchSpec, walk: Walk<'a>) -> Self {
        Self { arch, walk, steps: Vec::new(), blocks: Vec::new() }
    }

    /// The next layer: stem, block or, with the global maxima before it, head.
    pub(super) fn layer(&mut self, index: usize, sizes: &LayerSizes) -> Option<()> {
        // Absurd sizes that windows cannot share stay with the library, which refuses them.
        let (arch, elements) = (self.arch, sizes.working_bytes() / size_of::<f32>());
        (index < arch.shareable_levels() || elements <= LIMIT_ELEMENTS).then_some(())?;
        let block = index.checked_sub(1).map(|block| arch.blocks.get(block));
        if block == Some(None) {
            self.peaks()?;
        }
        let kind = block.flatten().map_or(BlockKind::Basic, |block| block.kind);
        let unit = if kind.is_residual() {
            let block = self.walk.residual(sizes.in_channels)?;
            (block.gate.is_some() == kind.gate().is_some()).then_some(())?;
            Unit::Residual(Arc::new(block))
        } else if index == 0 && arch.stem.mel {
            Unit::Mel(Arc::new(self.walk.mel()?))
        } else {
            Unit::Layer(Arc::new(self.walk.layer()?))
        };
        let fits = unit.shape() == Shape::of(arch, index)
            && unit.inputs() == self.steps.last().map_or(1, |before| before.unit.outputs())
            && unit.outputs() == sizes.out_channels;
        fits.then_some(())?;
        self.push(unit, sizes.out_len);
        if let BlockKind::Se(_) = kind {
            let gate = self.walk.gated(sizes.out_channels)?;
            self.push(Unit::Gate(Arc::new(gate)), sizes.out_len);
        }
        if block.flatten().is_some() {
            self.blocks.push(self.steps.len() - 1);
        }
        Some(())
    }

    /// The global maxima of the last blocks, if the head reads them.
    fn peaks(&mut self) -> Option<()> {
        let first = self.blocks.len().checked_sub(self.arch.head.levels.into())?;
        let levels = self.blocks[first..].to_vec();
        if levels.is_empty() {
            return Some(());
        }
        let values: Vec<&str> = levels.iter().map(|level| self.steps[*level].end.value).collect();
        self.walk.peaks(&values)?;
        let channels = levels.iter().map(|level| self.steps[*level].unit.outputs()).sum::<usize>();
        self.push(Unit::Peaks(Arc::new(Peaks { levels, channels })), 1);
        Some(())
    }

    fn push(&mut self, unit: Unit, len: usize) {
        self.steps.push(Step { unit, len, end: self.walk });
    }

    /// The longest chain whose end is all that the rest reads of it; it has at least what windows can share.
    pub(super) fn longest_chain(&self, proto: &ModelProto) -> Option<Chain> {
        let least = self.arch.shareable_levels().max(1);
        (least..=self.steps.len()).rev().find_map(|count| self.chain(proto, count))
    }

    /// The first units and what lies behind them; `None` if that reads more than what the last one of them makes.
    fn chain(&self, proto: &ModelProto, count: usize) -> Option<Chain> {
        let steps = &self.steps[..count];
        let Step { unit, len, end } = steps.last()?;
        let rest = end.rest(proto, [1, unit.outputs(), *len])?;
        let units = steps.iter().map(|step| step.unit.clone()).collect();
        Some(Chain { units, lens: steps.iter().map(|step| step.len).collect(), rest })
    }
}
