//! Training that starts from trained weights.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use system_tests::program::run;
use system_tests::sounds;

use crate::trained::{fit, trained};

fn transfer(from: &Path, data: &Path, out: &Path, more: &str) {
    let arguments = format!(
        "fit --from {{}} --data {{}} --out {{}} --batch 16 --seed 5 --device cpu --quiet {more}"
    );
    let _ = run("trainer", &arguments, &[from, data, out]).success();
}

fn exported(run_folder: &Path) -> Vec<u8> {
    let out = run_folder.with_extension("model");
    let _ = run("trainer", "export {} --out {} --onnx-only", &[run_folder, &out]).success();
    std::fs::read(out.join("model.onnx")).unwrap()
}

/// The values of the weights in an ONNX file by their names, as they are stored.
fn weights(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut tensors = BTreeMap::new();
    for (field, graph) in fields(bytes) {
        let nested = if field == 7 { fields(graph) } else { Vec::new() };
        for (_, tensor) in nested.into_iter().filter(|(field, _)| *field == 5) {
            let parts: BTreeMap<u64, &[u8]> = fields(tensor).into_iter().collect();
            let name = String::from_utf8(parts[&8].to_vec()).unwrap();
            tensors.insert(name, parts[&9].to_vec());
        }
    }
    tensors
}

/// The length-delimited fields of a protobuf message.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = varint(&mut bytes) as usize;
        if key & 7 == 2 {
            found.push((key >> 3, &bytes[..length]));
            bytes = &bytes[length..];
        }
    }
    found
}

fn evaluate(model: &Path, data: &Path, more: &str) -> Value {
    let arguments = format!("evaluate {{}} --data {{}} --format json {more}");
    serde_json::from_str(&run("trainer", &arguments, &[model, data]).success()).unwrap()
}

fn accuracy(model: &Path, data: &Path) -> f64 {
    evaluate(model, data, "")["accuracy"].as_f64().unwrap()
}

#[test]
fn frozen_layers_stay_as_they_came_and_runs_can_be_resumed() {
    let (source, data) = (trained().run(), trained().data());
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let options = "--freeze --words fall,rise --epochs 12";
    transfer(&source, &data, &whole, &format!("{options} --threads 1"));
    transfer(&source, &data, &parts, &format!("{options} --max-steps 0"));
    for steps in [1, 30, 10_000] {
        let arguments = format!("fit --resume --out {{}} --max-steps {steps}");
        let _ = run("trainer", &arguments, &[&parts]).success();
    }
    let (model, resumed) = (exported(&whole), exported(&parts));
    assert!(model == resumed, "a resumed run gives another model");
    let (before, after) = (weights(&std::fs::read(trained().model()).unwrap()), weights(&model));
    assert!(before.keys().eq(after.keys()));
    for (name, weight) in &before {
        assert_eq!(after[name] != *weight, name.starts_with("classifier."), "{name}");
    }
    let report = evaluate(&whole, &data, "");
    let labels = report["labels"].as_array().unwrap();
    assert_eq!(labels, &["fall", "rise", "_unknown_", "_silence_"]);
    assert!(report["accuracy"].as_f64().unwrap() > 0.8, "{report}");
    let config = std::fs::read_to_string(whole.join("config.toml")).unwrap();
    let hash = config.lines().find_map(|line| line.strip_prefix("from_sha256 = ")).unwrap();
    assert_eq!(hash.len(), 64 + 2, "{hash}");
    assert!(config.contains("preset = \"nano\"") && config.contains("freeze = true"), "{config}");
    let published = String::from_utf8_lossy(&model);
    assert!(!published.contains(source.to_str().unwrap()), "where the source lay is told");
}

#[test]
fn exported_models_are_trained_on() {
    let (model, data) = (trained().model(), trained().data());
    let folder = tempfile::tempdir().unwrap();
    // Before the first step it is the same function.
    let start = folder.path().join("start");
    transfer(&model, &data, &start, "--max-steps 0");
    let start_model = folder.path().join("start.model/model.onnx");
    assert_eq!(exported(&start), std::fs::read(&start_model).unwrap());
    let same = run("trainer", "evaluate {} --data {} --against {}", &[&start_model, &data, &model]);
    let _ = same.success();
    let tuned = folder.path().join("tuned");
    transfer(&model, &data, &tuned, "--epochs 2");
    assert!(accuracy(&tuned, &data) > 0.8);
    let last = folder.path().join("last");
    let printed =
        run("trainer", "export {} --last --out {} --onnx-only", &[&tuned, &last]).success();
    assert!(printed.contains("the last step of 2 epochs"), "{printed}");
    assert!(accuracy(&last.join("model.onnx"), &data) > 0.8);
    let frozen = folder.path().join("frozen");
    transfer(&model, &data, &frozen, "--epochs 2 --freeze");
    assert!(accuracy(&frozen, &data) > 0.8);
    // Between a run and itself there is nothing else, and between two that began alike a network as good.
    let average = "export {} --average {} --out {} --onnx-only";
    let (itself, between) = (folder.path().join("itself"), folder.path().join("between"));
    let _ = run("trainer", average, &[&start, &start, &itself]).success();
    let evaluate = "evaluate {} --data {} --against {}";
    let (itself, between_model) = (itself.join("model.onnx"), between.join("model.onnx"));
    let _ = run("trainer", evaluate, &[&itself, &data, &start_model]).success();
    let _ = run("trainer", average, &[&tuned, &start, &between]).success();
    assert!(accuracy(&between_model, &data) > 0.8);
    let source = trained().run();
    let other = folder.path().join("other");
    let fit = "fit --data {} --out {} --preset rese-nano --max-steps 0 --device cpu --quiet";
    let _ = run("trainer", fit, &[&data, &other]).success();
    run("trainer", average, &[&source, &other, &between])
        .fails_with(&["other: has another network or other classes"]);
}

