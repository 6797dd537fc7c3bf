//! Plans of a chain's levels: of one level for several runs of columns, and of a row of levels up to the
//! posteriors.

use std::ops::Range;
use std::sync::Arc;

use bytemuck::{cast_slice, cast_slice_mut};
use models::arch::{ArchSpec, Streaming};
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::InferenceModelExt as _;
use tract_onnx::tract_core::internal::*;

use super::super::EngineError;
use super::super::shared::{Layers, Run};
use super::chain::{Chain, Layer, Unit};
use super::columns::Columns;
use super::failed;
use super::gate::GateColumns;
use super::mel::{Mel, MelColumns};
use super::peaks::{Map, PeakColumns};
use super::residual::{Residual, ResidualColumns};

/// Up to so many rows, the product of a hop waits for its weights; the edges join it.
const FEW_ROWS: usize = 128;

/// One level, applied to the three runs of columns of a hop.
struct Stage {
    state: TypedSimpleState,
    /// Which runs go in together, and the shape of their columns, one run after the other.
    groups: Vec<(Range<usize>, [usize; 2])>,
}

impl Stage {
    /// For runs that make so many columns each, the last one with so many columns at its end that lie outside
    /// of the window.
    fn new(unit: &Unit, runs: [usize; 3], zeros: usize) -> TractResult<Self> {
        match unit {
            Unit::Layer(layer) => Self::of_layer(layer, runs),
            Unit::Mel(mel) => Self::of_mel(mel, runs[0]),
            Unit::Residual(block) => Self::of_residual(block, runs, zeros),
            Unit::Gate(_) | Unit::Peaks(_) => bail!("gates and global maxima need a whole window"),
        }
    }

    fn of_residual(block: &Arc<Residual>, runs: [usize; 3], zeros: usize) -> TractResult<Self> {
        let outsides = [(0, 0), (block.shape.padding.0, 0), (0, zeros)];
        let mut model = TypedModel::default();
        let (mut groups, mut outputs) = (Vec::new(), Vec::new());
        for (run, (columns, outside)) in runs.into_iter().zip(outsides).enumerate() {
            if columns == 0 {
                continue;
            }
            let block = Arc::clone(block);
            let shape = [block.shape.reach(columns), block.inputs()];
            let op = ResidualColumns { block, columns, outside, margin: (0, 0) };
            let source = model.add_source(format!("run{run}"), f32::fact(shape))?;
            outputs.extend(model.wire_node(format!("block{run}"), op, &[source])?);
            groups.push((run..run + 1, shape));
        }
        model.select_output_outlets(&outputs)?;
        let state = model.into_runnable()?.spawn()?;
        Ok(Self { state, groups })
    }

    fn of_layer(layer: &Arc<Layer>, runs: [usize; 3]) -> TractResult<Self> {
        let few = layer.shape.stride == 1 && runs[0] * layer.shape.pool <= FEW_ROWS;
        let first = if few { 3 } else { 1 };
        let mut model = TypedModel::default();
        let mut stage = Vec::new();
        let mut outputs = Vec::new();
        for group in [0..first, first..3] {
            let runs: Vec<usize> =
                runs[group.clone()].iter().copied().filter(|columns| *columns > 0).collect();
            if runs.is_empty() {
                continue;
            }
            let name = group.start;
            let op = Columns { layer: Arc::clone(layer), runs, margin: (0, 0) };
            let shape = [op.reach(), layer.inputs];
            let source = model.add_source(format!("runs{name}"), f32::fact(shape))?;
            outputs.extend(model.wire_node(format!("columns{name}"), op, &[source])?);
            stage.push((group, shape));
        }
        model.select_output_outlets(&outputs)?;
        let state = model.into_runnable()?.spawn()?;
        Ok(Self { state, groups: stage })
    }

    /// Spectra have no edges, as nothing is padded.
    fn of_mel(mel: &Arc<Mel>, columns: usize) -> TractResult<Self> {
        let op = MelColumns { mel: Arc::clone(mel), columns, margin: (0, 0) };
        let shape = [op.reach(), 1];
        let mut model = TypedModel::default();
        let source = model.add_source("samples", f32::fact(shape))?;
        let outputs = model.wire_node("spectra", op, &[source])?;
        model.select_output_outlets(&outputs)?;
        let state = model.into_runnable()?.spawn()?;
        Ok(Self { state, groups: vec![(0..1, shape)] })
    }

