//! Any number of tags a clip: soundscapes, training, figures, thresholds, the runtime.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use system_tests::program::run;
use system_tests::sounds;

use crate::trained::fit;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(json).collect()
}

/// Mixes soundscapes of two seconds in a layout.
fn mix(folder: &Path, layout: &str, more: &str) -> PathBuf {
    let (source, out) = (folder.join("events"), folder.join(layout));
    if !source.is_dir() {
        sounds::data_set(&source, 40);
    }
    let arguments = format!(
        "data mix --data {{}} --out {{}} --layout {layout} --seconds 2 --events 2 --seed 3 {more}"
    );
    let printed = run("trainer", &arguments, &[&source, &out]).success();
    assert!(printed.contains("soundscapes of 2 s"), "{printed}");
    out
}

/// Data set, run and exported model, made once for all tests.
struct Tags {
    folder: tempfile::TempDir,
}

impl Tags {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn tags() -> &'static Tags {
    static TAGS: OnceLock<Tags> = OnceLock::new();
    TAGS.get_or_init(|| {
        let tags = Tags { folder: tempfile::tempdir().unwrap() };
        let data = mix(tags.folder.path(), "dcase", "--train 160 --validation 24 --test 24");
        fit(&data, &tags.path("run"), "--epochs 5");
        let printed =
            run("trainer", "export {} --out {}", &[&tags.path("run"), &tags.path("model")]);
        let printed = printed.success();
        for wanted in ["3 tags", "ROC-AUC", "thresholds of the tags", "model.q8"] {
            assert!(printed.contains(wanted), "{wanted}: {printed}");
        }
        tags
    })
}

fn evaluate(model: &str, more: &str) -> Value {
    let arguments = format!("evaluate {{}} --data {{}} --format json {more}");
    json(&run("trainer", &arguments, &[&tags().path(model), &tags().path("dcase")]).success())
}

#[test]
fn tags_are_learnt_and_all_engines_agree() {
    let network = evaluate("run", "");
    assert!(network["roc_auc"].as_f64().unwrap() > 0.75, "{network}");
    assert_eq!(network["labels"], serde_json::json!(["buzz", "fall", "rise"]));
    assert_eq!((&network["clips"], &network["tags"][0]["threshold"]), (&24.into(), &0.5.into()));
    let arguments = "evaluate {} --data {} --format json --against {}";
    let paths = [tags().path("model/model.onnx"), tags().path("dcase"), tags().path("run")];
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let onnx = json(&run("trainer", arguments, &paths).success());
    assert!(onnx["against"]["largest_difference"].as_f64().unwrap() < 1e-4, "{onnx}");
    let difference = onnx["roc_auc"].as_f64().unwrap() - network["roc_auc"].as_f64().unwrap();
    assert!(difference.abs() < 0.01, "{difference}");
    let int8 = evaluate("model/model.q8", "");
    assert!(int8["against"]["other"].as_str().unwrap().ends_with("model.onnx"));
    assert!(int8["against"]["mean_difference"].as_f64().unwrap() < 0.05, "{int8}");
    assert_eq!(int8["tags"].as_array().unwrap().len(), 3);
    for (float, int8) in
        onnx["tags"].as_array().unwrap().iter().zip(int8["tags"].as_array().unwrap())
    {
        let [float, int8] = [float, int8].map(|tag| tag["threshold"].as_f64().unwrap());
        assert!((float - int8).abs() < 1e-4, "both models carry the thresholds");
    }
    let table = run("trainer", "evaluate {} --data {}", &paths[..2]).success();
    for wanted in ["ROC-AUC, mean of the tags", "PR-AUC", "the model's thresholds", "instance"] {
        assert!(table.contains(wanted), "{wanted}: {table}");
    }
}

#[test]
fn thresholds_are_those_with_the_best_f_on_validation() {
    let scores = evaluate("model/model.onnx", "--split validation");
    let score = |at: &str| scores[at]["macro_f1"].as_f64().unwrap();
    assert!(score("at_thresholds") >= score("at_0.5") - 1e-9, "{scores}");
}

