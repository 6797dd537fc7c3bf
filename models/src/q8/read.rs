//! Reading a model in place.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::layer::word;
use super::{DATA_ALIGNMENT, FormatError, HEADER_LEN, Layer, MAGIC, Shape, VERSION, checksum};
use crate::arch::{ArchSpec, Head, LayerName, MAX_NODES, Stem, Task};
#[cfg(feature = "alloc")]
use crate::meta::DecisionDefaults;
#[cfg(feature = "alloc")]
use crate::stream::to_f32;
use crate::stream::{ClassSettings, FULL_SCALE, NEVER, ONE, Q15, Settings};

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
    /// Windows in succession whose average reaches the threshold before a detection.
    pub min_count: u16,
    /// Share of its threshold below which a detected class must fall before it is detected again.
    pub release: Q15,
    /// Windows after a reset in which nothing is detected.
    pub warm_up: u16,
    /// Samples after a detection in which nothing else is detected.
    pub suppression: u32,
    /// Level of the gate, a mean square of samples; 0 for none.
    pub gate: u32,
    /// One threshold a class: Q15, little-endian.
    #[serde(borrow)]
    pub(super) thresholds: &'a [u8],
    /// One cooldown a class in samples: u32, little-endian; or nothing.
    #[serde(borrow)]
    pub(super) cooldowns: &'a [u8],
}

impl<'a> Decision<'a> {
    const EMPTY: Self = Self {
        hop: 0,
        smoothing: 0,
        min_count: 0,
        release: 0,
        warm_up: 0,
        suppression: 0,
        gate: 0,
        thresholds: &[],
        cooldowns: &[],
    };

    /// The settings that the decision core takes.
    #[must_use]
    pub const fn settings(&self, window: u32) -> Settings {
        let Self { smoothing, min_count, release, warm_up, suppression, .. } = *self;
        Settings { window, smoothing, min_count, release, warm_up, suppression }
    }

    /// The classes as the decision core takes them.
    pub fn classes(&self) -> impl ExactSizeIterator<Item = ClassSettings> + 'a {
        let cooldowns = self.cooldowns;
        self.thresholds().enumerate().map(move |(class, threshold)| {
            let cooldown = cooldowns.as_chunks().0.get(class);
            let cooldown = cooldown.map_or(0, |bytes| u32::from_le_bytes(*bytes));
            ClassSettings { threshold, cooldown }
        })
    }

    /// Whether all of it makes sense, for so many classes.
    fn fits(&self, classes: usize) -> bool {
        let complete = self.thresholds.len() == 2 * classes;
        let cooldowns = self.cooldowns.is_empty() || self.cooldowns.len() == 4 * classes;
        let sensible = |threshold: Q15| threshold <= ONE || threshold == NEVER;
        let counts = self.hop > 0 && self.smoothing > 0 && self.min_count > 0;
        let levels = (1..=ONE).contains(&self.release) && self.gate <= FULL_SCALE;
        complete && cooldowns && counts && levels && self.thresholds().all(sensible)
    }

    /// The thresholds that the decision core takes, one a class; [`NEVER`] for classes that are
    /// never reported.
    pub fn thresholds(&self) -> impl ExactSizeIterator<Item = Q15> + 'a {
        self.thresholds.chunks_exact(2).map(|bytes| Q15::from_le_bytes([bytes[0], bytes[1]]))
    }

    /// The same as what an ONNX model carries.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn defaults(&self) -> DecisionDefaults {
        let Self { hop, smoothing, min_count, warm_up, suppression, gate, .. } = *self;
        let threshold = |threshold| (threshold != NEVER).then(|| to_f32(threshold));
        let cooldowns = self.cooldowns.as_chunks().0.iter();
        DecisionDefaults {
            hop,
            smoothing,
            min_count,
            release: to_f32(self.release),
            warm_up,
            suppression,
            cooldowns: cooldowns.map(|bytes| u32::from_le_bytes(*bytes)).collect(),
            gate,
            thresholds: self.thresholds().map(threshold).collect(),
        }
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
    layers: heapless::Vec<Layer<'a>, MAX_NODES>,
}