    /// Computes the columns of the runs.
    fn run(&mut self, inputs: [&[f32]; 3], mut outputs: [&mut [f32]; 3]) -> TractResult<()> {
        let tensors = self.groups.iter().map(|(group, shape)| {
            let mut tensor = Tensor::zero::<f32>(shape)?;
            let mut view = tensor.try_as_plain_ram_mut()?;
            let mut rest = view.as_slice_mut::<f32>()?;
            for input in &inputs[group.clone()] {
                let (now, later) = rest.split_at_mut(input.len().min(rest.len()));
                now.copy_from_slice(&input[..now.len()]);
                rest = later;
            }
            Ok(tensor.into())
        });
        let made = self.state.run(tensors.collect::<TractResult<_>>()?)?;
        for ((group, _), made) in self.groups.iter().zip(&made) {
            let view = made.view();
            let mut made = view.as_slice::<f32>()?;
            for output in &mut outputs[group.clone()] {
                let (now, later) = made.split_at(output.len());
                output.copy_from_slice(now);
                made = later;
            }
        }
        Ok(())
    }
}

/// The plans of a stream whose windows share columns.
pub(super) struct Stages {
    shared: Vec<(Stage, usize)>,
    tail: Tail,
}

impl Stages {
    /// The plans for windows that share the levels of `streaming`.
    pub(super) fn new(chain: &Chain, arch: &ArchSpec, streaming: &Streaming) -> TractResult<Self> {
        let levels = chain.units.iter().zip(&streaming.shared).enumerate();
        let shared = levels.map(|(index, (unit, level))| {
            let runs = [streaming.hop / level.stride, level.left, level.len - level.right];
            let input = index.checked_sub(1).map(|before| &streaming.shared[before]);
            let zeros = input.map_or(0, |input| unit.shape().zeros_behind(level, input));
            Ok((Stage::new(unit, runs, zeros)?, unit.outputs()))
        });
        let shared = shared.collect::<TractResult<_>>()?;
        let tail = Tail::new(chain, streaming.shared.len(), arch.window as usize)?;
        Ok(Self { shared, tail })
    }
}

impl Layers for Stages {
    type Sample = f32;
    const UNKNOWN: f32 = f32::NAN;

    fn sample(value: f32) -> f32 {
        value
    }

    fn words(&self, level: usize) -> usize {
        self.shared[level].1
    }

    fn stem(&mut self, samples: &[f32], out: &mut [u32]) -> Result<(), EngineError> {
        let done =
            self.shared[0].0.run([samples, &[], &[]], [cast_slice_mut(out), &mut [], &mut []]);
        done.map_err(|error| failed(&error))
    }