#[test]
fn words_choose_tags_and_each_keeps_its_threshold() {
    let all = evaluate("model/model.onnx", "");
    let all = all["tags"].as_array().unwrap();
    let turned = evaluate("model/model.onnx", "--words rise,fall,buzz");
    let turned: Vec<&Value> = turned["tags"].as_array().unwrap().iter().rev().collect();
    assert_eq!(turned, all.iter().collect::<Vec<_>>());
    let two = evaluate("model/model.onnx", "--words rise,buzz");
    assert_eq!(two["labels"], serde_json::json!(["rise", "buzz"]));
    for (tag, of_all) in two["tags"].as_array().unwrap().iter().zip([&all[2], &all[0]]) {
        assert_eq!((&tag["label"], &tag["threshold"]), (&of_all["label"], &of_all["threshold"]));
    }
}

#[test]
fn the_runtime_classifies_as_the_evaluation_does() {
    let folder = tags().path("dcase/audio/evaluation");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let report = evaluate("model/model.onnx", "");
    let thresholds: Vec<f64> = (report["tags"].as_array().unwrap().iter())
        .map(|tag| tag["threshold"].as_f64().unwrap())
        .collect();
    let labels = ["buzz", "fall", "rise"];
    let classify = |more: &str| {
        let places = "{} ".repeat(files.len());
        let arguments = format!("classify --model {{}} --format json {more} {places}");
        let mut paths = vec![tags().path("model/model.onnx")];
        paths.extend(files.clone());
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        lines(&run("runtime", &arguments, &paths).success())
    };
    let (found, all) = (classify(""), classify("--top 3"));
    assert_eq!(found.len(), files.len());
    let mut claimed = [0u64; 3];
    for (found, all) in found.iter().zip(&all) {
        assert_eq!(all["tags"].as_array().unwrap().len(), 3);
        let expected: Vec<&Value> = (all["tags"].as_array().unwrap().iter())
            .filter(|tag| {
                let label = labels.iter().position(|label| tag["label"] == *label).unwrap();
                tag["confidence"].as_f64().unwrap() >= thresholds[label]
            })
            .collect();
        assert_eq!(found["tags"].as_array().unwrap().iter().collect::<Vec<_>>(), expected);
        for tag in expected {
            claimed[labels.iter().position(|label| tag["label"] == *label).unwrap()] += 1;
        }
    }
    // What the evaluation claims: hits divided by the precision.
    for (tag, claimed) in report["tags"].as_array().unwrap().iter().zip(claimed) {
        let hits = tag["recall"].as_f64().unwrap() * tag["clips"].as_f64().unwrap();
        let of_evaluation = match tag["precision"].as_f64() {
            Some(precision) if precision > 0.0 => hits / precision,
            Some(_) => continue,
            None => 0.0,
        };
        assert!((of_evaluation - claimed as f64).abs() <= 1.01, "{tag}: {claimed}");
    }
}

#[test]
fn tags_of_a_stream_begin_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let (mut samples, places) = sounds::stream(&["buzz", "rise", "buzz", "fall", "buzz"]);
    samples.extend(sounds::noise(1.0, 0.003, 1));
    let wav = folder.path().join("stream.wav");
    sounds::write(&wav, &samples);
    for model in ["model/model.onnx", "model/model.q8"] {
        let arguments = "stream --model {} --format json {}";
        let printed = run("runtime", arguments, &[&tags().path(model), &wav]).success();
        let (over, begun): (Vec<Value>, Vec<Value>) =
            lines(&printed).into_iter().partition(|line| line.get("end").is_some());
        assert!(!over.is_empty(), "{printed}");
        assert_eq!(over.len(), begun.len());
        for event in &over {
            let [start, end] = ["start", "end"].map(|key| event[key].as_f64().unwrap());
            assert!(0.0 <= start && start < end && end <= samples.len() as f64 / 16_000.0);
            assert!(begun.iter().any(|begun| begun["start"] == event["start"]));
        }
        let heard = |word: &str, start: f64, end: f64| {
            over.iter().any(|event| {
                let [from, to] = ["start", "end"].map(|key| event[key].as_f64().unwrap());
                event["label"] == word && from < end && start < to
            })
        };
        let hits = places.iter().filter(|(word, start, end)| heard(word, *start, *end)).count();
        assert!(hits >= 2, "{hits} of {places:?}: {printed}");
    }
    let q8 = tags().path("model/model.q8");
    let ended = |printed: &str| -> Vec<Value> {
        let lines = lines(printed).into_iter().filter(|line| line.get("end").is_some());
        lines.map(|line| serde_json::json!([line["start"], line["end"], line["label"]])).collect()
    };
    let here = run("runtime", "stream --model {} --format json {}", &[&q8, &wav]).success();
    let on_chip = run("firmware-sim", "run {} {} --format json", &[&q8, &wav]).success();
    assert_eq!(ended(&here), ended(&on_chip));
    let arguments = "stream --model {} --save-triggers {} {}";
    let paths = [&tags().path("model/model.onnx"), folder.path(), &wav];
    run("runtime", arguments, &paths).fails_with(&["--save-triggers", "tags"]);
}

