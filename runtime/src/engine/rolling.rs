//! A stream whose windows are computed one by one.

use models::meta::ModelMeta;
use models::stream::RollingWindows;

use super::{Engine, EngineError, Stream, Work};

/// Keeps the samples of a window, and computes every window for itself.
#[derive(Debug)]
pub struct Rolling<E> {
    engine: E,
    windows: RollingWindows<Vec<f32>>,
    hop: u32,
}

impl<E: Engine> Rolling<E> {
    /// A stream of windows every `hop` samples, at least 1.
    pub fn new(engine: E, hop: u32) -> Self {
        let window = engine.meta().arch.window as usize;
        let hop = hop.max(1);
        Self { engine, windows: RollingWindows::new(vec![0.0; window], window, hop as usize), hop }
    }

    /// What computes the windows.
    pub const fn engine(&self) -> &E {
        &self.engine
    }
}

impl<E: Engine> Stream for Rolling<E> {
    fn meta(&self) -> &ModelMeta {
        self.engine.meta()
    }

    fn work(&self) -> Work {
        let window_macs = self.meta().arch.layers().map_or(0, |layers| layers.macs());
        Work { hop: self.hop, shared_layers: 0, window_macs, hop_macs: window_macs }
    }

    fn reset(&mut self) {
        self.windows.reset();
    }

    fn push(&mut self, samples: &[f32], out: &mut [f32]) -> Result<(usize, bool), EngineError> {
        let Self { engine, windows, .. } = self;
        let taken = samples.len().min(windows.missing());
        let mut ended = false;
        windows.push(&samples[..taken], |window, _| {
            ended = true;
            engine.posteriors(window, out)
        })?;
        Ok((taken, ended))
    }

    fn pass(&mut self, samples: &[f32]) -> Result<(usize, bool), EngineError> {
        let taken = samples.len().min(self.windows.missing());
        let mut ended = false;
        self.windows.push(&samples[..taken], |_, _| {
            ended = true;
            Ok::<_, EngineError>(())
        })?;
        Ok((taken, ended))
    }
}
