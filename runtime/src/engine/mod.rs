//! What computes the posteriors of windows of sound: of single ones, and of those of a stream.

mod gated;
mod int8;
mod model;
mod onnx;
mod rolling;
mod shared;
mod shared_stream;

use std::io;
use std::path::PathBuf;

use models::arch::{ArchSpec, LayerTable, Streaming};
use models::meta::{MetaError, ModelMeta};
use models::q8::FormatError;

pub use gated::{Gated, Quiet};
pub use int8::Int8Engine;
pub use model::{EngineKind, Model, read};
pub use onnx::TractEngine;
pub use rolling::Rolling;

/// A network, ready to classify windows.
pub trait Engine {
    /// Labels, rate, window and decision defaults of the model.
    fn meta(&self) -> &ModelMeta;

    /// Computes the posteriors of one window.
    ///
    /// `window` holds `meta().arch.window` samples at `meta().arch.sample_rate_hz`, `out` has room
    /// for one posterior (0 to 1) a class.
    ///
    /// # Errors
    /// [`EngineError::Shape`] for slices of other lengths, [`EngineError::Run`] where the
    /// computation itself fails.
    fn posteriors(&mut self, window: &[f32], out: &mut [f32]) -> Result<(), EngineError>;

    /// Computes the posteriors of several windows, stored one after the other in `windows` and
    /// `out`.
    ///
    /// # Errors
    /// As [`Engine::posteriors`]; the first failing window ends it.
    fn posteriors_batch(&mut self, windows: &[f32], out: &mut [f32]) -> Result<(), EngineError> {
        let arch = &self.meta().arch;
        let (window, classes) = (arch.window as usize, usize::from(arch.classes));
        let count = windows.len() / window;
        check_lengths(windows.len(), count * window, out.len(), count * classes)?;
        for (window, out) in windows.chunks_exact(window).zip(out.chunks_exact_mut(classes)) {
            self.posteriors(window, out)?;
        }
        Ok(())
    }
}

/// A stream of sound, cut into windows that are classified.
///
/// The first window ends when as many samples have arrived as it has, the next one a hop later, and
/// so on, whatever the pieces that the samples come in.
pub trait Stream {
    /// Labels, rate, window and decision defaults of the model.
    fn meta(&self) -> &ModelMeta;

    /// How much of the work overlapping windows share.
    fn work(&self) -> Work;

    /// Forgets all samples: the next one is the first of a window.
    fn reset(&mut self);

    /// Takes samples at the model's rate up to the end of the next window. Returns how many it
    /// took, and whether a window ends there, whose posteriors are now in `out`.
    ///
    /// # Errors
    /// [`EngineError::Shape`] where `out` has not one place a class, [`EngineError::Run`] where the
    /// computation itself fails.
    fn push(&mut self, samples: &[f32], out: &mut [f32]) -> Result<(usize, bool), EngineError>;

    /// As [`Stream::push`] for a window whose posteriors nobody wants: what only they need is not computed.
    ///
    /// # Errors
    /// [`EngineError::Run`] where the computation itself fails.
    fn pass(&mut self, samples: &[f32]) -> Result<(usize, bool), EngineError>;
}

/// Multiply-accumulates of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Samples between two windows.
    pub hop: u32,
    /// Layers, from the first one on, whose results windows share.
    pub shared_layers: usize,
    /// Of one window by itself.
    pub window_macs: u64,
    /// For each window of the stream.
    pub hop_macs: u64,
}

impl Work {
    /// Of windows that share what `streaming` says.
    fn shared(arch: &ArchSpec, streaming: &Streaming) -> Self {
        let table = arch.layers().ok();
        Self {
            hop: streaming.hop as u32,
            shared_layers: streaming.shared.len(),
            window_macs: table.as_ref().map_or(0, LayerTable::macs),
            hop_macs: table.map_or(0, |table| streaming.cost(&table).per_hop()),
        }
    }
}

impl<S: Stream + ?Sized> Stream for Box<S> {
    fn meta(&self) -> &ModelMeta {
        (**self).meta()
    }

    fn work(&self) -> Work {
        (**self).work()
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn push(&mut self, samples: &[f32], out: &mut [f32]) -> Result<(usize, bool), EngineError> {
        (**self).push(samples, out)
    }

    fn pass(&mut self, samples: &[f32]) -> Result<(usize, bool), EngineError> {
        (**self).pass(samples)
    }
}

impl<S: Stream + ?Sized> Stream for &mut S {
    fn meta(&self) -> &ModelMeta {
        (**self).meta()
    }

    fn work(&self) -> Work {
        (**self).work()
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn push(&mut self, samples: &[f32], out: &mut [f32]) -> Result<(usize, bool), EngineError> {
        (**self).push(samples, out)
    }

    fn pass(&mut self, samples: &[f32]) -> Result<(usize, bool), EngineError> {
        (**self).pass(samples)
    }
}

/// Refuses slices whose lengths are not those of the model.
fn check_lengths(
    samples: usize,
    samples_wanted: usize,
    posteriors: usize,
    posteriors_wanted: usize,
) -> Result<(), EngineError> {
    if samples != samples_wanted || posteriors != posteriors_wanted {
        return Err(EngineError::Shape { samples, samples_wanted, posteriors, posteriors_wanted });
    }
    Ok(())
}

/// Why a model cannot be loaded or run. Each prints as one line.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no such file.
    #[error("{}: no such file; name a model that `trainer export` has written", path.display())]
    NotFound {
        /// The file asked for.
        path: PathBuf,
    },
    /// The operating system would not let the file be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is far too large for a model.
    #[error("{}: is larger than {limit_mib} MiB and hence no model of this family", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Largest size accepted, in MiB.
        limit_mib: u64,
    },
    /// The file holds something else than an ONNX model.
    #[error("{}: not a model; export one with `trainer export`", path.display())]
    NotOnnx {
        /// The file.
        path: PathBuf,
    },
    /// An int8 model that cannot be run.
    #[error("{}: {problem}", path.display())]
    Int8 {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: FormatError,
    },
    /// A model of another kind than the engine asked for.
    #[error("{}: a model for `--engine {engine}`; leave `--engine` out, or name another model", path.display())]
    OtherEngine {
        /// The file.
        path: PathBuf,
        /// The engine that it is for.
        engine: &'static str,
    },
    /// An ONNX model whose metadata is missing or wrong.
    #[error("{}: {}", path.display(), onnx::one_line(&problem.to_string()))]
    Meta {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        problem: MetaError,
    },
    /// The network does not take or make what the metadata says.
    #[error("{}: the network does not fit its metadata: {what}; export it again", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// A network that the inference engine refuses.
    #[error("{}: the network cannot be run: {reason}; export it again", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A call with slices of the wrong lengths.
    #[error(
        "{samples} samples and {posteriors} posteriors where the model has {samples_wanted} and {posteriors_wanted}"
    )]
    Shape {
        /// Samples handed in.
        samples: usize,
        /// Samples the model takes.
        samples_wanted: usize,
        /// Room for posteriors handed in.
        posteriors: usize,
        /// Posteriors the model makes.
        posteriors_wanted: usize,
    },
    /// The computation of a window failed.
    #[error("the network failed on a window: {reason}")]
    Run {
        /// Why.
        reason: String,
    },
}
