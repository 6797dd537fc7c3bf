//! Reading a model in place.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{DATA_ALIGNMENT, FormatError, HEADER_LEN, MAGIC, MAX_LIMIT, Shape, VERSION, checksum};
use crate::arch::{ArchSpec, LayerTable, MAX_BLOCKS};
use crate::quant::Factor;
use crate::stream::{NEVER, Q15, Settings};

/// The most layers a network may have.
pub(super) const MAX_LAYERS: usize = MAX_BLOCKS + 3;

/// The part of the file that is encoded with postcard.
#[derive(Serialize, Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub preset: &'a str,
    pub arch: ArchSpec,
    pub labels: &'a str,
    pub decision: Decision<'a>,
    pub seed: u64,
    pub layers: heapless::Vec<Scale, MAX_LAYERS>,
}

/// What the body says of a layer.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Scale {
    /// What one unit of the output stands for.
    pub output: f32,
    /// The largest output.
    pub limit: u16,
}

/// How a stream is cut and decided unless the user says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision<'a> {
    /// Samples between two windows.
    pub hop: u32,
    /// Windows averaged.
    pub smoothing: u16,
    /// Windows after a reset in which nothing is detected.
    pub warm_up: u16,
    /// Samples after a detection in which nothing else is detected.
    pub suppression: u32,
    /// One threshold a class: Q15, little-endian.
    #[serde(borrow)]
    pub(super) thresholds: &'a [u8],
}

impl<'a> Decision<'a> {
    /// The settings that the decision core takes.
    #[must_use]
    pub const fn settings(&self, window: u32) -> Settings {
        let Self { smoothing, warm_up, suppression, .. } = *self;
        Settings { window, smoothing, warm_up, suppression }
    }

    /// The thresholds that the decision core takes, one a class; [`NEVER`] for classes that are
    /// never reported.
    pub fn thresholds(&self) -> impl ExactSizeIterator<Item = Q15> + 'a {
        self.thresholds.chunks_exact(2).map(|bytes| Q15::from_le_bytes([bytes[0], bytes[1]]))
    }
}

/// An int8 model, read in place.
#[derive(Clone)]
pub struct Model<'a> {
    preset: &'a str,
    arch: ArchSpec,
    labels: &'a str,
    decision: Decision<'a>,
    seed: u64,
    layers: heapless::Vec<Layer<'a>, MAX_LAYERS>,
}

/// The numbers of one layer.
#[derive(Clone, Copy)]
pub struct Layer<'a> {
    /// Rows, taps and inputs.
    pub shape: Shape,
    /// The largest output behind the ReLU; it needs 8 bits up to 127, 16 beyond.
    pub limit: u16,
    /// What one unit of the output stands for. Of the classifier: of a logit to base e.
    pub scale: f32,
    /// All rows of weights (`i8`), one after the other.
    pub weights: &'a [u8],
    biases: &'a [u8],
    multipliers: &'a [u8],
    shifts: &'a [u8],
}

impl<'a> Model<'a> {
    /// Reads a model. Bytes behind its end are not looked at: a flash region may be longer.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (body, data) = split(bytes)?;
        let (body, _) =
            postcard::take_from_bytes::<Body<'a>>(body).map_err(|_| FormatError::Malformed)?;
        let table = body.arch.layers().map_err(FormatError::Arch)?;
        check_labels(&body)?;
        check_decision(&body)?;
        let Body { preset, arch, labels, decision, seed, layers } = body;
        let layers = cut(&table, &layers, data)?;
        Ok(Self { preset, arch, labels, decision, seed, layers })
    }

    /// Name of the preset, or of the user's own architecture.
    #[must_use]
    pub const fn preset(&self) -> &'a str {
        self.preset
    }

    /// The network.
    #[must_use]
    pub const fn arch(&self) -> &ArchSpec {
        &self.arch
    }

    /// One label a class, in the order of the outputs.
    pub fn labels(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.labels.split('\n')
    }

    /// How to decide on a stream unless the user says otherwise.
    #[must_use]
    pub const fn decision(&self) -> &Decision<'a> {
        &self.decision
    }

    /// Seed of the training's random draws.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The layers: stem, blocks, head, classifier.
    #[must_use]
    pub fn layers(&self) -> &[Layer<'a>] {
        &self.layers
    }
}

impl fmt::Debug for Model<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { preset, arch, labels, decision, seed, layers } = self;
        f.debug_struct("Model")
            .field("preset", preset)
            .field("arch", arch)
            .field("labels", labels)
            .field("decision", decision)
            .field("seed", seed)
            .field("layers", &layers.len())
            .finish()
    }
}

