//! Runs int8 models with the integers of the microcontroller's engine, many columns at a time.
//!
//! Posteriors equal those of [`firmware_sim::Engine`] bit for bit: the same sums of the same products, rounded
//! by the same rule.

mod classifier;
mod graph;
mod levels;
#[cfg(test)]
mod tests;

use std::path::Path;

use audio::to_i16;
use models::arch::Streaming;
use models::meta::{ModelMeta, Provenance};
use models::q8;

use super::shared;
use super::shared_stream::SharedStream;
use super::{Engine, EngineError, Rolling, Stream, check_lengths};
use graph::Graph;
use levels::Levels;

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
        match shared::cheapest(&self.meta.arch, hop, LEVEL_MACS) {
            Some(streaming) => self.sharing(streaming),
            None => Box::new(Rolling::new(self, hop)),
        }
    }

    /// A stream of windows that share the levels of `streaming`, at least one.
    fn sharing(self, streaming: Streaming) -> Box<dyn Stream> {
        let levels = Levels::new(self.graph, &self.meta.arch, &streaming);
        Box::new(SharedStream::new(levels, self.meta, streaming))
    }
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
        self.graph.window(&samples, out);
        Ok(())
    }
}
