//! Reads the layers of a network of the family out of its ONNX graph.
//!
//! What `trainer export` writes is a chain up to the classifier: convolution, ReLU and max pooling for stem and basic
//! blocks, and for SE blocks a gate behind them; a mel spectrum in place of the stem; residual blocks, with gates and
//! without; before the head the global maxima that it reads. What lies behind the chain is a graph of its own, which
//! the library runs as it is. Where a file turns into something else, the chain ends there, and the library runs the
//! more. Of a file that does so before the last level that windows can share, the library runs all.

mod reader;
mod units;
mod walk;

use std::sync::Arc;

use models::arch::ArchSpec;
use tract_onnx::pb::ModelProto;

use super::super::shared::Shape;
use super::gate::Gate;
use super::mel::Mel;
use super::peaks::Peaks;
use super::residual::Residual;
use reader::Reader;
use walk::Walk;

/// A convolution on columns `[T, I]`, and the max pooling behind it.
#[derive(Debug, PartialEq)]
pub(super) struct Layer {
    pub(super) shape: Shape,
    /// Weights, `[K·I, O]`.
    pub(super) weight: Vec<f32>,
    /// Bias, `[O]`.
    pub(super) bias: Vec<f32>,
    /// I.
    pub(super) inputs: usize,
    /// O.
    pub(super) outputs: usize,
}

// Weights are finite numbers, which the load checks.
impl Eq for Layer {}

impl Layer {
    /// Whether padding makes up for the taps.
    const fn keeps_length(&self) -> bool {
        self.shape.padding.0 + self.shape.padding.1 + 1 == self.shape.kernel
    }
}

/// What makes columns of others. The first units make those of the levels that windows can share, one each.
#[derive(Clone, Debug)]
pub(super) enum Unit {
    /// A convolution with ReLU and pooling.
    Layer(Arc<Layer>),
    /// A mel spectrum in place of the stem.
    Mel(Arc<Mel>),
    /// A residual block.
    Residual(Arc<Residual>),
    /// The gate of an SE block, behind its convolution.
    Gate(Arc<Gate>),
    /// The global maxima of levels.
    Peaks(Arc<Peaks>),
}

impl Unit {
    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Layer(layer) => layer.shape,
            Self::Mel(mel) => mel.shape,
            Self::Residual(block) => block.shape,
            Self::Gate(_) | Self::Peaks(_) => Shape::POINT,
        }
    }

    /// O.
    pub(super) fn outputs(&self) -> usize {
        match self {
            Self::Layer(layer) => layer.outputs,
            Self::Mel(mel) => mel.outputs(),
            Self::Residual(block) => block.outputs(),
            Self::Gate(gate) => gate.channels(),
            Self::Peaks(peaks) => peaks.channels,
        }
    }

    fn inputs(&self) -> usize {
        match self {
            Self::Layer(layer) => layer.inputs,
            Self::Mel(_) => 1,
            Self::Residual(block) => block.inputs(),
            Self::Gate(gate) => gate.channels(),
            Self::Peaks(peaks) => peaks.channels,
        }
    }
}

/// The beginning of a network, and the rest of it.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// Stem, blocks, head, as far as they are a chain.
    pub(super) units: Vec<Unit>,
    /// Columns of each one's output of a whole window.
    pub(super) lens: Vec<usize>,
    /// From the chain's output, `[1, O, T]`, to the posteriors.
    pub(super) rest: ModelProto,
}

impl Chain {
    /// The chain that a graph begins with; `None` if not even what windows can share is as in `arch`.
    pub(super) fn read(proto: &ModelProto, arch: &ArchSpec) -> Option<Self> {
        let table = arch.layers().ok()?;
        let mut reader = Reader::new(arch, Walk::new(proto.graph.as_ref()?)?);
        let (_, layers) = table.layers.split_last()?;
        for (index, sizes) in layers.iter().enumerate() {
            if reader.layer(index, sizes).is_none() {
                break;
            }
        }
        reader.longest_chain(proto)
    }

    /// Zero columns around the input of a unit, or of what lies behind all: those that it wants itself, or if it keeps
    /// its input's columns, what reads them then.
    pub(super) fn margin(&self, unit: usize) -> (usize, usize) {
        let reader = self.units[unit..].iter().find(|unit| !matches!(unit, Unit::Gate(_)));
        reader.map_or((0, 0), |reader| reader.shape().padding)
    }
}
