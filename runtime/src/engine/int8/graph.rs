//! The layers of an int8 network, each on many columns at a time.
//!
//! Columns are 32-bit words: four values of 8 bits where they are from 0 to 127, else two of 16; padded with zeros to
//! whole groups of four values.

use std::borrow::Cow;
use std::ops::Range;

use bytemuck::{cast_slice, cast_slice_mut};
use firmware_sim::batch::{BatchLayer, Rows, Values, ValuesMut};
use models::arch::{Activation, ArchError, Node, Op};
use models::q8::{self, padded};
use models::quant::{Factor, join, requantize, requantize_relu, sigmoid};

use super::classifier::Classifier;
use super::levels::shareable;

/// Samples that the stem may read beyond a window's end: its weights there are zero.
const BEYOND: usize = 4;

/// A network without its samples and columns.
#[derive(Debug)]
pub(super) struct Graph {
    /// All nodes but the classifier, in the order of [`models::arch::ArchSpec::nodes`].
    layers: Vec<Layer>,
    /// Layers of each level that windows can share.
    levels: Vec<Range<usize>>,
    classifier: Classifier,
    samples: Vec<i16>,
}

/// A node with its numbers.
#[derive(Debug)]
struct Layer {
    does: Does,
    /// Numbers of the layers that it reads.
    operands: Vec<usize>,
    /// Values of a column, without padding.
    channels: usize,
    /// Columns of a window.
    len: usize,
    /// Whether its values have 8 bits.
    narrow: bool,
    /// The largest value.
    limit: u16,
    /// The last layer that reads it.
    read_until: usize,
}

#[derive(Debug)]
enum Does {
    /// A convolution with ReLU and pooling.
    Relu { weights: BatchLayer, rows: Rows, padding: (usize, usize) },
    /// A convolution whose values have both signs.
    Signed { weights: BatchLayer, step: usize, padding: (usize, usize) },
    /// The linear layer that makes a gate: values in Q15.
    Gate(BatchLayer),
    /// The mean over all columns.
    Mean(Factor),
    /// Branch times gate plus shortcut, ReLU and pooling.
    Join { factors: [Factor; 2], gated: bool, residual: bool, pool: usize },
    /// The largest values of each operand.
    Peaks(Vec<Factor>),
}

impl Graph {
    /// Packs the numbers of a model.
    ///
    /// # Errors
    /// A network that cannot be built.
    pub(super) fn new(model: &q8::Model<'_>) -> Result<Self, ArchError> {
        let nodes = model.arch().nodes()?;
        let (classifier, nodes) = nodes.split_last().expect("every network has a classifier");
        let mut layers: Vec<Layer> = Vec::with_capacity(nodes.len());
        for (index, (node, numbers)) in nodes.iter().zip(model.layers()).enumerate() {
            for operand in &node.operands {
                layers[*operand].read_until = index;
            }
            let layer = Layer::new(node, numbers, &layers);
            layers.push(layer);
        }
        for operand in &classifier.operands {
            layers[*operand].read_until = nodes.len();
        }
        let classifier = Classifier::new(model.arch(), &model.layers()[nodes.len()]);
        let levels = shareable(model.arch(), nodes);
        Ok(Self { layers, levels, classifier, samples: Vec::new() })
    }

    /// The layers of a level that windows can share, see [`shareable`]. The last one makes its columns.
    pub(super) fn level(&self, level: usize) -> Range<usize> {
        self.levels[level].clone()
    }

    /// Numbers of the layers that a layer reads.
    pub(super) fn operands(&self, layer: usize) -> &[usize] {
        &self.layers[layer].operands
    }

    /// Words of a column that a layer makes.
    pub(super) fn words(&self, layer: usize) -> usize {
        self.layers[layer].words()
    }

    /// Columns that a layer makes of a window.
    pub(super) fn len(&self, layer: usize) -> usize {
        self.layers[layer].len
    }

    /// The stem's columns that fit into `out`.
    pub(super) fn stem(&mut self, samples: &[i16], out: &mut [u32]) {
        self.samples.clear();
        self.samples.extend_from_slice(samples);
        self.samples.extend([0; BEYOND]);
        let stem = &self.layers[0];
        if let Does::Relu { weights, rows, .. } = &stem.does {
            weights.columns(Values::Wide(&self.samples), *rows, stem.room(out));
        }
    }

