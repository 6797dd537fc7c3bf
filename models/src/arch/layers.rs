//! Shape inference: what every layer of an [`ArchSpec`] makes, holds and costs.

use core::fmt;

use super::{ArchSpec, MAX_BLOCKS};

/// Largest window accepted, in samples (about 17 minutes at 16 kHz).
const MAX_WINDOW: u32 = 1 << 24;
/// The most features that a classifier may read.
const MAX_FEATURES: u64 = 1 << 24;

/// A layer's place in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerName {
    /// The network's input.
    Input,
    /// The strided convolution on samples.
    Stem,
    /// Block number `n`, from 1.
    Block(usize),
    /// The 1×1 convolution.
    Head,
    /// The linear layer.
    Classifier,
}

impl fmt::Display for LayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input => f.pad("input"),
            Self::Stem => f.pad("stem"),
            Self::Block(n) if f.width().is_none() => write!(f, "block {n}"),
            Self::Block(n) => {
                let mut name = heapless::String::<12>::new();
                fmt::Write::write_fmt(&mut name, format_args!("block {n}"))?;
                f.pad(&name)
            }
            Self::Head => f.pad("head"),
            Self::Classifier => f.pad("classifier"),
        }
    }
}

/// What one layer makes, holds and costs for one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Which layer.
    pub name: LayerName,
    /// Channels in (for the classifier: features in).
    pub in_channels: usize,
    /// Columns in.
    pub in_len: usize,
    /// Channels out.
    pub out_channels: usize,
    /// Columns that the convolution makes, before pooling.
    pub conv_len: usize,
    /// Columns out, after pooling.
    pub out_len: usize,
    /// Taps of the convolution.
    pub kernel: usize,
    /// Trained numbers: weights, biases, batch-norm scale and shift.
    pub params: u64,
    /// Multiply-accumulates of one window, those on padding included.
    pub macs: u64,
    /// Samples that one output column sees.
    pub receptive_field: usize,
    /// Samples between two output columns.
    pub stride: usize,
}

impl Layer {
    /// Bytes of the layer's output as f32.
    #[must_use]
    pub const fn output_bytes(&self) -> usize {
        4 * self.out_channels * self.out_len
    }

    /// Bytes of the layer's input and unpooled output together, as f32: what a whole-window
    /// engine without fused pooling must hold while it computes this layer.
    #[must_use]
    pub const fn working_bytes(&self) -> usize {
        4 * (self.in_channels * self.in_len + self.out_channels * self.conv_len)
    }
}

/// The layers of a network in order: stem, blocks, head, classifier.
pub type Layers = heapless::Vec<Layer, { MAX_BLOCKS + 3 }>;

/// All layers of a valid network, and their sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerTable {
    /// Stem, blocks, head, classifier.
    pub layers: Layers,
}

impl LayerTable {
    /// Trained numbers of the whole network.
    #[must_use]
    pub fn params(&self) -> u64 {
        self.layers.iter().map(|layer| layer.params).sum()
    }

    /// Multiply-accumulates of one window.
    #[must_use]
    pub fn macs(&self) -> u64 {
        self.layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.macs))
    }

    /// Samples at the window's start that can change the outputs; pooling drops the columns that
    /// later ones lead to.
    #[must_use]
    pub fn samples_used(&self, arch: &ArchSpec) -> usize {
        let [stem, .., last, _] = self.layers.as_slice() else { return 0 };
        let mut columns = last.in_len;
        let blocks = self.layers.iter().skip(1).zip(&arch.blocks);
        for (layer, block) in blocks.collect::<heapless::Vec<_, MAX_BLOCKS>>().iter().rev() {
            let (_, after) = block.padding();
            columns = (columns * block.pool as usize + after).min(layer.in_len);
        }
        (columns - 1) * stem.stride + stem.kernel
    }

    /// The largest [`Layer::working_bytes`].
    #[must_use]
    pub fn peak_working_bytes(&self) -> usize {
        let bytes = self.layers.iter().map(Layer::working_bytes);
        bytes.max().unwrap_or(0)
    }
}