#[test]
fn a_handful_of_recordings_makes_a_keyword() {
    let folder = tempfile::tempdir().unwrap();
    // A model that knows two words, and five recordings of a third one.
    let (two, heard) = (folder.path().join("two"), folder.path().join("heard"));
    let name = |word: &str, clip: u64| Path::new(word).join(format!("{clip:03}.wav"));
    let few = folder.path().join("few");
    for (base, word) in (0..).step_by(1000).zip(sounds::WORDS) {
        let (class, fewest) = if word == "buzz" { (word, 5) } else { ("_unknown_", 12) };
        for clip in base..base + 24 {
            let samples = sounds::word(word, clip);
            if word != "buzz" {
                sounds::write(&two.join(name(word, clip)), &samples);
            }
            if clip < base + fewest {
                sounds::write(&few.join(name(class, clip)), &samples);
            }
            sounds::write(&heard.join(name(class, clip)), &sounds::word(word, clip + 500));
        }
    }
    for data in ["two", "few"] {
        let noise = folder.path().join(data).join("_background_noise_/noise.wav");
        sounds::write(&noise, &sounds::noise(12.0, 0.02, 1));
    }
    let (source, out) = (folder.path().join("source"), folder.path().join("keyword"));
    crate::trained::fit(&two, &source, "--epochs 10");
    transfer(&source, &few, &out, "--recipe few-shot --split none");
    let report = evaluate(&out, &heard, "");
    assert_eq!(report["labels"].as_array().unwrap(), &["buzz", "_unknown_"]);
    assert!(report["accuracy"].as_f64().unwrap() > 0.85, "{report}");
    // It goes the way of any other model.
    let model = folder.path().join("model");
    let _ = run("trainer", "export {} --out {}", &[&out, &model]).success();
    assert!(model.join("model.q8").exists());
    let (samples, places) = sounds::stream(&["buzz", "rise", "buzz"]);
    let sound = folder.path().join("stream.wav");
    sounds::write(&sound, &samples);
    let arguments = "stream --model {} {} --format json --threshold 0.4";
    let lines = run("runtime", arguments, &[&model.join("model.onnx"), &sound]).success();
    let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ends: Vec<f64> = events.map(|event| event["end"].as_f64().unwrap()).collect();
    for (_, start, end) in places.iter().filter(|(word, ..)| *word == "buzz") {
        // Windows that end between the middle of the word and half a second behind it.
        let heard = ends.iter().any(|at| (start + 0.5..end + 0.5).contains(at));
        assert!(heard, "{start} s: {lines}");
    }
}

#[test]
fn what_cannot_be_started_from_is_told() {
    let (source, data) = (trained().run(), trained().data());
    let folder = tempfile::tempdir().unwrap();
    let (out, none) = (folder.path().join("out"), folder.path().join("none.onnx"));
    let int8 = trained().model().with_extension("q8");
    let fit = "fit --from {} --data {} --out {} --quiet";
    run("trainer", fit, &[&none, &data, &out])
        .fails_with(&["none.onnx: no such file", "training run"]);
    run("trainer", fit, &[&int8, &data, &out]).fails_with(&["model.q8", "int8", "model.onnx"]);
    run("trainer", fit, &[&data, &data, &out]).fails_with(&["no training run"]);
    run("trainer", "fit --freeze --data {} --out {}", &[&data, &out]).fails_with(&["--from"]);
    let config = folder.path().join("fit.toml");
    std::fs::write(&config, "preset = 'mcu'").unwrap();
    let with_config = format!("{fit} --config {{}}");
    run("trainer", &with_config, &[&source, &data, &out, &config]).fails_with(&["mcu", "nano"]);
    // A run that was killed before it had its weights must not go on with fresh ones.
    transfer(&source, &data, &out, "--max-steps 0");
    std::fs::remove_file(out.join("last.ckpt")).unwrap();
    run("trainer", "fit --resume --out {}", &[&out]).fails_with(&["start it again"]);
}

/// What a network has learnt from is never what it, or one that begins with its weights, is tested with.
#[test]
fn test_clips_stay_test_clips() {
    let (data, folder) = (trained().data(), tempfile::tempdir().unwrap());
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    fit(&data, &first, "--epochs 1 --split stratified");
    let evaluated = |more: &str, paths: &[&Path]| {
        run("trainer", &format!("evaluate {{}} --format json {more}"), paths).success()
    };
    assert_eq!(evaluated("", &[&first]), evaluated("--data {}", &[&first, &data]));
    let words = "evaluate {} --words one";
    run("trainer", words, &[&first]).fails_with(&["leave `--words` out"]);
    let other =
        "fit --from {} --data {} --out {} --split stratified --seed 6 --epochs 1 --device cpu";
    run("trainer", other, &[&first, &data, &second]).fails_with(&["take the split and seed"]);
    assert!(!second.exists());
}
