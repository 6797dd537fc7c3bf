//! Plans of a chain's layers: of one layer for several runs of columns, and of a row of layers up to the
//! posteriors.

use std::sync::Arc;

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::InferenceModelExt as _;
use tract_onnx::tract_core::internal::*;

use super::chain::{Chain, Layer};
use super::columns::Columns;

/// One layer, applied to several runs of columns of fixed length.
pub(super) struct Stage {
    state: TypedSimpleState,
    /// Which runs make columns, and the shapes of their inputs.
    shapes: Vec<(usize, [usize; 2])>,
}

impl Stage {
    /// For runs that make so many columns each. Those that make none are left out of the result.
    pub(super) fn new(layer: &Arc<Layer>, runs: &[usize]) -> TractResult<Self> {
        let mut model = TypedModel::default();
        let mut outputs = Vec::new();
        let mut shapes = Vec::new();
        for (index, &columns) in runs.iter().enumerate() {
            if columns == 0 {
                continue;
            }
            let shape = [layer.reach(columns), layer.inputs];
            let source = model.add_source(format!("run{index}"), f32::fact(shape))?;
            let op = Columns { layer: Arc::clone(layer), columns, margin: (0, 0) };
            outputs.extend(model.wire_node(format!("columns{index}"), op, &[source])?);
            shapes.push((index, shape));
        }
        model.select_output_outlets(&outputs)?;
        let state = model.into_runnable()?.spawn()?;
        Ok(Self { state, shapes })
    }

    /// The columns that each run makes of its input.
    pub(super) fn run(&mut self, inputs: &[&[f32]]) -> TractResult<TVec<TValue>> {
        let inputs = self.shapes.iter().map(|(run, shape)| {
            let input = &inputs[*run][..shape.iter().product()];
            Ok(Tensor::from_shape(shape, input)?.into())
        });
        self.state.run(inputs.collect::<TractResult<_>>()?)
    }
}

/// The layers from one of them on, and the classifier.
pub(super) struct Tail {
    layers: Option<TypedSimpleState>,
    classifier: TypedSimpleState,
    /// Columns and channels that come in, without the zeros around them.
    shape: [usize; 2],
    /// Zero columns before and after them.
    margin: (usize, usize),
    /// Columns and channels that the classifier gets.
    features: [usize; 2],
    input: Vec<f32>,
}

impl Tail {
    /// The layers from `first` on, for a whole window.
    pub(super) fn new(chain: &Chain, first: usize, window: usize) -> TractResult<Self> {
        let (len, channels) = match first.checked_sub(1) {
            Some(before) => (chain.lens[before], chain.layers[before].outputs),
            None => (window, 1),
        };
        let margin = chain.layers.get(first).map_or((0, 0), |layer| layer.padding);
        let mut tail = Self {
            layers: None,
            classifier: classifier(&chain.classifier)?,
            shape: [len, channels],
            margin,
            features: [len, channels],
            input: vec![0.0; (margin.0 + len + margin.1) * channels],
        };
        if first == chain.layers.len() {
            return Ok(tail);
        }
        let mut model = TypedModel::default();
        let mut value = model.add_source("columns", f32::fact(tail.padded()))?;
        for (index, layer) in chain.layers.iter().enumerate().skip(first) {
            let columns = chain.lens[index];
            let margin = chain.layers.get(index + 1).map_or((0, 0), |next| next.padding);
            let op = Columns { layer: Arc::clone(layer), columns, margin };
            value = model.wire_node(format!("layer{index}"), op, &[value])?[0];
            tail.features = [columns, layer.outputs];
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
        let made = self.classifier.run(tvec!(features.into()))?;
        super::copy_posteriors(&made, out)
    }
}

fn classifier(proto: &ModelProto) -> TractResult<TypedSimpleState> {
    let parsed = tract_onnx::onnx().parse(proto, None)?;
    parsed.model.into_typed()?.into_optimized()?.into_runnable()?.spawn()
}
