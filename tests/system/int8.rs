//! Int8 models: written beside the ONNX file, measured, fine-tuned.

use std::path::{Path, PathBuf};

use serde_json::Value;
use system_tests::program::run;

use crate::trained::trained;

fn q8() -> PathBuf {
    trained().model().with_file_name("model.q8")
}

fn evaluate(model: &Path, more: &str) -> Value {
    let arguments = format!("evaluate {{}} --data {{}} --format json {more}");
    let report = run("trainer", &arguments, &[model, &trained().data()]).success();
    serde_json::from_str(&report).unwrap()
}

#[test]
fn the_int8_model_decides_like_the_network() {
    let int8 = evaluate(&q8(), "");
    assert!(int8["accuracy"].as_f64().unwrap() >= 0.9, "{int8}");
    let against = &int8["against"];
    assert!(against["other"].as_str().unwrap().ends_with("model.onnx"), "{against}");
    assert!(against["points"].as_f64().unwrap().abs() < 11.0, "one of ten clips: {against}");
    assert!(against["agreement"].as_f64().unwrap() >= 0.9, "{against}");
    assert!(against["mean_difference"].as_f64().unwrap() < 0.05, "{against}");
}

#[test]
fn precision_is_told_layer_by_layer() {
    let arguments = "evaluate {} --data {} --format json --split validation --against {}";
    let paths = [q8(), trained().data(), trained().run()];
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let report: Value = serde_json::from_str(&run("trainer", arguments, &paths).success()).unwrap();
    let layers = report["against"]["layers"].as_array().unwrap();
    let names: Vec<&str> = layers.iter().map(|l| l["layer"].as_str().unwrap()).collect();
    assert_eq!(names[..2], ["stem", "block 1"]);
    assert_eq!(names.last(), Some(&"head"));
    for layer in layers {
        assert!(layer["sqnr_db"].as_f64().unwrap() > 10.0, "{layer}");
    }
    let table = run("trainer", "evaluate {} --data {} --against {}", &paths).success();
    assert!(table.contains("signal to quantisation noise"), "{table}");
}

#[test]
fn clips_can_be_made_quieter() {
    let quiet = evaluate(&q8(), "--gain-db -6");
    assert_eq!(quiet["split"], "test at -6 dB");
    assert_eq!(quiet["clips"], 10);
    let mute = evaluate(&trained().model(), "--gain-db -120");
    let decided: Vec<u64> =
        mute["confusion"].as_array().unwrap().iter().fold(vec![0; 4], |sums: Vec<u64>, row| {
            let row = row.as_array().unwrap().iter().map(|count| count.as_u64().unwrap());
            sums.iter().zip(row).map(|(sum, count)| sum + count).collect()
        });
    assert!(decided.contains(&10), "nothing but zeros is one class: {mute}");
}

#[test]
fn export_tells_what_a_chip_needs() {
    let folder = tempfile::tempdir().unwrap();
    let (trained_run, out) = (trained().run(), folder.path());
    let paths = [&*trained_run, out];
    let out = run("trainer", "export {} --out {}", &paths).success();
    for wanted in ["engine memory", "MACs a window", "flash for weights", "ranges by"] {
        assert!(out.contains(wanted), "{wanted}: {out}");
    }
    let report = std::fs::read_to_string(folder.path().join("quantization.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(report["tried"].as_array().unwrap().len() >= 3, "{report}");
    let again = std::fs::read(folder.path().join("model.q8")).unwrap();
    assert_eq!(again, std::fs::read(q8()).unwrap(), "the same run gives the same bytes");

    let _ = run("trainer", "export {} --out {} --onnx-only", &paths).success();
    assert!(!folder.path().join("model.q8").exists(), "no stale model stays");
}

#[test]
fn networks_can_be_fine_tuned_for_int8() {
    let folder = tempfile::tempdir().unwrap();
    let (tuned, model) = (folder.path().join("tuned"), folder.path().join("model"));
    let arguments = "fit --qat {} --out {} --epochs 1 --device cpu";
    let _ = run("trainer", arguments, &[&trained().run(), &tuned]).success();
    let out = run("trainer", "export {} --out {}", &[&tuned, &model]).success();
    assert!(out.contains("ranges by training"), "{out}");
    let int8 = evaluate(&model.join("model.q8"), "");
    assert!(int8["accuracy"].as_f64().unwrap() >= 0.9, "{int8}");
    // The run rounds as the model does: both decide alike.
    let run_itself = evaluate(&tuned, "");
    assert_eq!(run_itself["confusion"], int8["confusion"]);

    let again = run("trainer", "fit --qat {} --out {}", &[&tuned, &folder.path().join("again")]);
    again.fails_with(&["fine-tuned for int8 already"]);
    // A run that was killed before it had its weights must not go on with fresh ones.
    std::fs::remove_file(tuned.join("last.ckpt")).unwrap();
    run("trainer", "fit --resume --out {}", &[&tuned]).fails_with(&["start it again"]);
}

#[test]
fn bad_models_get_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(q8()).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    let mut newer = bytes.clone();
    newer[4] = 99;
    let cases = [
        (file("text.q8", b"hello"), "no int8 model"),
        (file("short.q8", &bytes[..bytes.len() - 9]), "cut short"),
        (file("damaged.q8", &damaged), "checksum does not match"),
        (file("newer.q8", &newer), "format version 99"),
        (folder.path().join("missing.q8"), "no such file or folder; name a training run"),
    ];
    for (path, wanted) in cases {
        let failed = run("trainer", "evaluate {} --data {}", &[&path, &trained().data()]);
        failed.fails_with(&[wanted]);
    }
    let whole = file("whole.q8", &bytes);
    for (text, wanted) in [("epochs = ", "line 1"), ("epoch = 3", "unknown key `epoch`")] {
        std::fs::write(folder.path().join("train.toml"), text).unwrap();
        let failed = run("trainer", "evaluate {} --data {}", &[&whole, &trained().data()]);
        failed.fails_with(&["train.toml", wanted]);
    }
    let data = folder.path().join("nowhere");
    let (trained_run, out) = (trained().run(), folder.path().join("out"));
    let failed = run("trainer", "export {} --out {} --data {}", &[&trained_run, &out, &data]);
    failed.fails_with(&["--onnx-only"]);
}

/// Flash and memory of a network are known before it is trained: they do not depend on its weights.
#[test]
fn describe_foretells_what_a_chip_needs() {
    let told = run("trainer", "describe mcu --json", &[]).success();
    let told: Value = serde_json::from_str(&told).unwrap();
    let [narrow, wide] = ["8", "16"].map(|bits| &told[format!("int8_activations_{bits}_bit")]);
    let number = |of: &Value, key: &str| of[key].as_u64().unwrap();
    assert_eq!(number(narrow, "weights"), number(wide, "weights"));
    assert!(number(narrow, "engine") < number(wide, "engine"));
    assert!(number(narrow, "hop_macs") < number(narrow, "window_macs"));

    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/zoo/commands-mcu/model.q8");
    let size = std::fs::metadata(model).unwrap().len();
    // The labels' names are not known.
    assert!(size.abs_diff(number(narrow, "file")) < 200, "{size} bytes, {narrow} foretold");
}
