//! The nodes of a network, one after the other.

use super::{
    Activation, ArchError, ArchSpec, Block, LayerName, MAX_LEVELS, Node, Op, Part, Problem,
};

/// Largest window accepted, in samples (about 17 minutes at 16 kHz).
pub(super) const MAX_WINDOW: u32 = 1 << 24;
/// Samples that a mel spectrum can be of.
pub(super) const MEL_KERNELS: core::ops::RangeInclusive<usize> = 16..=4096;
/// The most features that a classifier may read.
pub(super) const MAX_FEATURES: u64 = 1 << 24;

/// Columns that a node made.
#[derive(Clone, Copy)]
struct Map {
    node: usize,
    channels: usize,
    len: usize,
}

/// Makes the nodes one after the other.
struct Builder<F> {
    each: F,
    made: usize,
}

impl<F: FnMut(&Node)> Builder<F> {
    fn node(&mut self, node: &Node) -> Map {
        (self.each)(node);
        self.made += 1;
        Map { node: self.made - 1, channels: node.out_channels, len: node.out_len }
    }

    /// A convolution that keeps the columns of `input`, but for its pooling.
    fn same(
        &mut self,
        (layer, part): (LayerName, Part),
        input: Map,
        channels: usize,
        conv: Same,
    ) -> Map {
        let Same { kernel, padding, norm, activation, pool, dropout } = conv;
        self.node(&Node {
            layer,
            part,
            op: Op::Conv { kernel, stride: 1, padding, norm, activation, pool, dropout },
            operands: heapless::Vec::from_iter([input.node]),
            in_channels: input.channels,
            in_len: input.len,
            out_channels: channels,
            conv_len: input.len,
            out_len: input.len / pool,
        })
    }

    fn block(&mut self, layer: LayerName, block: &Block, input: Map) -> Map {
        let channels = usize::from(block.channels);
        let (pool, kind) = (usize::from(block.pool), block.kind());
        let (kernel, padding) = (usize::from(block.kernel), block.padding());
        let relu = Activation::Relu;
        let conv = Same { kernel, padding, norm: true, activation: relu, pool, dropout: false };
        if !kind.is_residual() {
            let x = self.same((layer, Part::Conv), input, channels, conv);
            let Some(gate) = kind.gate() else { return x };
            let gate = self.gate(layer, x, gate.hidden(channels));
            return self.join(layer, x, [Some(gate), None], 1);
        }
        let last = Same { activation: Activation::None, pool: 1, ..conv };
        let branch = if kind.convolutions() == 2 {
            let first = Same { pool: 1, dropout: true, ..conv };
            let x = self.same((layer, Part::Conv), input, channels, first);
            self.same((layer, Part::Second), x, channels, last)
        } else {
            self.same((layer, Part::Conv), input, channels, last)
        };
        let gate = kind.gate().map(|gate| self.gate(layer, branch, gate.hidden(channels)));
        let shortcut = if input.channels == channels {
            input
        } else {
            let shortcut = Same { kernel: 1, padding: (0, 0), ..last };
            self.same((layer, Part::Shortcut), input, channels, shortcut)
        };
        self.join(layer, branch, [gate, Some(shortcut)], pool)
    }

    fn gate(&mut self, layer: LayerName, x: Map, hidden: usize) -> Map {
        let mean = self.node(&Node {
            layer,
            part: Part::Mean,
            op: Op::Mean,
            operands: heapless::Vec::from_iter([x.node]),
            in_channels: x.channels,
            in_len: x.len,
            out_channels: x.channels,
            conv_len: 1,
            out_len: 1,
        });
        let linear = |activation| Same { norm: false, activation, ..Same::POINT };
        let squeezed = self.same((layer, Part::Squeeze), mean, hidden, linear(Activation::Relu));
        self.same((layer, Part::Excite), squeezed, x.channels, linear(Activation::Sigmoid))
    }

    fn join(&mut self, layer: LayerName, x: Map, others: [Option<Map>; 2], pool: usize) -> Map {
        let [gate, shortcut] = others;
        let residual = shortcut.is_some();
        let operands = core::iter::once(x).chain(others.into_iter().flatten());
        self.node(&Node {
            layer,
            part: Part::Join,
            op: Op::Join { gated: gate.is_some(), residual, relu: residual, pool },
            operands: operands.map(|map| map.node).collect(),
            in_channels: x.channels,
            in_len: x.len,
            out_channels: x.channels,
            conv_len: x.len,
            out_len: x.len / pool,
        })
    }

    fn peaks(&mut self, levels: &[Map]) -> Option<Map> {
        let last = levels.last()?;
        let channels = levels.iter().map(|level| level.channels).sum();
        Some(self.node(&Node {
            layer: LayerName::Head,
            part: Part::Peaks,
            op: Op::Peaks,
            operands: levels.iter().map(|level| level.node).collect(),
            in_channels: channels,
            in_len: last.len,
            out_channels: channels,
            conv_len: 1,
            out_len: 1,
        }))
    }
}

/// A convolution of stride 1 that keeps the number of columns.
#[derive(Clone, Copy)]
struct Same {
    kernel: usize,
    padding: (usize, usize),
    norm: bool,
    activation: Activation,
    pool: usize,
    dropout: bool,
}

