//! The published models: their posteriors on made-up sounds are pinned.
//!
//! `UPDATE_GOLDEN=1 cargo test …` writes the golden files anew.

use std::path::{Path, PathBuf};

use serde_json::Value;
use system_tests::program::run;
use system_tests::sounds;

/// Largest difference of a posterior from the golden one.
const TOLERANCE: f64 = 1e-4;

/// The `model.onnx` of every published model.
pub(crate) fn models() -> Vec<PathBuf> {
    files("model.onnx")
}

/// The file of this name of every published model that has it.
fn files(name: &str) -> Vec<PathBuf> {
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("models/zoo");
    let Ok(folders) = std::fs::read_dir(zoo) else { return Vec::new() };
    let mut models: Vec<PathBuf> =
        folders.map(|folder| folder.unwrap().path().join(name)).collect();
    models.retain(|model| model.exists());
    models.sort();
    models
}

/// Of the windows of a stream, the golden files have every one of this number.
const EVERY: usize = 4;

/// The posteriors of windows of a made-up stream at the model's own hop, one row a window.
fn posteriors(model: &Path) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("stream.wav");
    sounds::write(&sound, &sounds::stream(&sounds::WORDS).0);
    let arguments = "stream --model {} {} --format json --posteriors";
    let lines = run("runtime", arguments, &[model, &sound]).success();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line.get("posteriors").cloned()).step_by(EVERY).collect()
}

#[test]
fn published_models_give_their_golden_posteriors() {
    let models = models();
    assert!(!models.is_empty(), "models/zoo holds models");
    for model in models {
        let golden = model.with_file_name("golden.json");
        let found = posteriors(&model);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, format!("{found:#}\n")).unwrap();
        }
        let golden: Value =
            serde_json::from_str(&std::fs::read_to_string(&golden).unwrap()).unwrap();
        let (found, golden) = (found.as_array().unwrap(), golden.as_array().unwrap());
        assert_eq!(found.len(), golden.len());
        for (found, golden) in found.iter().zip(golden) {
            for (label, posterior) in golden.as_object().unwrap() {
                let difference = found[label].as_f64().unwrap() - posterior.as_f64().unwrap();
                assert!(difference.abs() <= TOLERANCE, "{}: {label}", model.display());
            }
        }
    }
}

#[test]
fn published_int8_models_repeat_their_golden_runs() {
    let models = files("model.q8");
    let mel = |model: &PathBuf| {
        let settings = std::fs::read_to_string(model.with_file_name("train.toml")).unwrap();
        settings.contains("preset = \"melcnn-")
    };
    let without = self::models().iter().filter(|model| mel(model)).count();
    let others = self::models().len() - without;
    assert_eq!(models.len(), others, "every model is there as int8 but those of mel spectra");
    for model in models {
        let golden = model.with_file_name("golden.run");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let folder = tempfile::tempdir().unwrap();
            let sound = folder.path().join("stream.wav");
            sounds::write(&sound, &sounds::stream(&sounds::WORDS).0[..2 * 16_000]);
            let arguments = "record {} {} --out {}";
            let _ = std::fs::remove_file(&golden);
            let _ = run("firmware-sim", arguments, &[&model, &sound, &golden]).success();
        }
        let said = run("firmware-sim", "check {}", &[&golden]).success();
        assert!(said.contains("the same"), "{said}");
    }
}
