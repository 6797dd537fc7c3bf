//! Levels of an int8 network on runs of columns, which windows share.

use std::borrow::Cow;
use std::ops::Range;

use audio::to_i16;
use models::arch::{ArchSpec, Node, Op, Streaming};

use super::super::EngineError;
use super::super::shared::{Layers, Run, Shape};
use super::graph::Graph;

/// A network whose first levels windows share.
pub(super) struct Levels {
    graph: Graph,
    shared: Vec<Level>,
}

/// A level that windows share.
struct Level {
    /// The layer that makes its columns.
    layer: usize,
    /// Of a residual block, what lies before that.
    residual: Option<Residual>,
    /// Columns at the start and at the end of each run's input that lie outside of the window.
    outside: [(usize, usize); 3],
}

/// The layers of a residual block without gate before its join.
struct Residual {
    /// Of all convolutions together, and of the pooling.
    shape: Shape,
    /// Zero columns before and after the input of each convolution.
    padding: (usize, usize),
    /// Words of a column of its input.
    words: usize,
    /// The convolution before the last one, with its ReLU.
    first: Option<usize>,
    /// The last convolution.
    last: usize,
    /// The convolution of the shortcut, if it is none of its input.
    shortcut: Option<usize>,
}

impl Levels {
    /// For windows that share the levels of `streaming`, at least one.
    pub(super) fn new(graph: Graph, arch: &ArchSpec, streaming: &Streaming) -> Self {
        let levels = streaming.shared.iter().enumerate().map(|(index, level)| {
            let layers = graph.level(index);
            let shape = Shape::of(arch, index);
            let input = index.checked_sub(1).map(|before| &streaming.shared[before]);
            let zeros = input.map_or(0, |input| shape.zeros_behind(level, input));
            Level {
                layer: layers.end - 1,
                residual: (layers.len() > 1).then(|| Residual::new(&graph, arch, index)),
                outside: [(0, 0), (shape.padding.0, 0), (0, zeros)],
            }
        });
        Self { shared: levels.collect(), graph }
    }
}

impl Residual {
    /// Of a level, which is a residual block.
    fn new(graph: &Graph, arch: &ArchSpec, level: usize) -> Self {
        let layers = graph.level(level);
        let operands = graph.operands(layers.end - 1);
        let (last, added) = (operands[0], operands[1]);
        Self {
            shape: Shape::of(arch, level),
            padding: arch.blocks[level - 1].padding(),
            words: graph.words(graph.operands(layers.start)[0]),
            first: (last != layers.start).then_some(layers.start),
            last,
            shortcut: layers.contains(&added).then_some(added),
        }
    }

    /// What the block joins, for so many columns of its output: those of the branch and as many of the shortcut.
    /// Columns of the input at its start and at its end that are `outside` of the window are zeros; what the first
    /// convolution makes of them is padding of the last one, and zero.
    fn operands<'a>(
        &self,
        graph: &Graph,
        input: &'a [u32],
        outside: (usize, usize),
        columns: usize,
    ) -> (Vec<u32>, Cow<'a, [u32]>) {
        let convolve = |layer: usize, input: &[u32], columns: usize| {
            let mut made = vec![0; columns * graph.words(layer)];
            graph.convolve(layer, input, &mut made);
            made
        };
        let columns = columns * self.shape.pool;
        let inner = self.first.map(|first| {
            let ((before, after), words) = (self.padding, graph.words(first));
            let columns = before + columns + after;
            let mut made = convolve(first, input, columns);
            let start = outside.0.saturating_sub(before).min(columns);
            let end = columns - outside.1.saturating_sub(after).min(columns);
            made[..start * words].fill(0);
            made[end * words..].fill(0);
            made
        });
        let branch = convolve(self.last, inner.as_deref().unwrap_or(input), columns);
        let middle = &input[self.shape.padding.0 * self.words..][..columns * self.words];
        let added = match self.shortcut {
            Some(layer) => Cow::Owned(convolve(layer, middle, columns)),
            None => Cow::Borrowed(middle),
        };
        (branch, added)
    }
}

impl Layers for Levels {
    type Sample = i16;
    const UNKNOWN: i16 = i16::MIN;

    fn sample(value: f32) -> i16 {
        to_i16(value)
    }

    fn words(&self, level: usize) -> usize {
        self.graph.words(self.shared[level].layer)
    }

    fn stem(&mut self, samples: &[i16], out: &mut [u32]) -> Result<(), EngineError> {
        self.graph.stem(samples, out);
        Ok(())
    }

    fn level(&mut self, level: usize, runs: [Run<'_>; 3]) -> Result<(), EngineError> {
        let Level { layer, residual, outside } = &self.shared[level];
        let graph = &self.graph;
        for (Run { input, output }, outside) in runs.into_iter().zip(*outside) {
            let columns = output.len() / graph.words(*layer);
            match residual {
                // Of no columns, not even the inner ones can be made.
                Some(_) if columns == 0 => {}
                Some(residual) => {
                    let (branch, added) = residual.operands(graph, input, outside, columns);
                    graph.join(*layer, &branch, None, Some(&added), output);
                }
                None => graph.convolve(*layer, input, output),
            }
        }
        Ok(())
    }

    fn tail(&mut self, window: &[u32], out: &mut [f32]) -> Result<(), EngineError> {
        let behind = self.shared.last().map_or(0, |level| level.layer + 1);
        self.graph.posteriors(behind, window, out);
        Ok(())
    }
}

/// The nodes of each level that windows can share; of an SE block, those before its gate.
pub(super) fn shareable(arch: &ArchSpec, nodes: &[Node]) -> Vec<Range<usize>> {
    let mut first = 0;
    let levels = nodes.chunk_by(|a, b| a.layer == b.layer).take(arch.shareable_levels());
    let nodes = levels.map(|level| {
        let count = level.iter().take_while(|node| node.op != Op::Mean).count();
        let nodes = first..first + count;
        first += level.len();
        nodes
    });
    nodes.collect()
}
