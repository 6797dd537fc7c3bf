//! A small model of made-up words, trained once for all tests.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use system_tests::program::run;
use system_tests::sounds;

/// Data set, run and exported model.
pub(crate) struct Trained {
    folder: tempfile::TempDir,
}

impl Trained {
    /// The data set's folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The run folder.
    pub(crate) fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// The exported model.
    pub(crate) fn model(&self) -> PathBuf {
        self.folder.path().join("model/model.onnx")
    }
}

/// The model; the first caller trains it.
pub(crate) fn trained() -> &'static Trained {
    static TRAINED: OnceLock<Trained> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let trained = Trained { folder: tempfile::tempdir().unwrap() };
        sounds::data_set(&trained.data(), 40);
        fit(&trained.data(), &trained.run(), "--epochs 12");
        let folder = trained.model();
        let folder = folder.parent().unwrap();
        let _ = run("trainer", "export {} --out {}", &[&trained.run(), folder]).success();
        trained
    })
}

/// Trains `nano` on the CPU.
pub(crate) fn fit(data: &Path, out: &Path, more: &str) {
    let arguments =
        format!("fit --data {{}} --out {{}} --preset nano --batch 16 --seed 5 --device cpu {more}");
    let _ = run("trainer", &arguments, &[data, out]).success();
}