impl Same {
    /// A 1×1 convolution with batch norm and ReLU.
    const POINT: Self = Self {
        kernel: 1,
        padding: (0, 0),
        norm: true,
        activation: Activation::Relu,
        pool: 1,
        dropout: false,
    };
}

impl ArchSpec {
    /// The nodes of the network, in an order in which each follows those that it reads.
    ///
    /// # Errors
    /// The first layer that cannot be built, and why. Nodes before it were handed out.
    pub fn each_node(&self, each: impl FnMut(&Node)) -> Result<(), ArchError> {
        self.check()?;
        let mut builder = Builder { each, made: 0 };
        let mut map = self.stem(&mut builder)?;
        let mut levels = heapless::Vec::<Map, MAX_LEVELS>::new();
        let pooled = usize::from(self.head.levels());
        for (index, block) in self.blocks.iter().enumerate() {
            let layer = LayerName::Block(index + 1);
            check_block(layer, block, map)?;
            map = builder.block(layer, block, map);
            if index + pooled >= self.blocks.len() {
                let pushed = levels.push(map);
                debug_assert!(pushed.is_ok(), "the number of levels was checked");
            }
        }
        let input = builder.peaks(&levels).unwrap_or(map);
        let channels = usize::from(self.head.channels);
        if channels == 0 {
            return fail(LayerName::Head, Problem::NoChannels);
        }
        map = builder.same((LayerName::Head, Part::Conv), input, channels, Same::POINT);
        self.classifier(&mut builder, map)
    }

    /// All nodes of the network.
    ///
    /// # Errors
    /// The first layer that cannot be built, and why.
    #[cfg(feature = "alloc")]
    pub fn nodes(&self) -> Result<alloc::vec::Vec<Node>, ArchError> {
        let mut nodes = alloc::vec::Vec::new();
        self.each_node(|node| nodes.push(node.clone()))?;
        Ok(nodes)
    }

    /// What can be checked before anything is built.
    fn check(&self) -> Result<(), ArchError> {
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
        let (levels, blocks) = (usize::from(self.head.levels()), self.blocks.len());
        if levels > blocks.min(MAX_LEVELS) {
            return fail(LayerName::Head, Problem::TooManyLevels { levels, blocks });
        }
        Ok(())
    }

    fn stem(&self, builder: &mut Builder<impl FnMut(&Node)>) -> Result<Map, ArchError> {
        let (kernel, stride) = (usize::from(self.stem.kernel), usize::from(self.stem.stride));
        let (channels, len) = (usize::from(self.stem.channels), self.window as usize);
        if channels == 0 {
            return fail(LayerName::Stem, Problem::NoChannels);
        }
        if kernel == 0 || stride == 0 {
            return fail(LayerName::Stem, Problem::ZeroSize);
        }
        if kernel > len {
            return fail(LayerName::Stem, Problem::KernelTooLong { kernel, len });
        }
        let mut op = Op::Conv {
            kernel,
            stride,
            padding: (0, 0),
            norm: true,
            activation: Activation::Relu,
            pool: 1,
            dropout: false,
        };
        let mut part = Part::Conv;
        if self.stem.is_mel() {
            if !MEL_KERNELS.contains(&kernel) || channels * 2 > kernel {
                return fail(LayerName::Stem, Problem::Mel { bands: channels, kernel });
            }
            (part, op) = (Part::Mel, Op::Mel { kernel, stride, rate_hz: self.sample_rate_hz });
        }
        let columns = (len - kernel) / stride + 1;
        Ok(builder.node(&Node {
            layer: LayerName::Stem,
            part,
            op,
            operands: heapless::Vec::new(),
            in_channels: 1,
            in_len: len,
            out_channels: channels,
            conv_len: columns,
            out_len: columns,
        }))
    }

    fn classifier(
        &self,
        builder: &mut Builder<impl FnMut(&Node)>,
        input: Map,
    ) -> Result<(), ArchError> {
        let features = input.channels as u64 * input.len as u64;
        if features > MAX_FEATURES {
            return fail(LayerName::Classifier, Problem::TooManyFeatures { features });
        }
        builder.node(&Node {
            layer: LayerName::Classifier,
            part: Part::Conv,
            op: Op::Conv {
                kernel: input.len,
                stride: 1,
                padding: (0, 0),
                norm: false,
                activation: Activation::None,
                pool: 1,
                dropout: false,
            },
            operands: heapless::Vec::from_iter([input.node]),
            in_channels: input.channels,
            in_len: input.len,
            out_channels: self.classes.into(),
            conv_len: 1,
            out_len: 1,
        });
        Ok(())
    }
}

fn check_block(layer: LayerName, block: &Block, input: Map) -> Result<(), ArchError> {
    let (pool, len) = (usize::from(block.pool), input.len);
    if block.channels == 0 {
        return fail(layer, Problem::NoChannels);
    }
    if block.kernel == 0 || pool == 0 {
        return fail(layer, Problem::ZeroSize);
    }
    if block.kind().gate().is_some_and(super::Alpha::is_zero) {
        return fail(layer, Problem::NoGate);
    }
    if pool > len {
        return fail(layer, Problem::PoolTooLong { pool, len });
    }
    Ok(())
}

const fn fail<T>(layer: LayerName, problem: Problem) -> Result<T, ArchError> {
    Err(ArchError { layer, problem })
}
