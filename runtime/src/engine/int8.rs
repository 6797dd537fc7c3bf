//! Runs int8 models with the integers of the microcontroller's engine, many columns at a time.
//!
//! Posteriors equal those of [`firmware_sim::Engine`] bit for bit: the same sums of the same products, rounded
//! by the same rule. Networks with gates, shortcuts or global maxima run in that engine itself, window by window.

use std::path::Path;

use audio::to_i16;
use bytemuck::{cast_slice, cast_slice_mut};
use firmware_sim::batch::{BatchLayer, Rows, Values, ValuesMut};
use models::arch::{ArchSpec, LayerTable, Task};
use models::meta::{ModelMeta, Provenance};
use models::q8;
use models::quant::{Factor, requantize, sigmoid, softmax};
use models::stream::{Q15, to_f32};

use super::shared::{self, Layers, Run, Shape};
use super::shared_stream::SharedStream;
use super::{Engine, EngineError, Rolling, Stream, check_lengths};

/// Samples that the stem may read beyond a window's end: its weights there are zero.
const BEYOND: usize = 4;

/// An int8 model, on one thread.
#[derive(Debug)]
pub struct Int8Engine {
    meta: ModelMeta,
    network: Computation,
}

/// How a network is computed.
#[derive(Debug)]
enum Computation {
    /// A chain, many columns at a time.
    Chain(Box<Network>),
    /// Any other network, as a microcontroller does.
    Passes(Passes),
}

/// A model for the microcontroller's engine.
#[derive(Debug)]
struct Passes {
    bytes: Vec<u8>,
    memory: Vec<u32>,
}

impl Passes {
    fn posteriors(&mut self, window: &[i16], out: &mut [f32]) {
        let model = q8::Model::parse(&self.bytes).expect("it was parsed when it was loaded");
        let engine = firmware_sim::Engine::for_windows(&model, &mut self.memory);
        let mut engine = engine.expect("the memory has the size asked for");
        engine.push(window, |posteriors, _| {
            out.iter_mut().zip(posteriors).for_each(|(out, posterior)| *out = to_f32(*posterior));
        });
    }
}

impl Int8Engine {
    /// The model in these bytes; `path` stands for it in messages.
    ///
    /// # Errors
    /// [`EngineError::Int8`] for bytes that are no model.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, EngineError> {
        let wrong = |problem| EngineError::Int8 { path: path.to_path_buf(), problem };
        let model = q8::Model::parse(bytes).map_err(wrong)?;
        let table = model.arch().layers().map_err(|error| wrong(q8::FormatError::Arch(error)))?;
        let network = if model.arch().is_chain() {
            Computation::Chain(Box::new(Network::new(&model, &table)))
        } else {
            let memory = vec![0; firmware_sim::window_memory_words(&model)];
            Computation::Passes(Passes { bytes: bytes.to_vec(), memory })
        };
        Ok(Self { meta: meta(&model), network })
    }

    /// A stream of windows every `hop` samples, at least 1, which share what they can.
    #[must_use]
    pub fn into_stream(self, hop: u32) -> Box<dyn Stream> {
        let hop = hop.max(1);
        let Self { meta, network } = self;
        match (network, shared::cheapest(&meta.arch, hop, LEVEL_MACS)) {
            (Computation::Chain(network), Some(streaming)) => {
                let levels = LevelsOf { shared: streaming.shared.len(), network: *network };
                Box::new(SharedStream::new(levels, meta, streaming))
            }
            (network, _) => Box::new(Rolling::new(Self { meta, network }, hop)),
        }
    }
}

/// Multiply-accumulates that could be done in the time that a shared level costs beside them.
const LEVEL_MACS: u64 = 100_000;

fn meta(model: &q8::Model<'_>) -> ModelMeta {
    ModelMeta {
        preset: model.preset().to_owned(),
        arch: model.arch().clone(),
        labels: model.labels().map(str::to_owned).collect(),
        decision: model.decision().defaults(),
        provenance: Provenance { seed: model.seed(), ..Provenance::default() },
    }
}

impl Engine for Int8Engine {
    fn meta(&self) -> &ModelMeta {
        &self.meta
    }

    fn posteriors(&mut self, window: &[f32], out: &mut [f32]) -> Result<(), EngineError> {
        let arch = &self.meta.arch;
        check_lengths(window.len(), arch.window as usize, out.len(), usize::from(arch.classes))?;
        let samples: Vec<i16> = window.iter().copied().map(to_i16).collect();
        match &mut self.network {
            Computation::Chain(network) => {
                let mut columns = vec![0; network.lens[0] * network.words[0]];
                network.stem(&samples, &mut columns);
                network.posteriors(1, columns, out);
            }
            Computation::Passes(network) => network.posteriors(&samples, out),
        }
        Ok(())
    }
}

/// All layers of a model. Columns are words: four values of 8 bits or two of 16.
#[derive(Debug)]
struct Network {
    /// Stem, blocks, head.
    layers: Vec<BatchLayer>,
    shapes: Vec<Shape>,
    /// Whether the columns that a layer makes have 8 bits.
    narrow: Vec<bool>,
    /// Words of a column that a layer makes.
    words: Vec<usize>,
    /// Columns that a layer makes of a window.
    lens: Vec<usize>,
    classifier: Classifier,
    samples: Vec<i16>,
}

