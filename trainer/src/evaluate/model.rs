//! Any kind of model that can be measured.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use burn::module::Module as _;
use models::arch::ArchSpec;
use models::meta::DecisionDefaults;
use models::q8;
use runtime::engine::{self, Engine as _, EngineError, Int8Engine, TractEngine};

use super::int8;
use super::predict::{self, Predictions};
use crate::data::Clip;
use crate::fit::config::Recipe;
use crate::fit::source::absent;
use crate::fit::{FitConfig, Run};
use crate::net::{Compute, DeviceChoice};

/// A training run or an exported model, loaded.
pub enum AnyModel {
    /// A training run: its best network.
    Run(Box<Run>),
    /// `model.onnx`, by the runtime's engine, and the file.
    Onnx(Box<TractEngine>, OnnxFile),
    /// `model.q8`, by the int8 engine.
    Int8(Box<Int8File>),
}

/// An ONNX model in memory, for more engines than one.
pub struct OnnxFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl OnnxFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is too large for a model.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        Ok(Self { path: path.to_owned(), bytes: engine::read(path)? })
    }

    /// The runtime's engine for it.
    ///
    /// # Errors
    /// It is no model.
    pub fn engine(&self) -> Result<TractEngine, EngineError> {
        TractEngine::from_bytes(&self.bytes, &self.path)
    }
}

/// An int8 model in memory.
pub struct Int8File {
    path: PathBuf,
    bytes: Vec<u8>,
    labels: Vec<String>,
    arch: ArchSpec,
}

impl Int8File {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The file cannot be read, is too large for a model, or is no int8 model.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let bytes = engine::read(path)?;
        let model = q8::Model::parse(&bytes).with_context(|| path.display().to_string())?;
        let labels = model.labels().map(str::to_owned).collect();
        let arch = model.arch().clone();
        drop(model);
        Ok(Self { path: path.to_owned(), bytes, labels, arch })
    }

    /// The content of the file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The model.
    ///
    /// # Panics
    /// Never: [`Int8File::open`] has read it before.
    #[must_use]
    pub fn model(&self) -> q8::Model<'_> {
        q8::Model::parse(&self.bytes).expect("it was read when the file was opened")
    }

    /// The runtime's engine for it.
    ///
    /// # Errors
    /// None that [`Int8File::open`] has not met.
    pub fn engine(&self) -> Result<Int8Engine, EngineError> {
        Int8Engine::from_bytes(&self.bytes, &self.path)
    }

    /// The configuration of the training, from the file beside it; without one, all that the model
    /// itself knows of it is the seed.
    fn config(&self) -> anyhow::Result<FitConfig> {
        let beside = self.path.with_file_name("train.toml");
        let mut config = match beside.is_file() {
            true => FitConfig::read(&beside)?,
            false => FitConfig::of_recipe(Recipe::default()),
        };
        config.seed = self.model().seed();
        Ok(config)
    }
}

impl AnyModel {
    /// Loads a folder as a run, a file as a model.
    ///
    /// # Errors
    /// What is there is neither.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        if let Some(reason) = absent(path) {
            bail!(
                "{}: {reason}; name a training run, or a `model.onnx` or `model.q8` that `trainer export` has written",
                path.display()
            );
        }
        if path.is_dir() {
            return Ok(Self::Run(Box::new(Run::open(path)?)));
        }
        if path.extension().is_some_and(|extension| extension == "q8") {
            return Ok(Self::Int8(Box::new(Int8File::open(path)?)));
        }
        let file = OnnxFile::open(path)?;
        Ok(Self::Onnx(Box::new(file.engine()?), file))
    }

    /// Name of the network.
    #[must_use]
    pub fn preset(&self) -> &str {
        match self {
            Self::Run(run) => &run.config.preset,
            Self::Onnx(engine, _) => &engine.meta().preset,
            Self::Int8(file) => file.model().preset(),
        }
    }

    /// One label a class, in the order of the outputs.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Run(run) => &run.model.labels,
            Self::Onnx(engine, _) => &engine.meta().labels,
            Self::Int8(file) => &file.labels,
        }
    }

    /// The network.
    #[must_use]
    pub fn arch(&self) -> &ArchSpec {
        match self {
            Self::Run(run) => &run.model.arch,
            Self::Onnx(engine, _) => &engine.meta().arch,
            Self::Int8(file) => &file.arch,
        }
    }

    /// How the model decides on a stream unless the user says otherwise.
    #[must_use]
    pub fn decision(&self) -> DecisionDefaults {
        match self {
            Self::Run(run) => DecisionDefaults::for_model(&run.model.arch, &run.model.labels),
            Self::Onnx(engine, _) => engine.meta().decision.clone(),
            Self::Int8(file) => file.model().decision().defaults(),
        }
    }

    /// The configuration that the model was trained with; an exported model carries it along.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn config(&self) -> anyhow::Result<FitConfig> {
        match self {
            Self::Run(run) => Ok(run.config.clone()),
            Self::Onnx(engine, file) => {
                let config = FitConfig::parse(&engine.meta().provenance.config, &file.path);
                config.context("the model's training configuration")
            }
            Self::Int8(file) => file.config(),
        }
    }

    /// Posteriors of clips.
    ///
    /// # Errors
    /// A run without a checkpoint, a missing device, or what an engine says.
    pub fn predict(&mut self, clips: &[Clip], device: DeviceChoice) -> anyhow::Result<Predictions> {
        match self {
            Self::Run(run) => {
                let compute = Compute::choose(device)?;
                let (net, _) = run.best_network(&compute)?;
                let window = run.model.arch.window as usize;
                Ok(predict::network(&net.valid(), clips, window, &compute))
            }
            Self::Onnx(engine, _) => Ok(predict::engine(engine.as_mut(), clips)?),
            Self::Int8(file) => Ok(int8::predict(&file.model(), clips)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(path: &Path) -> String {
        AnyModel::load(path).err().unwrap().to_string()
    }

    #[test]
    fn what_would_do_is_named_where_there_is_no_model() {
        let folder = tempfile::tempdir().unwrap();
        for (path, reason) in [
            (folder.path().join("none"), "none: no such file or folder; "),
            (folder.path().to_owned(), ": no training run here (no config.toml); "),
        ] {
            let error = failure(&path);
            assert!(error.contains(reason) && error.contains("name a training run"), "{error}");
            assert!(error.contains("`model.onnx` or `model.q8`"), "{error}");
        }
    }

    #[test]
    fn files_too_large_for_a_model_are_refused() {
        for suffix in [".q8", ".onnx"] {
            let file = tempfile::NamedTempFile::with_suffix(suffix).unwrap();
            // Takes no room on the disk.
            file.as_file().set_len(1 << 30).unwrap();
            let error = failure(file.path());
            assert!(error.contains("is larger than 512 MiB"), "{error}");
        }
    }
}