impl<'a> Model<'a> {
    /// Reads a model. Bytes behind its end are not looked at: a flash region may be longer.
    ///
    /// # Errors
    /// The first thing that is wrong.
    #[inline(never)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        // In steps that each give back their stack: small computers have little of it.
        let mut model = Self::EMPTY;
        let (body, data) = split(bytes)?;
        let read = model.read(body);
        // Before that reading failed: where gates are left out, there is no room for their layers.
        model.check_kinds()?;
        read.map_err(|_| FormatError::Malformed)?;
        model.check()?;
        model.cut(data)?;
        Ok(model)
    }

    const EMPTY: Self = Self {
        preset: "",
        arch: ArchSpec {
            sample_rate_hz: 0,
            window: 0,
            stem: Stem::conv(0, 0, 0),
            blocks: heapless::Vec::new(),
            head: Head { channels: 0, levels: 0 },
            classes: 0,
            task: Task::MultiClass,
        },
        labels: "",
        decision: Decision::EMPTY,
        seed: 0,
        layers: heapless::Vec::new(),
    };

    /// Reads the body (`super::write::Body`), and begins the layers with what it says of them.
    #[inline(never)]
    fn read(&mut self, bytes: &'a [u8]) -> postcard::Result<()> {
        // Field by field, each to its place, instead of one more copy of everything.
        let from = &mut postcard::Deserializer::from_bytes(bytes);
        self.preset = Deserialize::deserialize(&mut *from)?;
        self.arch = Deserialize::deserialize(&mut *from)?;
        self.labels = Deserialize::deserialize(&mut *from)?;
        self.decision = Deserialize::deserialize(&mut *from)?;
        self.seed = Deserialize::deserialize(&mut *from)?;
        for _ in 0..usize::deserialize(&mut *from)? {
            let Scale { output, limit } = Deserialize::deserialize(&mut *from)?;
            let pushed = self.layers.push(Layer::new(output, limit));
            pushed.map_err(|_| postcard::Error::SerdeDeCustom)?;
        }
        Ok(())
    }

    fn check_kinds(&self) -> Result<(), FormatError> {
        if cfg!(not(feature = "gates")) && !self.arch.has_basic_blocks_only() {
            return Err(FormatError::Gates);
        }
        Ok(())
    }

    #[inline(never)]
    fn check(&self) -> Result<(), FormatError> {
        self.arch.each_layer(|_| {}).map_err(FormatError::Arch)?;
        // As bytes: the search for characters is a kilobyte of code.
        let labels = || self.labels.as_bytes().split(|byte| *byte == b'\n');
        if labels().any(<[u8]>::is_empty) || labels().count() != usize::from(self.arch.classes) {
            return Err(FormatError::Labels);
        }
        let fits = self.decision.fits(self.arch.classes.into());
        if fits { Ok(()) } else { Err(FormatError::Decision) }
    }

    /// Cuts the data into layers.
    #[inline(never)]
    fn cut(&mut self, data: &'a [u8]) -> Result<(), FormatError> {
        let (mut needed, mut nodes) = (0u64, 0);
        each_shape(&self.arch, |_, shape| {
            (needed, nodes) = (needed.saturating_add(shape.bytes()), nodes + 1);
            Ok(())
        })?;
        if needed != data.len() as u64 {
            return Err(FormatError::DataLength { needed });
        }
        if self.layers.len() != nodes {
            return Err(FormatError::LayerCount);
        }
        let (mut layers, mut rest) = (self.layers.iter_mut(), data);
        each_shape(&self.arch, |name, shape| {
            let (numbers, behind) = rest.split_at(shape.bytes() as usize);
            rest = behind;
            let filled = layers.next().is_some_and(|layer| layer.fill(shape, numbers));
            if filled { Ok(()) } else { Err(FormatError::Layer(name)) }
        })
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

    /// The numbers of the network's nodes, in their order. A chain has one node a layer: stem, blocks, head,
    /// classifier.
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

/// Checks header and checksum, and returns body and data.
#[inline(never)]
pub(super) fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), FormatError> {
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

/// The nodes' shapes, until one is refused.
fn each_shape(
    arch: &ArchSpec,
    mut each: impl FnMut(LayerName, Shape) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let mut result = Ok(());
    let built = arch.each_node(|node| {
        if result.is_ok() {
            result = each(node.layer, Shape::of_node(node));
        }
    });
    built.map_err(FormatError::Arch)?;
    result
}
