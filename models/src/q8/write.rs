//! Writing a model.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use super::read::{Scale, split};
use super::{
    DATA_ALIGNMENT, Decision, FormatError, HEADER_LEN, Layer, MAGIC, Model, Shape, VERSION,
    checksum, padded,
};
use crate::arch::{ArchSpec, MAX_NODES};
use crate::meta::DecisionDefaults;
use crate::quant::Factor;
use crate::stream::from_f32;

/// Everything that goes into a model file.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// Name of the preset, or of the user's own architecture.
    pub preset: String,
    /// The network.
    pub arch: ArchSpec,
    /// One label a class, in the order of the outputs.
    pub labels: Vec<String>,
    /// How to decide on a stream unless the user says otherwise.
    pub decision: DecisionDefaults,
    /// Seed of the training's random draws.
    pub seed: u64,
    /// One for each node of the network; of a chain stem, blocks, head, classifier.
    pub layers: Vec<LayerParts>,
}

/// The numbers of one node. One without weights has no biases that count.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerParts {
    /// Weights `[outputs, taps, inputs]`, the channels of a column side by side; of the stem
    /// `[outputs, kernel]`, of the classifier `[classes, columns, channels]`.
    pub weights: Vec<i8>,
    /// One bias an output, in units of the sum.
    pub biases: Vec<i32>,
    /// One factor an output.
    pub factors: Vec<Factor>,
    /// The largest output.
    pub limit: u16,
    /// What one unit of the output stands for.
    pub scale: f32,
}

/// The part of the file that is encoded with postcard; `Model::read` reads the fields in this order.
#[derive(Serialize)]
struct Body<'a> {
    preset: &'a str,
    arch: ArchSpec,
    labels: &'a str,
    decision: Decision<'a>,
    seed: u64,
    layers: heapless::Vec<Scale, MAX_NODES>,
}

impl Parts {
    /// The model as the bytes of a file.
    ///
    /// # Panics
    /// If the numbers are not those of the network: the exporter counts them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let shapes = Shape::of(&self.arch).expect("the network was built before it was trained");
        assert_eq!(self.layers.len(), shapes.len(), "one entry a node");
        let mut data = Vec::new();
        for (layer, shape) in self.layers.iter().zip(shapes) {
            layer.write(shape, &mut data);
        }
        let body = self.body();
        join(&body, &data)
    }

    fn body(&self) -> Vec<u8> {
        let classes = class_bytes(&self.decision);
        let scales = self.layers.iter();
        let scales = scales.map(|layer| Scale { output: layer.scale, limit: layer.limit });
        let body = Body {
            preset: &self.preset,
            arch: self.arch.clone(),
            labels: &self.labels.join("\n"),
            decision: decision(&self.decision, &classes),
            seed: self.seed,
            layers: scales.collect(),
        };
        encode(&body)
    }
}

/// The bytes of a model that decides otherwise on a stream; its network stays as it is. Bytes behind the
/// model's end are left out.
///
/// # Errors
/// What is wrong with the model, or [`FormatError::Decision`] where the decision is not for its classes.
pub fn with_decision(bytes: &[u8], defaults: &DecisionDefaults) -> Result<Vec<u8>, FormatError> {
    let model = Model::parse(bytes)?;
    let (_, data) = split(bytes)?;
    let classes = class_bytes(defaults);
    let labels: Vec<&str> = model.labels().collect();
    let scale = |layer: &Layer<'_>| Scale { output: layer.scale, limit: layer.limit };
    let body = Body {
        preset: model.preset(),
        arch: model.arch().clone(),
        labels: &labels.join("\n"),
        decision: decision(defaults, &classes),
        seed: model.seed(),
        layers: model.layers().iter().map(scale).collect(),
    };
    let changed = join(&encode(&body), data);
    Model::parse(&changed)?;
    Ok(changed)
}

/// Thresholds and cooldowns as the file has them.
fn class_bytes(defaults: &DecisionDefaults) -> (Vec<u8>, Vec<u8>) {
    let thresholds = defaults.thresholds_q15().into_iter().flat_map(u16::to_le_bytes);
    let cooldowns = defaults.cooldowns.iter().flat_map(|cooldown| cooldown.to_le_bytes());
    (thresholds.collect(), cooldowns.collect())
}

fn decision<'a>(
    defaults: &DecisionDefaults,
    (thresholds, cooldowns): &'a (Vec<u8>, Vec<u8>),
) -> Decision<'a> {
    let DecisionDefaults { hop, smoothing, min_count, warm_up, suppression, gate, .. } = *defaults;
    Decision {
        hop,
        smoothing,
        min_count,
        release: from_f32(defaults.release),
        warm_up,
        suppression,
        gate,
        thresholds,
        cooldowns,
    }
}

fn encode(body: &Body<'_>) -> Vec<u8> {
    postcard::to_allocvec(body).expect("a body is plain data")
}

/// A file of a body and data.
fn join(body: &[u8], data: &[u8]) -> Vec<u8> {
    let data_start = (HEADER_LEN + body.len()).next_multiple_of(DATA_ALIGNMENT);
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).expect("models are smaller than 4 GiB");
    let mut bytes = Vec::with_capacity(data_start + data.len());
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend([0; 6]);
    bytes.extend(len(body).to_le_bytes());
    bytes.extend(len(data).to_le_bytes());
    bytes.extend(body);
    bytes.resize(data_start, 0);
    bytes.extend(data);
    let sum = checksum(&bytes[HEADER_LEN - 8..]);
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
    bytes
}

impl LayerParts {
    fn write(&self, shape: Shape, data: &mut Vec<u8>) {
        let Shape { outputs, taps, inputs } = shape;
        assert_eq!(self.weights.len(), outputs * taps * inputs, "one weight a product");
        assert_eq!((self.biases.len(), self.factors.len()), (outputs, outputs));
        for tap in self.weights.chunks_exact(inputs.max(1)) {
            data.extend(tap.iter().map(|weight| weight.cast_unsigned()));
            data.extend(core::iter::repeat_n(0, padded(inputs) - inputs));
        }
        data.extend(self.biases.iter().flat_map(|bias| bias.to_le_bytes()));
        data.extend(self.factors.iter().flat_map(|factor| factor.multiplier.to_le_bytes()));
        data.extend(self.factors.iter().map(|factor| factor.shift));
        data.extend(core::iter::repeat_n(0, padded(outputs) - outputs));
    }
}