/// Why a description is no network, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchError {
    /// The layer that cannot be built.
    pub layer: LayerName,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The sample rate is 0.
    NoRate,
    /// The window is 0 or beyond the largest accepted.
    Window {
        /// Samples asked for.
        samples: u32,
    },
    /// A layer without channels.
    NoChannels,
    /// A kernel, stride or pool of 0.
    ZeroSize,
    /// A network without blocks.
    NoBlocks,
    /// The kernel is longer than the unpadded input.
    KernelTooLong {
        /// Taps.
        kernel: usize,
        /// Columns or samples there are.
        len: usize,
    },
    /// Pooling leaves no column.
    PoolTooLong {
        /// Pool length.
        pool: usize,
        /// Columns there are.
        len: usize,
    },
    /// The head leaves more features than a classifier can read.
    TooManyFeatures {
        /// Features there would be.
        features: u64,
    },
    /// Fewer than two classes in a multi-class network, or none at all.
    TooFewClasses {
        /// Classes asked for.
        classes: usize,
    },
}

impl core::error::Error for ArchError {}

impl fmt::Display for ArchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.layer)?;
        match self.problem {
            Problem::NoRate => write!(f, "the sample rate is 0 Hz"),
            Problem::Window { samples } => {
                write!(f, "a window of {samples} samples is not in 1 to {MAX_WINDOW}")
            }
            Problem::NoChannels => write!(f, "it has 0 channels"),
            Problem::ZeroSize => write!(f, "kernel, stride and pool must be at least 1"),
            Problem::NoBlocks => write!(f, "the network has no blocks"),
            Problem::KernelTooLong { kernel, len } => {
                write!(f, "kernel {kernel} is longer than its input of {len}")
            }
            Problem::PoolTooLong { pool, len } => write!(
                f,
                "pool {pool} leaves nothing of {len} columns; use a longer window, fewer blocks or smaller pools"
            ),
            Problem::TooManyFeatures { features } => {
                write!(f, "{features} features are more than {MAX_FEATURES}; use larger pools")
            }
            Problem::TooFewClasses { classes } => {
                write!(f, "{classes} classes are too few to tell apart")
            }
        }
    }
}

impl ArchSpec {
    /// Computes every layer of the network.
    ///
    /// # Errors
    /// The first layer that cannot be built, and why.
    pub fn layers(&self) -> Result<LayerTable, ArchError> {
        let mut layers = Layers::new();
        self.each_layer(|layer| {
            let pushed = layers.push(*layer);
            debug_assert!(pushed.is_ok(), "Layers holds the most blocks there can be");
        })?;
        Ok(LayerTable { layers })
    }

    /// Computes the layers one after the other, for computers without room for all of them.
    ///
    /// # Errors
    /// The first layer that cannot be built, and why.
    pub fn each_layer(&self, mut each: impl FnMut(&Layer)) -> Result<(), ArchError> {
        self.check_input()?;
        let mut last = self.stem_layer()?;
        each(&last);
        for number in 1..=self.blocks.len() {
            last = self.block_layer(number, &last)?;
            each(&last);
        }
        last = self.head_layer(&last)?;
        each(&last);
        each(&self.classifier_layer(&last)?);
        Ok(())
    }

    fn check_input(&self) -> Result<(), ArchError> {
        let fail = |layer, problem| Err(ArchError { layer, problem });
        let classes = usize::from(self.classes);
        let fewest = match self.task {
            super::Task::MultiClass => 2,
            super::Task::MultiLabel => 1,
        };
        if self.sample_rate_hz == 0 {
            return fail(LayerName::Input, Problem::NoRate);
        }
        if self.window == 0 || self.window > MAX_WINDOW {
            let samples = self.window;
            return fail(LayerName::Input, Problem::Window { samples });
        }
        if self.blocks.is_empty() {
            return fail(LayerName::Block(1), Problem::NoBlocks);
        }
        if classes < fewest {
            return fail(LayerName::Classifier, Problem::TooFewClasses { classes });
        }
        Ok(())
    }