#[test]
fn classifiers_on_features_find_tags() {
    let folder = tempfile::tempdir().unwrap();
    let (data, features) = (tags().path("dcase"), folder.path().join("f.npz"));
    let out = folder.path().join("model");
    let extract = "features {} --data {} --out {} --device cpu";
    let printed = run("trainer", extract, &[&tags().path("run"), &data, &features]).success();
    assert!(printed.contains("208 clips of 2.00 s") && printed.contains("3 tags"), "{printed}");
    for kind in ["logistic", "connected"] {
        let fit = format!("fit-head {{}} --out {{}} --kind {kind} --format json");
        let report = json(&run("trainer", &fit, &[&features, &out]).success());
        let test = &report["areas"][2];
        let area = test["roc_auc"].as_f64().unwrap();
        assert!(area > 0.7 && test["clips"] == 24, "{report}");
        // The file, run by the runtime's engine, says what the classifier said.
        let model = out.join("model.onnx");
        let evaluate = "evaluate {} --data {} --format json";
        let measured = json(&run("trainer", evaluate, &[&model, &data]).success());
        assert!((measured["roc_auc"].as_f64().unwrap() - area).abs() < 0.01, "{measured}");
        assert_eq!(measured["labels"], serde_json::json!(["buzz", "fall", "rise"]));
        let mut thresholds = (measured["tags"].as_array().unwrap().iter())
            .map(|tag| tag["threshold"].as_f64().unwrap());
        assert!(thresholds.any(|threshold| threshold != 0.5), "{measured}");
        let table = run("trainer", "fit-head {} --out {}", &[&features, &out]).success();
        assert!(table.contains("ROC-AUC") && table.contains("thresholds of the tags"), "{table}");
    }
}

#[test]
fn a_run_that_was_interrupted_goes_on_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    let data = mix(folder.path(), "magnatagatune", "--train 24 --validation 6 --test 6");
    let inspected = run("trainer", "data inspect {} --format json", &[&data]).success();
    let inspected = json(&inspected);
    assert_eq!((&inspected["split"], &inspected["clips"]), (&"published".into(), &36.into()));
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    fit(&data, &whole, "--epochs 2");
    fit(&data, &parts, "--epochs 2 --max-steps 1");
    let _ = run("trainer", "fit --resume --out {} --device cpu", &[&parts]).success();
    let evaluated = [whole, parts].map(|run_folder| {
        let report = json(&run("trainer", "evaluate {} --format json", &[&run_folder]).success());
        report["tags"].clone()
    });
    assert_eq!(evaluated[0], evaluated[1]);
}

#[test]
fn what_does_not_fit_gets_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let (model, data) = (tags().path("model/model.onnx"), tags().path("dcase"));
    let words = folder.path().join("words");
    sounds::data_set(&words, 10);
    let arguments = "evaluate {} --data {}";
    run("trainer", arguments, &[&model, &words]).fails_with(&["any number of tags", "one class"]);
    let failed = run("trainer", "evaluate {} --data {} --stream", &[&model, &data]);
    failed.fails_with(&["of tags measure clips"]);
    let plot = folder.path().join("a.svg");
    let failed = run("trainer", "evaluate {} --data {} --plot {}", &[&model, &data, &plot]);
    failed.fails_with(&["--plot"]);
    let out = folder.path().join("out");
    run("trainer", "data mix --data {} --out {} --events 0", &[&words, &out])
        .fails_with(&["1 to 64 events"]);
    run("trainer", "data mix --data {} --out {}", &[&data, &out]).fails_with(&["has tags"]);
    let crossval = "crossval --data {} --out {} --preset nano --device cpu";
    run("trainer", crossval, &[&data, &out]).fails_with(&["has no folds"]);
    let list = "metadata/groundtruth_weak_label_training_set.csv";
    fs::create_dir_all(words.join("metadata")).unwrap();
    fs::write(words.join(list), "a.wav 0 1 buzz\n").unwrap();
    run("trainer", "fit --data {} --out {}", &[&words, &out])
        .fails_with(&["training_set.csv line 1", "tabs between"]);
}