    /// The columns of a convolution behind the stem that fit into `out`, from the columns of the layer that it reads
    /// and the zeros around them.
    pub(super) fn convolve(&self, index: usize, input: &[u32], out: &mut [u32]) {
        let layer = &self.layers[index];
        let input = self.layers[layer.operands[0]].values(input);
        match &layer.does {
            Does::Relu { weights, rows, .. } => weights.columns(input, *rows, layer.room(out)),
            Does::Signed { weights, step, .. } => {
                let limit = i32::from(layer.limit);
                let value = |sum: i32| sum.clamp(-limit, limit) as i16;
                weights.signed_columns(input, *step, wide_mut(out), value);
            }
            _ => unreachable!("layer {index} is no convolution"),
        }
    }

    /// The columns of a join that fit into `out`, from those of the branch, the gate, and as many of the shortcut as
    /// of the branch.
    pub(super) fn join(
        &self,
        index: usize,
        branch: &[u32],
        gate: Option<&[u32]>,
        shortcut: Option<&[u32]>,
        out: &mut [u32],
    ) {
        let layer = &self.layers[index];
        let Does::Join { factors, pool, .. } = &layer.does else {
            unreachable!("layer {index} is no join")
        };
        let operand = |number: usize| &self.layers[layer.operands[number]];
        let width = operand(0).column();
        let branch = operand(0).wide(branch);
        let gate = gate.map(|gate| operand(1).wide(gate));
        let shortcut = shortcut.map(|map| operand(layer.operands.len() - 1).wide(map));
        let value = |position: usize, channel: usize| {
            let gate = gate.as_ref().map(|gate| gate[channel].cast_unsigned());
            let place = position * width + channel;
            let added = shortcut.as_ref().map(|map| (map[place], factors[1]));
            join((branch[place], gate, factors[0]), added, layer.limit)
        };
        layer.store(out, |column, channel| {
            let positions = column * pool..(column + 1) * pool;
            positions.map(|position| value(position, channel)).fold(0, i16::max)
        });
    }

    /// The posteriors of a window, from all its columns that the layer before `first` makes. Layers further before
    /// must not be read by those from `first` on.
    pub(super) fn posteriors(&self, first: usize, columns: Vec<u32>, out: &mut [f32]) {
        let mut maps: Vec<Vec<u32>> = vec![Vec::new(); self.layers.len()];
        maps[first - 1] = columns;
        for (index, layer) in self.layers.iter().enumerate().skip(first) {
            let mut made = vec![0; layer.len * layer.words()];
            self.make(index, &maps, &mut made);
            maps[index] = made;
            for operand in layer.operands.iter().filter(|o| self.layers[**o].read_until == index) {
                maps[*operand] = Vec::new();
            }
        }
        if let (Some(head), Some(columns)) = (self.layers.last(), maps.last()) {
            match head.values(columns) {
                Values::Narrow(features) => self.classifier.posteriors(features, out),
                Values::Wide(features) => self.classifier.posteriors(features, out),
            }
        }
    }

    /// All columns of a layer, from all those that it reads.
    fn make(&self, index: usize, maps: &[Vec<u32>], out: &mut [u32]) {
        let layer = &self.layers[index];
        let operand = |number: usize| {
            let operand = layer.operands[number];
            (&self.layers[operand], maps[operand].as_slice())
        };
        let limit = i32::from(layer.limit);
        match &layer.does {
            Does::Relu { padding, .. } | Does::Signed { padding, .. } => {
                let (input, columns) = operand(0);
                self.convolve(index, &with_zeros(columns, input.words(), *padding), out);
            }
            Does::Gate(weights) => {
                let (input, column) = operand(0);
                weights.signed_columns(input.values(column), 0, wide_mut(out), |sum| {
                    let mut gate = [0];
                    sigmoid(&[sum], &mut gate);
                    gate[0].cast_signed()
                });
            }
            Does::Mean(factor) => {
                let (input, columns) = operand(0);
                let (width, columns) = (input.column(), input.wide(columns));
                for (channel, out) in wide_mut(out)[..layer.channels].iter_mut().enumerate() {
                    let values = columns[channel..].iter().step_by(width);
                    let sum = values.fold(0i32, |sum, value| sum.wrapping_add((*value).into()));
                    *out = requantize(sum, *factor).clamp(-limit, limit) as i16;
                }
            }
            Does::Join { gated, residual, .. } => {
                let columns = |number: usize| operand(number).1;
                let shortcut = residual.then(|| columns(layer.operands.len() - 1));
                self.join(index, columns(0), gated.then(|| columns(1)), shortcut, out);
            }
            Does::Peaks(factors) => {
                let mut peaks = Vec::with_capacity(layer.channels);
                for (number, factor) in factors.iter().enumerate() {
                    let (level, columns) = operand(number);
                    let (width, columns) = (level.column(), level.wide(columns));
                    for channel in 0..level.channels {
                        let values = columns[channel..].iter().step_by(width);
                        let largest = values.copied().fold(0, i16::max);
                        peaks.push(requantize_relu(largest.into(), *factor, layer.limit));
                    }
                }
                layer.store(out, |_, channel| peaks[channel]);
            }
        }
    }
}