impl Layer<'_> {
    /// Bytes of all numbers.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.weights.len() + self.biases.len() + self.multipliers.len() + self.shifts.len()
    }

    /// Bits that an output needs.
    #[must_use]
    pub const fn bits(&self) -> u32 {
        if self.limit <= i8::MAX as u16 { 8 } else { 16 }
    }

    /// The weights of one output, as `i8`.
    ///
    /// # Panics
    /// If there is no such output.
    #[must_use]
    #[inline]
    pub fn row(&self, output: usize) -> &[u8] {
        let row = self.shape.row();
        &self.weights[output * row..][..row]
    }

    /// What the sum of an output starts with.
    ///
    /// # Panics
    /// If there is no such output.
    #[must_use]
    #[inline]
    pub fn bias(&self, output: usize) -> i32 {
        word(self.biases, output)
    }

    /// What brings the sum of an output to the scale of the layer's outputs.
    ///
    /// # Panics
    /// If there is no such output.
    #[must_use]
    #[inline]
    pub fn factor(&self, output: usize) -> Factor {
        Factor { multiplier: word(self.multipliers, output), shift: self.shifts[output] }
    }
}

#[inline]
fn word(bytes: &[u8], index: usize) -> i32 {
    let [a, b, c, d] = bytes.as_chunks().0[index];
    i32::from_le_bytes([a, b, c, d])
}

/// Checks header and checksum, and returns body and data.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), FormatError> {
    let (header, rest) = match bytes.split_at_checked(HEADER_LEN) {
        Some(parts) => parts,
        None if bytes.starts_with(&MAGIC) => {
            return Err(FormatError::Truncated { needed: HEADER_LEN as u64 });
        }
        None => return Err(FormatError::NotQ8),
    };
    if !header.starts_with(&MAGIC) {
        return Err(FormatError::NotQ8);
    }
    let version = u16::from_le_bytes([header[4], header[5]]);
    if version != VERSION {
        return Err(FormatError::Version(version));
    }
    let field = |index| word(&header[8..], index).cast_unsigned();
    let (sum, body_len, data_len) = (field(0), u64::from(field(1)), u64::from(field(2)));
    let data_start = (HEADER_LEN as u64 + body_len).next_multiple_of(DATA_ALIGNMENT as u64);
    let needed = data_start + data_len;
    if (bytes.len() as u64) < needed {
        return Err(FormatError::Truncated { needed });
    }
    if checksum(&bytes[HEADER_LEN - 8..needed as usize]) != sum {
        return Err(FormatError::Checksum);
    }
    Ok((&rest[..body_len as usize], &bytes[data_start as usize..needed as usize]))
}

fn check_labels(body: &Body<'_>) -> Result<(), FormatError> {
    let count = body.labels.split('\n').count();
    let empty = body.labels.split('\n').any(str::is_empty);
    if empty || count != usize::from(body.arch.classes) {
        return Err(FormatError::Labels);
    }
    Ok(())
}

fn check_decision(body: &Body<'_>) -> Result<(), FormatError> {
    let decision = &body.decision;
    let complete = decision.thresholds.len() == 2 * usize::from(body.arch.classes);
    let sensible = |threshold: Q15| threshold <= crate::stream::ONE || threshold == NEVER;
    let fine = decision.hop > 0 && decision.smoothing > 0 && decision.thresholds().all(sensible);
    if complete && fine { Ok(()) } else { Err(FormatError::Decision) }
}

/// Cuts the data into layers.
fn cut<'a>(
    table: &LayerTable,
    scales: &[Scale],
    data: &'a [u8],
) -> Result<heapless::Vec<Layer<'a>, MAX_LAYERS>, FormatError> {
    let needed: u64 = Shape::of(table).map(|shape| shape.bytes()).sum();
    if needed != data.len() as u64 {
        return Err(FormatError::DataLength { needed });
    }
    if scales.len() != table.layers.len() {
        return Err(FormatError::LayerCount);
    }
    let mut layers = heapless::Vec::new();
    let mut rest = data;
    let mut take = |len: usize| {
        let (head, tail) = rest.split_at(len);
        rest = tail;
        head
    };
    for (index, shape) in Shape::of(table).enumerate() {
        let Scale { output: scale, limit } = scales[index];
        let layer = Layer {
            shape,
            limit,
            scale,
            weights: take(shape.outputs * shape.row()),
            biases: take(4 * shape.outputs),
            multipliers: take(4 * shape.outputs),
            shifts: take(super::padded(shape.outputs)),
        };
        let factors_fit = (0..shape.outputs).all(|output| layer.factor(output).is_valid());
        if !factors_fit || limit == 0 || limit > MAX_LIMIT {
            return Err(FormatError::Layer(table.layers[index].name));
        }
        let pushed = layers.push(layer);
        debug_assert!(pushed.is_ok(), "a network has at most MAX_LAYERS layers");
    }
    Ok(layers)
}
