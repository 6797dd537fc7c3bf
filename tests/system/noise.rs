//! Training with noise of the place where a model will listen.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use system_tests::program::run;
use system_tests::sounds;

use crate::trained::fit;

fn losses(run: &Path) -> Vec<Value> {
    let log = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let loss = |line| serde_json::from_str::<Value>(line).unwrap()["validation_loss"].clone();
    log.lines().map(loss).collect()
}

fn labels(run: &Path) -> Value {
    let model = fs::read_to_string(run.join("model.json")).unwrap();
    serde_json::from_str::<Value>(&model).unwrap()["labels"].clone()
}

#[test]
fn noise_of_a_place_is_for_training_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (data, place) = (path("data"), path("place"));
    sounds::data_set(&data, 20);
    sounds::write(&place.join("kitchen/dishes.wav"), &sounds::noise(5.0, 0.3, 1));
    sounds::write(&place.join("tap.wav"), &sounds::noise(3.0, 0.1, 2));
    sounds::write(&place.join("click.wav"), &sounds::noise(0.3, 0.3, 3));
    let (without, whole, parts) = (path("without"), path("whole"), path("parts"));
    let with = format!("--epochs 2 --noise-data {}", place.display());
    fit(&data, &without, "--epochs 2");
    fit(&data, &whole, &with);
    fit(&data, &parts, &format!("{with} --max-steps 2"));
    let resumed = run("trainer", "fit --resume --out {}", &[&parts]);
    assert!(resumed.stderr.contains("place: 2 recordings of noise, 8 s"), "{resumed:?}");
    let _ = resumed.success();
    assert_eq!(losses(&whole), losses(&parts));
    assert_ne!(losses(&whole), losses(&without));
    let classes = json!(["buzz", "fall", "rise", "_silence_"]);
    assert_eq!((labels(&whole), labels(&without)), (classes.clone(), classes));

    // Without background there is no class of silence, noise or not.
    let (bare, out) = (path("bare"), path("out"));
    sounds::data_set(&bare, 12);
    fs::remove_dir_all(bare.join("_background_noise_")).unwrap();
    fit(&bare, &out, &with);
    assert_eq!(labels(&out), json!(["buzz", "fall", "rise"]));

    // Whoever exports or measures needs no noise, and is not told where it was.
    let resume = "fit --resume --out {}";
    sounds::write(&place.join("more.wav"), &sounds::noise(3.0, 0.3, 4));
    run("trainer", resume, &[&parts]).fails_with(&["data set", "differs"]);
    fs::remove_dir_all(&place).unwrap();
    run("trainer", resume, &[&parts]).fails_with(&["place: no such folder"]);
    let _ = run("trainer", "evaluate {}", &[&whole]).success();
    let model = path("model");
    let _ = run("trainer", "export {} --out {} --onnx-only", &[&whole, &model]).success();
    let settings = fs::read_to_string(model.join("train.toml")).unwrap();
    assert!(settings.contains("\nnoise_data = \"place\"\n"), "{settings}");
}

#[test]
fn noise_that_is_of_no_use_is_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (data, short, out) = (path("data"), path("short"), path("out"));
    sounds::data_set(&data, 4);
    fs::create_dir_all(path("empty")).unwrap();
    sounds::write(&short.join("click.wav"), &sounds::noise(0.3, 0.3, 1));
    let fails = |noise: &Path, more: &str, parts: &[&str]| {
        let arguments = format!("fit --data {{}} --noise-data {{}} --out {{}} {more}");
        run("trainer", &arguments, &[&data, noise, &out]).fails_with(parts);
    };
    fails(&path("x"), "", &["x: no such folder; give a folder that holds recordings"]);
    fails(&path("empty"), "", &["empty: no recordings found"]);
    fails(&short, "", &["short: noise needs recordings of at least", "of 1 here none"]);
    sounds::write(&short.join("long.wav"), &sounds::noise(5.0, 0.3, 2));
    fails(&short, "--strict", &["short/click.wav", "noise needs at least"]);
}