    fn stem_layer(&self) -> Result<Layer, ArchError> {
        let name = LayerName::Stem;
        let fail = |problem| Err(ArchError { layer: name, problem });
        let (kernel, stride) = (self.stem.kernel as usize, self.stem.stride as usize);
        let (channels, len) = (usize::from(self.stem.channels), self.window as usize);
        if channels == 0 {
            return fail(Problem::NoChannels);
        }
        if kernel == 0 || stride == 0 {
            return fail(Problem::ZeroSize);
        }
        if kernel > len {
            return fail(Problem::KernelTooLong { kernel, len });
        }
        let columns = (len - kernel) / stride + 1;
        Ok(Layer {
            name,
            in_channels: 1,
            in_len: len,
            out_channels: channels,
            conv_len: columns,
            out_len: columns,
            kernel,
            params: conv_params(1, channels, kernel),
            macs: columns as u64 * (channels * kernel) as u64,
            receptive_field: kernel,
            stride,
        })
    }

    fn block_layer(&self, number: usize, input: &Layer) -> Result<Layer, ArchError> {
        let name = LayerName::Block(number);
        let fail = |problem| Err(ArchError { layer: name, problem });
        let block = &self.blocks[number - 1];
        let (channels, kernel) = (usize::from(block.channels), block.kernel as usize);
        let (pool, len) = (block.pool as usize, input.out_len);
        if channels == 0 {
            return fail(Problem::NoChannels);
        }
        if kernel == 0 || pool == 0 {
            return fail(Problem::ZeroSize);
        }
        if pool > len {
            return fail(Problem::PoolTooLong { pool, len });
        }
        Ok(Layer {
            name,
            in_channels: input.out_channels,
            in_len: len,
            out_channels: channels,
            conv_len: len,
            out_len: len / pool,
            kernel,
            params: conv_params(input.out_channels, channels, kernel),
            macs: len as u64 * input.out_channels as u64 * (channels * kernel) as u64,
            receptive_field: (kernel - 1 + pool - 1)
                .saturating_mul(input.stride)
                .saturating_add(input.receptive_field),
            stride: input.stride * pool,
        })
    }

    fn head_layer(&self, input: &Layer) -> Result<Layer, ArchError> {
        let channels = usize::from(self.head.channels);
        if channels == 0 {
            let (layer, problem) = (LayerName::Head, Problem::NoChannels);
            return Err(ArchError { layer, problem });
        }
        Ok(Layer {
            name: LayerName::Head,
            in_channels: input.out_channels,
            in_len: input.out_len,
            out_channels: channels,
            conv_len: input.out_len,
            out_len: input.out_len,
            kernel: 1,
            params: conv_params(input.out_channels, channels, 1),
            macs: input.out_len as u64 * input.out_channels as u64 * channels as u64,
            receptive_field: input.receptive_field,
            stride: input.stride,
        })
    }

    fn classifier_layer(&self, input: &Layer) -> Result<Layer, ArchError> {
        let features = input.out_channels as u64 * input.out_len as u64;
        if features > MAX_FEATURES {
            let problem = Problem::TooManyFeatures { features };
            return Err(ArchError { layer: LayerName::Classifier, problem });
        }
        let features = features as usize;
        let classes = usize::from(self.classes);
        Ok(Layer {
            name: LayerName::Classifier,
            in_channels: features,
            in_len: 1,
            out_channels: classes,
            conv_len: 1,
            out_len: 1,
            kernel: 1,
            params: (features + 1) as u64 * classes as u64,
            macs: features as u64 * classes as u64,
            receptive_field: (input.out_len - 1)
                .saturating_mul(input.stride)
                .saturating_add(input.receptive_field),
            stride: self.window as usize,
        })
    }
}

