//! A stream whose windows share their columns.

use models::arch::Streaming;
use models::meta::ModelMeta;

use super::shared::{Layers, Shared};
use super::{EngineError, Stream, Work, check_lengths};

/// A model on a stream, whatever computes its layers.
pub(super) struct SharedStream<L: Layers> {
    meta: ModelMeta,
    streaming: Streaming,
    shared: Shared<L>,
}

impl<L: Layers> SharedStream<L> {
    /// For windows that share the levels of `streaming`, at least one, at a hop of at most a window.
    pub(super) fn new(layers: L, meta: ModelMeta, streaming: Streaming) -> Self {
        let shared = Shared::new(layers, &meta.arch, &streaming);
        Self { meta, streaming, shared }
    }
}

impl<L: Layers> Stream for SharedStream<L> {
    fn meta(&self) -> &ModelMeta {
        &self.meta
    }

    fn work(&self) -> Work {
        Work::shared(&self.meta.arch, &self.streaming)
    }

    fn reset(&mut self) {
        self.shared.reset();
    }

    fn push(&mut self, samples: &[f32], out: &mut [f32]) -> Result<(usize, bool), EngineError> {
        check_lengths(0, 0, out.len(), usize::from(self.meta.arch.classes))?;
        self.shared.push(samples.iter().copied().map(L::sample), Some(out))
    }

    fn pass(&mut self, samples: &[f32]) -> Result<(usize, bool), EngineError> {
        self.shared.push(samples.iter().copied().map(L::sample), None)
    }
}
