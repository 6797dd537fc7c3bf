//! The layers of an int8 network, each on many columns at a time.
//!
//! Columns are 32-bit words: four values of 8 bits where they are from 0 to 127, else two of 16; padded with zeros to
//! whole groups of four values. A window's columns of a layer lie between the zero columns that its readers pad them with.

use std::borrow::Cow;
use std::ops::Range;

use bytemuck::{cast_slice, cast_slice_mut};
use firmware_sim::batch::{BatchJoin, BatchLayer, BatchMean, Operands, Rows, Values, ValuesMut};
use models::arch::{Activation, ArchError, Node, Op};
use models::q8::{self, padded};
use models::quant::{Factor, requantize_relu};

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
    /// Memory of maps that nobody reads any more.
    spare: Vec<Vec<u32>>,
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
    /// Zero columns before and after them, for the convolutions that read them.
    margin: (usize, usize),
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
    Mean(BatchMean),
    /// Branch times gate plus shortcut, ReLU and pooling.
    Join { with: BatchJoin, gated: bool, residual: bool },
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
                if let Op::Conv { padding, .. } = node.op {
                    layers[*operand].keep_around(padding);
                }
            }
            let layer = Layer::new(node, numbers, &layers);
            layers.push(layer);
        }
        for operand in &classifier.operands {
            layers[*operand].read_until = nodes.len();
        }
        let classifier = Classifier::new(model.arch(), &model.layers()[nodes.len()]);
        let levels = shareable(model.arch(), nodes);
        Ok(Self { layers, levels, classifier, samples: Vec::new(), spare: Vec::new() })
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
                weights.signed_columns(input, *step, cast_slice_mut(out));
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
        let Does::Join { with, .. } = &layer.does else { unreachable!("layer {index} is no join") };
        let operand = |number: usize| &self.layers[layer.operands[number]];
        let operands = Operands {
            branch: operand(0).values(branch),
            gate: gate.map(cast_slice),
            shortcut: shortcut.map(|map| operand(layer.operands.len() - 1).values(map)),
        };
        with.columns(operands, layer.room(out));
    }

    /// The posteriors of a window of samples.
    pub(super) fn window(&mut self, samples: &[i16], out: &mut [f32]) {
        let mut map = self.map(0);
        let inside = self.layers[0].columns((0, 0));
        self.stem(samples, &mut map[inside]);
        self.behind(1, map, out);
    }

    /// The posteriors of a window, from all its columns that the layer before `first` makes. Layers further before
    /// must not be read by those from `first` on.
    pub(super) fn posteriors(&mut self, first: usize, columns: &[u32], out: &mut [f32]) {
        let mut map = self.map(first - 1);
        let inside = self.layers[first - 1].columns((0, 0));
        map[inside].copy_from_slice(columns);
        self.behind(first, map, out);
    }

    /// The same from a map of the layer before `first`.
    fn behind(&mut self, first: usize, map: Vec<u32>, out: &mut [f32]) {
        let mut maps: Vec<Vec<u32>> = vec![Vec::new(); self.layers.len()];
        maps[first - 1] = map;
        for index in first..self.layers.len() {
            let mut made = self.map(index);
            let inside = self.layers[index].columns((0, 0));
            self.make(index, &maps, &mut made[inside]);
            maps[index] = made;
            for operand in &self.layers[index].operands {
                if self.layers[*operand].read_until == index {
                    self.spare.push(std::mem::take(&mut maps[*operand]));
                }
            }
        }
        if let (Some(head), Some(map)) = (self.layers.last(), maps.pop()) {
            match head.values(&map[head.columns((0, 0))]) {
                Values::Narrow(features) => self.classifier.posteriors(features, out),
                Values::Wide(features) => self.classifier.posteriors(features, out),
            }
            self.spare.push(map);
        }
    }

    /// Memory for a window's columns of a layer, between zeros. The columns are left over from another layer.
    fn map(&mut self, index: usize) -> Vec<u32> {
        let layer = &self.layers[index];
        let (whole, inside) = (layer.columns(layer.margin), layer.columns((0, 0)));
        let mut map = self.spare.pop().unwrap_or_default();
        map.resize(whole.len(), 0);
        map[..inside.start].fill(0);
        map[inside.end..].fill(0);
        map
    }

    /// All columns of a layer, from all those that it reads.
    fn make(&self, index: usize, maps: &[Vec<u32>], out: &mut [u32]) {
        let layer = &self.layers[index];
        let around = |number: usize, zeros: (usize, usize)| {
            let operand = layer.operands[number];
            &maps[operand][self.layers[operand].columns(zeros)]
        };
        let operand = |number: usize| around(number, (0, 0));
        let values = |number: usize| self.layers[layer.operands[number]].values(operand(number));
        match &layer.does {
            Does::Relu { padding, .. } | Does::Signed { padding, .. } => {
                self.convolve(index, around(0, *padding), out);
            }
            Does::Gate(weights) => weights.gates(values(0), cast_slice_mut(out)),
            Does::Mean(mean) => mean.column(values(0), cast_slice_mut(out)),
            Does::Join { gated, residual, .. } => {
                let gate = gated.then(|| operand(1));
                let shortcut = residual.then(|| operand(layer.operands.len() - 1));
                self.join(index, operand(0), gate, shortcut, out);
            }
            Does::Peaks(factors) => {
                let mut peaks = Vec::with_capacity(layer.column());
                for (number, factor) in factors.iter().enumerate() {
                    let level = &self.layers[layer.operands[number]];
                    let (width, columns) = (level.column(), level.wide(operand(number)));
                    for channel in 0..level.channels {
                        let values = columns[channel..].iter().step_by(width);
                        let largest = values.copied().fold(0, i16::max);
                        peaks.push(requantize_relu(largest.into(), *factor, layer.limit));
                    }
                }
                peaks.resize(layer.column(), 0);
                layer.store(&peaks, out);
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
            Op::Mean => Does::Mean(BatchMean::new(numbers)),
            Op::Join { gated, residual, pool, .. } => {
                let with = BatchJoin::new(numbers, node.out_channels, pool);
                Does::Join { with, gated, residual }
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
            margin: (0, 0),
            limit: numbers.limit,
            read_until: 0,
        }
    }

    /// Keeps so many zero columns around its columns, or more.
    fn keep_around(&mut self, (before, after): (usize, usize)) {
        self.margin = (self.margin.0.max(before), self.margin.1.max(after));
    }

    /// Where a window's columns lie in its map, with so many of the zero columns before and after them.
    fn columns(&self, (before, after): (usize, usize)) -> Range<usize> {
        let (first, words) = (self.margin.0, self.words());
        (first - before) * words..(first + self.len + after) * words
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

    /// Stores the values of columns.
    fn store(&self, values: &[i16], out: &mut [u32]) {
        match self.room(out) {
            ValuesMut::Narrow(out) => {
                out.iter_mut().zip(values).for_each(|(out, value)| *out = *value as u8);
            }
            ValuesMut::Wide(out) => out.copy_from_slice(values),
        }
    }
}