/// Weights and biases of a convolution, scale and shift of the batch norm behind it.
const fn conv_params(in_channels: usize, out_channels: usize, kernel: usize) -> u64 {
    let (inputs, outputs) = (in_channels as u64, out_channels as u64);
    outputs * (inputs * kernel as u64 + 1) + 2 * outputs
}

#[cfg(test)]
mod tests {
    use super::super::{PRESETS, preset};
    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    fn lengths(name: &str, classes: u16) -> Vec<usize> {
        let table = preset(name, classes).unwrap().layers().unwrap();
        let last = table.layers.len() - 2;
        table.layers[..last].iter().map(|l| l.out_len).collect()
    }

    #[test]
    fn paper_presets_have_the_published_lengths() {
        assert_eq!(lengths("samplecnn-59049", 50), [19683, 6561, 2187, 729, 243, 81, 27, 9, 3, 1]);
        assert_eq!(lengths("samplecnn-music", 50), [13122, 4374, 1458, 486, 162, 54, 18, 6, 2, 1]);
        assert_eq!(lengths("samplecnn-scene", 17), [6561, 2187, 729, 243, 81, 27, 9, 3, 1]);
        assert_eq!(lengths("samplecnn-speech", 31), [5333, 1777, 592, 197, 65, 21, 7, 2, 1]);
    }

    #[test]
    fn paper_presets_have_the_published_parameter_counts() {
        for (name, classes, params) in [
            ("samplecnn-59049", 50, 1_869_874),
            ("samplecnn-music", 50, 1_738_802),
            ("samplecnn-scene", 17, 1_655_569),
            ("samplecnn-speech", 31, 1_531_679),
        ] {
            let table = preset(name, classes).unwrap().layers().unwrap();
            assert_eq!(table.params(), params, "{name}");
        }
    }

    #[test]
    fn speech_preset_costs_467_million_macs_and_uses_15672_samples() {
        let speech = preset("samplecnn-speech", 31).unwrap();
        let table = speech.layers().unwrap();
        assert_eq!(table.macs() / 1_000_000, 467);
        assert_eq!(table.samples_used(&speech), 15_672);
        let scene = preset("samplecnn-scene", 17).unwrap();
        assert_eq!(scene.layers().unwrap().samples_used(&scene), 19_683);
    }

    #[test]
    fn edge_presets_cost_what_their_names_promise() {
        for (name, millions) in [("nano", 2), ("mcu", 7), ("micro", 18), ("small", 60)] {
            let table = preset(name, 12).unwrap().layers().unwrap();
            assert_eq!(table.macs() / 1_000_000, millions, "{name}");
        }
    }

    #[test]
    fn every_preset_is_valid() {
        for name in PRESETS {
            preset(name, 12).unwrap().layers().unwrap();
        }
    }

    #[test]
    fn impossible_networks_are_refused_by_layer() {
        let mut spec = preset("samplecnn-speech", 31).unwrap();
        spec.window = 3000;
        assert_eq!(
            spec.layers().unwrap_err().to_string(),
            "block 7: pool 3 leaves nothing of 1 columns; use a longer window, fewer blocks or smaller pools"
        );
        let mut spec = preset("nano", 12).unwrap();
        spec.blocks[2].channels = 0;
        assert_eq!(spec.layers().unwrap_err().to_string(), "block 3: it has 0 channels");
        let mut spec = preset("nano", 12).unwrap();
        spec.window = 2;
        assert_eq!(
            spec.layers().unwrap_err().to_string(),
            "stem: kernel 3 is longer than its input of 2"
        );
        spec.window = 0;
        assert_eq!(spec.layers().unwrap_err().layer, LayerName::Input);
        let spec = preset("nano", 1).unwrap();
        assert_eq!(spec.layers().unwrap_err().layer, LayerName::Classifier);
    }
}