impl Network {
    fn new(model: &q8::Model<'_>, table: &LayerTable) -> Self {
        let (arch, layers) = (model.arch(), model.layers());
        let convolutions = &layers[..layers.len() - 1];
        let narrow: Vec<bool> = convolutions.iter().map(|layer| layer.bits() == 8).collect();
        let seen = std::iter::once(false).chain(narrow.iter().copied());
        let packed = convolutions.iter().zip(seen);
        let packed: Vec<_> = packed.map(|(layer, seen)| BatchLayer::new(layer, seen)).collect();
        let words = packed.iter().zip(&narrow);
        let words = words.map(|(layer, narrow)| layer.column() / if *narrow { 4 } else { 2 });
        Self {
            shapes: (0..convolutions.len()).map(|layer| Shape::of(arch, layer)).collect(),
            words: words.collect(),
            lens: table.layers.iter().map(|layer| layer.out_len).collect(),
            classifier: Classifier::new(arch, &layers[layers.len() - 1]),
            layers: packed,
            narrow,
            samples: Vec::new(),
        }
    }

    /// The stem's columns that fit into `out`.
    fn stem(&mut self, samples: &[i16], out: &mut [u32]) {
        self.samples.clear();
        self.samples.extend_from_slice(samples);
        self.samples.extend([0; BEYOND]);
        let rows = Rows { step: self.shapes[0].stride, pool: 1 };
        self.layers[0].columns(Values::Wide(&self.samples), rows, self.room(0, out));
    }

    /// The columns of a layer behind the stem that fit into `out`.
    fn layer(&self, index: usize, input: &[u32], out: &mut [u32]) {
        let step = self.layers[index - 1].column();
        let rows = Rows { step, pool: self.shapes[index].pool };
        let input = match self.narrow[index - 1] {
            true => Values::Narrow(cast_slice(input)),
            false => Values::Wide(cast_slice(input)),
        };
        self.layers[index].columns(input, rows, self.room(index, out));
    }

    fn room<'a>(&self, layer: usize, out: &'a mut [u32]) -> ValuesMut<'a> {
        match self.narrow[layer] {
            true => ValuesMut::Narrow(cast_slice_mut(out)),
            false => ValuesMut::Wide(cast_slice_mut(out)),
        }
    }

    /// The posteriors of a window, from all its columns that the layer before `first` makes.
    fn posteriors(&self, first: usize, mut columns: Vec<u32>, out: &mut [f32]) {
        for index in first..self.layers.len() {
            let (before, after) = self.shapes[index].padding;
            let words = self.words[index - 1];
            let mut input = vec![0; before * words];
            input.append(&mut columns);
            input.resize(input.len() + after * words, 0);
            columns = vec![0; self.lens[index] * self.words[index]];
            self.layer(index, &input, &mut columns);
        }
        match self.narrow.last() {
            Some(true) => self.classifier.posteriors(cast_slice::<_, u8>(&columns), out),
            _ => self.classifier.posteriors(cast_slice::<_, i16>(&columns), out),
        }
    }
}

/// The layer behind the head.
#[derive(Debug)]
struct Classifier {
    task: Task,
    weights: Vec<i8>,
    scales: Vec<(i32, Factor)>,
}

impl Classifier {
    fn new(arch: &ArchSpec, layer: &q8::Layer<'_>) -> Self {
        let scale = |output| (layer.bias(output), layer.factor(output));
        Self {
            task: arch.task,
            weights: layer.weights().iter().map(|weight| weight.cast_signed()).collect(),
            scales: (0..layer.shape.outputs).map(scale).collect(),
        }
    }

    /// The posteriors of all columns of the head.
    fn posteriors<T: Copy + Into<i32>>(&self, features: &[T], out: &mut [f32]) {
        let rows = self.weights.chunks_exact(features.len());
        let logits = rows.zip(&self.scales).map(|(row, (bias, factor))| {
            let products = row.iter().zip(features);
            let sum = products.fold(*bias, |sum, (weight, feature)| {
                sum.wrapping_add(i32::from(*weight).wrapping_mul((*feature).into()))
            });
            requantize(sum, *factor)
        });
        let logits: Vec<i32> = logits.collect();
        let mut posteriors: Vec<Q15> = vec![0; logits.len()];
        match self.task {
            Task::MultiClass => softmax(&logits, &mut posteriors),
            Task::MultiLabel => sigmoid(&logits, &mut posteriors),
        }
        for (out, posterior) in out.iter_mut().zip(posteriors) {
            *out = to_f32(posterior);
        }
    }
}

/// A network whose first layers windows share.
struct LevelsOf {
    network: Network,
    shared: usize,
}

impl Layers for LevelsOf {
    type Sample = i16;
    const UNKNOWN: i16 = i16::MIN;

    fn sample(value: f32) -> i16 {
        to_i16(value)
    }

    fn words(&self, level: usize) -> usize {
        self.network.words[level]
    }

    fn stem(&mut self, samples: &[i16], out: &mut [u32]) -> Result<(), EngineError> {
        self.network.stem(samples, out);
        Ok(())
    }

    fn level(&mut self, level: usize, runs: [Run<'_>; 3]) -> Result<(), EngineError> {
        for Run { input, output } in runs {
            self.network.layer(level, input, output);
        }
        Ok(())
    }

    fn tail(&mut self, window: &[u32], out: &mut [f32]) -> Result<(), EngineError> {
        self.network.posteriors(self.shared, window.to_vec(), out);
        Ok(())
    }
}

#[cfg(test)]
#[path = "int8_tests.rs"]
mod tests;
