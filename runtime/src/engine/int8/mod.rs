//! Runs int8 models with the integers of the microcontroller's engine, many columns at a time.
//!
//! Posteriors equal those of [`firmware_sim::Engine`] bit for bit: the same sums of the same products, rounded
//! by the same rule.

mod classifier;
mod graph;
#[cfg(test)]
mod tests;

use std::path::Path;

use audio::to_i16;
use models::arch::{ArchSpec, BlockKind};
use models::meta::{ModelMeta, Provenance};
use models::q8;

use super::shared::{self, Layers, Run};
use super::shared_stream::SharedStream;
use super::{Engine, EngineError, Rolling, Stream, check_lengths};
use graph::Graph;

/// Multiply-accumulates that could be done in the time that a shared level costs beside them.
const LEVEL_MACS: u64 = 100_000;

/// An int8 model, on one thread.
#[derive(Debug)]
pub struct Int8Engine {
    meta: ModelMeta,
    graph: Graph,
}

impl Int8Engine {
    /// The model in these bytes; `path` stands for it in messages.
    ///
    /// # Errors
    /// [`EngineError::Int8`] for bytes that are no model.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, EngineError> {
        let wrong = |problem| EngineError::Int8 { path: path.to_path_buf(), problem };
        let model = q8::Model::parse(bytes).map_err(wrong)?;
        let graph = Graph::new(&model).map_err(|error| wrong(q8::FormatError::Arch(error)))?;
        Ok(Self { meta: meta(&model), graph })
    }

    /// A stream of windows every `hop` samples, at least 1, which share what they can.
    #[must_use]
    pub fn into_stream(self, hop: u32) -> Box<dyn Stream> {
        let hop = hop.max(1);
        let Self { meta, graph } = self;
        match shared::cheapest(&meta.arch, hop, LEVEL_MACS, single_layers(&meta.arch)) {
            Some(streaming) => {
                let levels = LevelsOf { shared: streaming.shared.len(), graph };
                Box::new(SharedStream::new(levels, meta, streaming))
            }
            None => Box::new(Rolling::new(Self { meta, graph }, hop)),
        }
    }
}

/// Levels at the network's beginning that are one convolution each: the stem's, those of basic blocks, and the one
/// before the first gate of an SE block.
fn single_layers(arch: &ArchSpec) -> usize {
    let basic = arch.blocks.iter().take_while(|block| block.kind == BlockKind::Basic).count();
    let behind = arch.blocks.get(basic);
    1 + basic + usize::from(behind.is_some_and(|block| matches!(block.kind, BlockKind::Se(_))))
}

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
        let mut columns = vec![0; self.graph.len(0) * self.graph.words(0)];
        self.graph.stem(&samples, &mut columns);
        self.graph.posteriors(1, columns, out);
        Ok(())
    }
}

/// A network whose first layers windows share.
struct LevelsOf {
    graph: Graph,
    shared: usize,
}

impl Layers for LevelsOf {
    type Sample = i16;
    const UNKNOWN: i16 = i16::MIN;

    fn sample(value: f32) -> i16 {
        to_i16(value)
    }

    fn words(&self, level: usize) -> usize {
        self.graph.words(level)
    }

    fn stem(&mut self, samples: &[i16], out: &mut [u32]) -> Result<(), EngineError> {
        self.graph.stem(samples, out);
        Ok(())
    }

    fn level(&mut self, level: usize, runs: [Run<'_>; 3]) -> Result<(), EngineError> {
        for Run { input, output } in runs {
            self.graph.layer(level, input, output);
        }
        Ok(())
    }

    fn tail(&mut self, window: &[u32], out: &mut [f32]) -> Result<(), EngineError> {
        self.graph.posteriors(self.shared, window.to_vec(), out);
        Ok(())
    }
}
