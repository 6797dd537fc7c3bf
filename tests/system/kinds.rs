//! Networks with gates and shortcuts, and the baselines that the papers compare with, the whole way.

use std::path::Path;

use serde_json::Value;
use system_tests::program::run;
use system_tests::sounds;

use crate::onnx;
use crate::trained::trained;

/// The posteriors of all windows, as they are printed.
fn posteriors(lines: &str) -> Vec<Value> {
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line.get("posteriors").cloned()).collect()
}

/// Trains a preset for two epochs.
fn fit(preset: &str, data: &Path, out: &Path) {
    let fit = format!(
        "fit --data {{}} --out {{}} --preset {preset} --epochs 2 --batch 16 --seed 5 --device cpu"
    );
    let _ = run("trainer", &fit, &[data, out]).success();
}

fn evaluate(model: &Path, data: &Path) -> Value {
    let report = run("trainer", "evaluate {} --data {} --format json", &[model, data]);
    serde_json::from_str(&report.success()).unwrap()
}

/// The runtime and the host simulator print the same posteriors of an int8 model.
fn same_on_the_chip(int8: &Path, sound: &Path) {
    let runtime = run("runtime", "stream --model {} {} --format json --posteriors", &[int8, sound]);
    let simulated = run("firmware-sim", "run {} {} --format json --posteriors", &[int8, sound]);
    let (runtime, simulated) = (runtime.success(), simulated.success());
    assert!(posteriors(&runtime).len() > 10, "{runtime}");
    assert_eq!(posteriors(&runtime), posteriors(&simulated));
}

#[test]
fn baselines_go_from_fit_to_the_runtime() {
    let data = trained().data();
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("stream.wav");
    sounds::write(&sound, &sounds::stream(&["rise", "fall"]).0);
    for preset in ["framecnn-speech", "melcnn-speech", "rese2-multi-melcnn-speech-reduced"] {
        let (out, model) = (folder.path().join(preset), folder.path().join("model"));
        fit(preset, &data, &out);
        let export = run("trainer", "export {} --out {}", &[&out, &model]);
        let integers = preset.starts_with("frame");
        let (int8, model) = (model.join("model.q8"), model.join("model.onnx"));
        assert_eq!((int8.exists(), export.stderr.contains("no model.q8")), (integers, !integers));
        let _ = export.success();
        assert_eq!(evaluate(&out, &data)["confusion"], evaluate(&model, &data)["confusion"]);
        let arguments = "stream --model {} {} --format json --posteriors";
        let windows = run("runtime", arguments, &[&model, &sound]).success();
        assert!(posteriors(&windows).len() > 10, "{windows}");
        let bench = run("runtime", "bench {} --runs 3 --format json", &[&model]).success();
        let bench: Value = serde_json::from_str(&bench).unwrap();
        assert!(bench["shared_layers"].as_u64().unwrap() >= 1, "{bench}");
        let label = run("runtime", "classify --model {} {} --format json", &[&model, &sound]);
        assert!(label.success().contains("confidence"));
        if integers {
            let accuracy = |from: &Path| evaluate(from, &data)["accuracy"].as_f64().unwrap();
            assert!((accuracy(&int8) - accuracy(&model)).abs() <= 0.2, "{preset}");
            same_on_the_chip(&int8, &sound);
        } else {
            let tuned = folder.path().join("tuned");
            let qat = run("trainer", "fit --qat {} --out {}", &[&out, &tuned]);
            qat.fails_with(&["mel spectra", "no integer form"]);
        }
        onnx::check(&model, &sound);
    }
    let table = run("trainer", "describe melcnn-speech", &[]).success();
    assert!(table.contains("int8: none") && table.contains("stem"), "{table}");
}

#[test]
fn masked_spectra_change_what_is_learnt_and_not_what_is_evaluated() {
    let data = trained().data();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("masks.toml");
    let trained = |name: &str, settings: &str| {
        std::fs::write(&config, settings).unwrap();
        let out = folder.path().join(name);
        let fit = "fit --config {} --data {} --out {} --preset melcnn-speech --epochs 1 --batch 16 --seed 5 --device cpu";
        let _ = run("trainer", fit, &[&config, &data, &out]).success();
        let metrics = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap();
        let metrics: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
        (evaluate(&out, &data), evaluate(&out, &data), metrics["train_loss"].as_f64().unwrap())
    };
    let masks = "[augment]\nstretch_percent = 10.0\nmask_bands = 0.3\nmask_frames = 0.3";
    let (first, second, masked) = trained("masked", masks);
    let (_, _, plain) = trained("plain", "");
    assert_eq!(first["confusion"], second["confusion"]);
    assert!((masked - plain).abs() > 1e-3, "{masked} {plain}");
}

#[test]
fn gated_networks_go_from_fit_to_the_runtime() {
    let data = trained().data();
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("stream.wav");
    sounds::write(&sound, &sounds::stream(&["rise", "fall"]).0);
    for preset in ["se-nano", "rese-nano"] {
        let (out, model) = (folder.path().join(preset), folder.path().join("model"));
        fit(preset, &data, &out);
        let _ = run("trainer", "export {} --out {}", &[&out, &model]).success();
        let (int8, model) = (model.join("model.q8"), model.join("model.onnx"));
        assert_eq!(evaluate(&out, &data)["confusion"], evaluate(&model, &data)["confusion"]);
        let arguments = "stream --model {} {} --format json --posteriors";
        let windows = run("runtime", arguments, &[&model, &sound]).success();
        assert!(windows.lines().count() > 10, "{windows}");
        let accuracy = |from: &Path| evaluate(from, &data)["accuracy"].as_f64().unwrap();
        assert!((accuracy(&int8) - accuracy(&model)).abs() <= 0.2, "{preset}");
        same_on_the_chip(&int8, &sound);
        let bench = run("runtime", "bench {} --runs 3 --format json", &[&model]).success();
        let bench: Value = serde_json::from_str(&bench).unwrap();
        let shared = bench["shared_layers"].as_u64().unwrap();
        assert!(shared <= if preset == "se-nano" { 2 } else { 1 }, "{bench}");
        onnx::check(&model, &sound);
    }
}