    fn level(&mut self, level: usize, runs: [Run<'_>; 3]) -> Result<(), EngineError> {
        let inputs = runs.each_ref().map(|run| cast_slice(run.input));
        let outputs = runs.map(|run| cast_slice_mut(run.output));
        self.shared[level].0.run(inputs, outputs).map_err(|error| failed(&error))
    }

    fn tail(&mut self, window: &[u32], out: &mut [f32]) -> Result<(), EngineError> {
        self.tail.input().copy_from_slice(cast_slice(window));
        self.tail.run(out).map_err(|error| failed(&error))
    }
}

/// The levels from one of them on, and what lies behind the chain.
pub(super) struct Tail {
    layers: Option<TypedSimpleState>,
    rest: TypedSimpleState,
    /// Columns and channels that come in, without the zeros around them.
    shape: [usize; 2],
    /// Zero columns before and after them.
    margin: (usize, usize),
    /// Columns and channels that the rest of the network gets.
    features: [usize; 2],
    input: Vec<f32>,
}

impl Tail {
    /// The levels from `first` on, for a whole window.
    pub(super) fn new(chain: &Chain, first: usize, window: usize) -> TractResult<Self> {
        let (len, channels) = match first.checked_sub(1) {
            Some(before) => (chain.lens[before], chain.units[before].outputs()),
            None => (window, 1),
        };
        let margin = chain.margin(first);
        let mut tail = Self {
            layers: None,
            rest: rest(&chain.rest)?,
            shape: [len, channels],
            margin,
            features: [len, channels],
            input: vec![0.0; (margin.0 + len + margin.1) * channels],
        };
        if first == chain.units.len() {
            return Ok(tail);
        }
        let mut model = TypedModel::default();
        let mut value = model.add_source("columns", f32::fact(tail.padded()))?;
        // What the unit before the first one made, then what each one makes.
        let mut maps = vec![(value, Map { before: margin.0, columns: len, channels })];
        for (index, unit) in chain.units.iter().enumerate().skip(first) {
            let columns = chain.lens[index];
            let margin = chain.margin(index + 1);
            let name = format!("level{index}");
            let made = match unit {
                Unit::Layer(layer) => {
                    let op = Columns { layer: Arc::clone(layer), runs: vec![columns], margin };
                    model.wire_node(name, op, &[value])?
                }
                Unit::Mel(mel) => {
                    let op = MelColumns { mel: Arc::clone(mel), columns, margin };
                    model.wire_node(name, op, &[value])?
                }
                Unit::Residual(block) => {
                    let len = index.checked_sub(1).map_or(window, |before| chain.lens[before]);
                    let outside = block.outside(len, columns);
                    let block = Arc::clone(block);
                    let op = ResidualColumns { block, columns, outside, margin };
                    model.wire_node(name, op, &[value])?
                }
                Unit::Gate(gate) => {
                    let op = GateColumns { gate: Arc::clone(gate), columns };
                    model.wire_node(name, op, &[value])?
                }
                Unit::Peaks(peaks) => {
                    let levels = peaks.levels.iter();
                    let levels = levels.map(|level| maps.get((level + 1).checked_sub(first)?));
                    let Some(levels) = levels.collect::<Option<Vec<_>>>() else {
                        bail!("a level of {peaks:?} lies before unit {first}");
                    };
                    let (values, maps): (Vec<_>, Vec<_>) = levels.into_iter().cloned().unzip();
                    model.wire_node(name, PeakColumns { maps }, &values)?
                }
            };
            let channels = unit.outputs();
            (value, tail.features) = (made[0], [columns, channels]);
            maps.push((value, Map { before: margin.0, columns, channels }));
        }
        model.select_output_outlets(&[value])?;
        tail.layers = Some(model.into_runnable()?.spawn()?);
        Ok(tail)
    }

    /// The shape of the input with the zeros around it.
    const fn padded(&self) -> [usize; 2] {
        [self.margin.0 + self.shape[0] + self.margin.1, self.shape[1]]
    }

    /// Where the columns of a window go.
    pub(super) fn input(&mut self) -> &mut [f32] {
        let ([len, channels], before) = (self.shape, self.margin.0);
        &mut self.input[before * channels..][..len * channels]
    }

    /// The posteriors of the window in [`Tail::input`].
    pub(super) fn run(&mut self, out: &mut [f32]) -> TractResult<()> {
        let (shape, [columns, channels]) = (self.padded(), self.features);
        let mut features = vec![0.0; columns * channels];
        let mut transpose = |x: &[f32]| {
            for (index, value) in x.iter().enumerate() {
                features[index % channels * columns + index / channels] = *value;
            }
        };
        match &mut self.layers {
            Some(layers) => {
                let input = Tensor::from_shape(&shape, &self.input)?;
                let made = layers.run(tvec!(input.into()))?;
                transpose(made[0].view().as_slice::<f32>()?);
            }
            None => transpose(&self.input),
        }
        let features = Tensor::from_shape(&[1, channels, columns], &features)?;
        let made = self.rest.run(tvec!(features.into()))?;
        super::copy_posteriors(&made, out)
    }
}

fn rest(proto: &ModelProto) -> TractResult<TypedSimpleState> {
    let parsed = tract_onnx::onnx().parse(proto, None)?;
    parsed.model.into_typed()?.into_optimized()?.into_runnable()?.spawn()
}
