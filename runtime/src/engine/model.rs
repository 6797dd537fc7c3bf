//! Models of either kind.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use models::meta::ModelMeta;
use models::q8;

use super::{Engine, EngineError, Int8Engine, Stream, TractEngine};

/// Largest file accepted, in MiB; the largest network of the family has about 8.
const LIMIT_MIB: u64 = 512;

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineKind {
    /// What the file is for.
    #[default]
    Auto,
    /// tract, in floating point, for ONNX files.
    Onnx,
    /// Integers, for int8 models.
    Q8,
}

/// A model, ready to classify.
#[derive(Debug)]
pub enum Model {
    /// From an ONNX file.
    Onnx(Box<TractEngine>),
    /// From an int8 file.
    Int8(Box<Int8Engine>),
}

impl Model {
    /// Loads the model at `path`, which is told by its content, not by its name. It is not trusted: bytes that
    /// are no model of this family give an error.
    ///
    /// # Errors
    /// All of [`EngineError`] but [`EngineError::Shape`] and [`EngineError::Run`].
    pub fn load(path: &Path, kind: EngineKind) -> Result<Self, EngineError> {
        let bytes = read(path)?;
        let is_int8 = bytes.starts_with(&q8::MAGIC);
        let other = |engine| Err(EngineError::OtherEngine { path: path.to_path_buf(), engine });
        match (kind, is_int8) {
            (EngineKind::Onnx, true) => other("q8"),
            (EngineKind::Q8, false) => other("onnx"),
            (_, true) => Ok(Self::Int8(Box::new(Int8Engine::from_bytes(&bytes, path)?))),
            (_, false) => Ok(Self::Onnx(Box::new(TractEngine::from_bytes(&bytes, path)?))),
        }
    }

    /// A stream of windows every `hop` samples, at least 1, which share what they can.
    ///
    /// # Errors
    /// [`EngineError::Run`] where the inference library cannot plan it.
    pub fn into_stream(self, hop: u32) -> Result<Box<dyn Stream>, EngineError> {
        match self {
            Self::Onnx(engine) => engine.into_stream(hop),
            Self::Int8(engine) => Ok(engine.into_stream(hop)),
        }
    }
}

impl Engine for Model {
    fn meta(&self) -> &ModelMeta {
        match self {
            Self::Onnx(engine) => engine.meta(),
            Self::Int8(engine) => engine.meta(),
        }
    }

    fn posteriors(&mut self, window: &[f32], out: &mut [f32]) -> Result<(), EngineError> {
        match self {
            Self::Onnx(engine) => engine.posteriors(window, out),
            Self::Int8(engine) => engine.posteriors(window, out),
        }
    }
}

/// The content of a file, if it is small enough for a model.
///
/// # Errors
/// [`EngineError::NotFound`], [`EngineError::Unreadable`] and [`EngineError::TooLarge`].
pub fn read(path: &Path) -> Result<Vec<u8>, EngineError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => EngineError::NotFound { path: path.to_path_buf() },
        _ => EngineError::Unreadable { path: path.to_path_buf(), source },
    };
    let limit = LIMIT_MIB << 20;
    let file = File::open(path).map_err(unreadable)?;
    let told = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::new();
    // A pipe does not tell its length.
    if told <= limit {
        file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    }
    if told.max(bytes.len() as u64) > limit {
        return Err(EngineError::TooLarge { path: path.to_path_buf(), limit_mib: LIMIT_MIB });
    }
    Ok(bytes)
}
