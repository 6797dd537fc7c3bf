//! Shape inference: what every layer of an [`ArchSpec`] makes, holds and costs.

use core::fmt;

use super::{ArchError, ArchSpec, MAX_BLOCKS, Node, Op, Part};

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
    /// Columns before pooling.
    pub conv_len: usize,
    /// Columns out, after pooling.
    pub out_len: usize,
    /// Taps of the convolutions.
    pub kernel: usize,
    /// Trained numbers: weights, biases, batch-norm scale and shift.
    pub params: u64,
    /// Multiply-accumulates of one window, those on padding included.
    pub macs: u64,
    /// Values of the input and the unpooled output of the node that needs most of them.
    working: usize,
    /// Multiply-accumulates of the convolutions, without those of gates.
    pub(super) conv_macs: u64,
    /// The same of one column before pooling.
    pub(super) column_macs: u64,
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

    /// Bytes of what one operation of the layer reads and makes before pooling, as f32: what a
    /// whole-window engine without fused pooling must hold while it computes this layer.
    #[must_use]
    pub const fn working_bytes(&self) -> usize {
        self.working.saturating_mul(4)
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
        let [stem, blocks @ .., _, _] = self.layers.as_slice() else { return 0 };
        let first_level = blocks.len() - usize::from(arch.head.levels());
        let mut columns = blocks.last().map_or(0, |last| last.out_len);
        for (index, (layer, block)) in blocks.iter().zip(&arch.blocks).enumerate().rev() {
            if index >= first_level {
                columns = layer.out_len;
            }
            let after = block.padding().1 * block.kind().convolutions();
            columns = (columns * block.pool as usize + after).min(layer.in_len);
            if block.kind().is_residual() && block.kind().gate().is_some() {
                // The gate reads what pooling drops.
                columns = layer.in_len;
            }
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
        let mut layer: Option<Layer> = None;
        self.each_node(|node| match &mut layer {
            Some(layer) if layer.name == node.layer => layer.add(node),
            _ => {
                let next = Layer::start(layer.as_ref(), node);
                if let Some(layer) = layer.replace(next) {
                    each(&layer);
                }
            }
        })?;
        if let Some(layer) = layer {
            each(&Layer { stride: self.window as usize, ..layer });
        }
        Ok(())
    }
}

impl Layer {
    /// A layer, of which `node` is the first one, behind another.
    fn start(before: Option<&Self>, node: &Node) -> Self {
        let (receptive_field, stride) = before.map_or((1, 1), |l| (l.receptive_field, l.stride));
        let flat = node.layer == LayerName::Classifier;
        let mut layer = Self {
            name: node.layer,
            in_channels: if flat { node.in_channels * node.in_len } else { node.in_channels },
            in_len: if flat { 1 } else { node.in_len },
            out_channels: 0,
            conv_len: 0,
            out_len: 0,
            kernel: if flat { 1 } else { node.kernel() },
            params: 0,
            macs: 0,
            working: 0,
            conv_macs: 0,
            column_macs: 0,
            receptive_field,
            stride,
        };
        layer.add(node);
        layer
    }

    fn add(&mut self, node: &Node) {
        if matches!(node.part, Part::Conv | Part::Mel | Part::Second | Part::Shortcut) {
            let (macs, columns) = (node.macs(), node.conv_len as u64);
            self.conv_macs = self.conv_macs.saturating_add(macs);
            self.column_macs = self.column_macs.saturating_add(macs / columns);
        }
        self.params = self.params.saturating_add(node.params());
        self.macs = self.macs.saturating_add(node.macs());
        (self.out_channels, self.out_len) = (node.out_channels, node.out_len);
        self.conv_len = node.conv_len;
        let input = node.in_channels.saturating_mul(node.in_len);
        let output = node.out_channels.saturating_mul(node.conv_len);
        let shortcut = if matches!(node.op, Op::Join { residual: true, .. }) { output } else { 0 };
        self.working = self.working.max(input.saturating_add(output).saturating_add(shortcut));
        // Gates see the whole window, but only through a factor a channel: they do not count here.
        let (columns, step) = match (node.part, node.op) {
            (Part::Shortcut | Part::Squeeze | Part::Excite, _) => return,
            (_, Op::Conv { kernel, stride, pool, .. }) => (kernel - 1 + pool - 1, stride * pool),
            (_, Op::Mel { kernel, stride, .. }) => (kernel - 1, stride),
            (_, Op::Join { pool, .. }) => (pool - 1, pool),
            (_, Op::Peaks) => (node.in_len - 1, 1),
            (_, Op::Mean) => return,
        };
        let seen = columns.saturating_mul(self.stride);
        self.receptive_field = self.receptive_field.saturating_add(seen);
        self.stride *= step;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Alpha, BlockKind, PRESETS, preset};
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
    fn kinds_have_the_published_parameter_counts() {
        // 8 blocks and 31 classes, 9 blocks and 50 classes; in units of 10,000.
        for (kind, small, large) in [
            ("samplecnn-multi-{}", 247, 268),
            ("se-multi-{}", 2242, 2474),
            ("se-multi-{}-reduced", 262, 286),
            ("res2-multi-{}", 451, 492),
            ("rese2-multi-{}", 2446, 2698),
            ("rese2-multi-{}-reduced", 466, 510),
        ] {
            for (task, classes, wanted) in [
                ("scene", 31, small),
                ("speech", 31, small),
                ("music", 50, large),
                ("59049", 50, large),
            ] {
                let name = kind.replace("{}", task);
                let params = preset(&name, classes).unwrap().layers().unwrap().params();
                assert_eq!((params + 5_000) / 10_000, wanted, "{name}: {params}");
            }
        }
    }

    #[test]
    fn gates_and_levels_use_what_pooling_drops() {
        let used = |name| {
            let spec = preset(name, 12).unwrap();
            spec.layers().unwrap().samples_used(&spec)
        };
        assert_eq!(used("rese2-multi-speech"), 15_999);
        assert!(used("se-multi-speech") < 15_999);
        assert_eq!(used("res1-speech"), 15_672);
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
        let mut spec = preset("se-nano", 12).unwrap();
        spec.blocks[4].kind = BlockKind::Se(Alpha::Over(0));
        let message = spec.layers().unwrap_err().to_string();
        assert_eq!(message, "block 5: the factor of its gate must be at least 1");
        let mut spec = preset("2^2", 12).unwrap();
        spec.head.levels = 3;
        let message = spec.layers().unwrap_err().to_string();
        assert!(message.starts_with("head: it cannot pool 3 levels of 2 blocks"), "{message}");
        let spec = preset("nano", 1).unwrap();
        assert_eq!(spec.layers().unwrap_err().layer, LayerName::Classifier);
    }
}
