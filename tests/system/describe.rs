//! What `trainer describe` tells of networks by name, of runs and of models.

use std::path::{Path, PathBuf};

use serde_json::Value;
use system_tests::program::run;

use crate::trained::trained;

fn describe(path: &Path) -> String {
    run("trainer", "describe {}", &[path]).success()
}

fn json(path: &Path) -> Value {
    let text = run("trainer", "describe {} --json", &[path]).success();
    serde_json::from_str(&text).unwrap()
}

fn zoo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("models/zoo").join(name)
}

#[test]
fn all_names_are_listed() {
    let list = run("trainer", "describe", &[]).success();
    for name in ["nano", "samplecnn-speech", "rese2-multi-59049"] {
        assert!(list.lines().any(|line| line == name), "{name}: {list}");
    }
    let names = run("trainer", "describe --json", &[]).success();
    let names: Vec<String> = serde_json::from_str(&names).unwrap();
    assert!(names.iter().all(|name| list.contains(name.as_str())));
}

#[test]
fn what_has_no_such_name_is_told_in_a_short_line() {
    let unknown = run("trainer", "describe smal", &[]);
    unknown.fails_with(&["no preset `smal`", "did you mean `small`", "`trainer describe` lists"]);
    assert!(unknown.stderr.len() < 200, "{}", unknown.stderr);
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("model.onnx");
    run("trainer", "describe {}", &[&none])
        .fails_with(&["model.onnx: no such file or folder; ", "`model.q8`"]);
    run("trainer", "describe {}", &[folder.path()]).fails_with(&["no training run here"]);
    let more = "describe {} --classes 3";
    run("trainer", more, &[&zoo("commands")]).fails_with(&["--classes", "leave it out"]);
}

#[test]
fn a_model_is_told_with_its_network() {
    let network = run("trainer", "describe small", &[]).success();
    let (network, _) = network.split_once("\nint8").unwrap();
    let [folder, onnx, q8] = ["commands", "commands/model.onnx", "commands/model.q8"].map(zoo);
    let [of_folder, of_onnx, of_q8] = [&folder, &onnx, &q8].map(|path| describe(path));
    assert_eq!(of_folder, of_onnx);
    for told in [&of_onnx, &of_q8] {
        assert!(told.contains(network), "{told}");
        assert!(told.contains("\nnetwork     small\nclasses     12: yes, no, up, "), "{told}");
        assert!(told.contains("\ndecision    hop 137 ms, smoothing 3, "), "{told}");
        assert!(told.contains("\nnever told  _unknown_, _silence_\n"), "{told}");
    }
    assert!(of_q8.starts_with(&format!("{}\n", q8.display())), "{of_q8}");
    // Of a file there is no need to foretell its size.
    let size = std::fs::metadata(&q8).unwrap().len();
    assert!(of_q8.contains(&format!("(model.q8: {size} B)")), "{of_q8}");
    assert_eq!(json(&q8)["int8"]["file"].as_u64(), Some(size));
    let [onnx, q8] = [json(&onnx), json(&q8)];
    for key in ["labels", "preset", "arch", "params"] {
        assert_eq!(onnx[key], q8[key], "{key}");
    }
    assert_eq!(onnx["labels"].as_array().unwrap().len(), 12);
    assert_eq!(onnx["decision"]["hop"].as_u64(), Some(2187));
}

#[test]
fn a_run_is_told_as_its_model_is() {
    let (run, model) = (trained().run(), trained().model());
    // The first line is the path.
    let [run_lines, model_lines] = [&run, &model].map(|path| {
        let told = describe(path);
        told.split_once('\n').unwrap().1.to_owned()
    });
    assert_eq!(run_lines, model_lines);
    assert!(run_lines.contains("thresholds  0.600\n"), "{run_lines}");
    assert_eq!(json(&run)["labels"], json(&model)["labels"]);
}