impl Layer {
    fn new(node: &Node, numbers: &q8::Layer<'_>, before: &[Self]) -> Self {
        let input = node.operands.first().map(|operand| &before[*operand]);
        let narrow = input.is_some_and(|input| input.narrow);
        let step = input.map_or(1, Self::column);
        let weights = || BatchLayer::new(numbers, narrow);
        let does = match node.op {
            Op::Conv { activation: Activation::Relu, stride, padding, pool, .. } => {
                Does::Relu { weights: weights(), rows: Rows { step: step * stride, pool }, padding }
            }
            Op::Conv { activation: Activation::None, padding, .. } => {
                Does::Signed { weights: weights(), step, padding }
            }
            Op::Conv { activation: Activation::Sigmoid, .. } => Does::Gate(weights()),
            Op::Mel { .. } => unreachable!("no int8 model reads mel spectra"),
            Op::Mean => Does::Mean(numbers.factor(0)),
            Op::Join { gated, residual, pool, .. } => {
                let factors = [numbers.factor(0), numbers.factor(usize::from(residual))];
                Does::Join { factors, gated, residual, pool }
            }
            Op::Peaks => {
                Does::Peaks((0..node.operands.len()).map(|level| numbers.factor(level)).collect())
            }
        };
        let is_gate = matches!(does, Does::Gate(_));
        Self {
            narrow: numbers.bits() == 8 && !node.is_signed() && !is_gate,
            does,
            operands: node.operands.to_vec(),
            channels: node.out_channels,
            len: node.out_len,
            limit: numbers.limit,
            read_until: 0,
        }
    }

    /// Values of a column, padding included.
    fn column(&self) -> usize {
        padded(self.channels)
    }

    /// Words of a column.
    fn words(&self) -> usize {
        self.column() / if self.narrow { 4 } else { 2 }
    }

    fn values<'a>(&self, columns: &'a [u32]) -> Values<'a> {
        match self.narrow {
            true => Values::Narrow(cast_slice(columns)),
            false => Values::Wide(cast_slice(columns)),
        }
    }

    fn room<'a>(&self, columns: &'a mut [u32]) -> ValuesMut<'a> {
        match self.narrow {
            true => ValuesMut::Narrow(cast_slice_mut(columns)),
            false => ValuesMut::Wide(cast_slice_mut(columns)),
        }
    }

    /// The values of its columns in 16 bits.
    fn wide<'a>(&self, columns: &'a [u32]) -> Cow<'a, [i16]> {
        match self.values(columns) {
            Values::Narrow(values) => values.iter().map(|value| i16::from(*value)).collect(),
            Values::Wide(values) => Cow::Borrowed(values),
        }
    }

    /// Stores a value for each column and channel.
    fn store(&self, out: &mut [u32], value: impl Fn(usize, usize) -> i16) {
        let width = self.column();
        match self.room(out) {
            ValuesMut::Narrow(out) => {
                for (column, out) in out.chunks_exact_mut(width).enumerate() {
                    let out = out.iter_mut().take(self.channels).enumerate();
                    out.for_each(|(channel, out)| *out = value(column, channel) as u8);
                }
            }
            ValuesMut::Wide(out) => {
                for (column, out) in out.chunks_exact_mut(width).enumerate() {
                    let out = out.iter_mut().take(self.channels).enumerate();
                    out.for_each(|(channel, out)| *out = value(column, channel));
                }
            }
        }
    }
}

/// Columns between zero columns.
fn with_zeros(columns: &[u32], words: usize, (before, after): (usize, usize)) -> Cow<'_, [u32]> {
    if (before, after) == (0, 0) {
        return Cow::Borrowed(columns);
    }
    let mut padded = vec![0; before * words];
    padded.extend_from_slice(columns);
    padded.resize(padded.len() + after * words, 0);
    Cow::Owned(padded)
}

fn wide_mut(columns: &mut [u32]) -> &mut [i16] {
    cast_slice_mut(columns)
}
