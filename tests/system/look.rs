//! Looking inside a trained network: `trainer visualize` and `trainer explain`.

use std::path::Path;

use serde_json::Value;
use system_tests::program::run;
use system_tests::sounds;

use crate::trained::trained;

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

fn explain(sound: &Path, more: &str) -> Value {
    let arguments = format!("explain {{}} {{}} --format json {more}");
    let text = run("trainer", &arguments, &[&trained().run(), sound]).success();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn filters_are_drawn_and_come_out_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let visualize = |name: &str| {
        let out = folder.path().join(name);
        let arguments = "visualize {} --out {} --layers 3 --steps 8 --seed 4";
        (run("trainer", arguments, &[&trained().run(), &out]).success(), out)
    };
    let ((table, first), (_, second)) = (visualize("first"), visualize("second"));
    assert_eq!(table.lines().count(), 4, "{table}");
    for name in ["filters.svg", "filters.png", "filters.json"] {
        assert!(read(&first.join(name)) == read(&second.join(name)), "{name}");
    }
    assert!(read(&first.join("filters.png")).starts_with(b"\x89PNG"));
    let numbers: Value = serde_json::from_slice(&read(&first.join("filters.json"))).unwrap();
    assert_eq!(
        (numbers["samples"].as_u64(), numbers["rate_hz"].as_u64()),
        (Some(729), Some(16_000))
    );
    let layers = numbers["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 3);
    for layer in layers {
        let filters = layer["filters"].as_array().unwrap();
        assert_eq!(filters.len() + layer["silent"].as_array().unwrap().len(), 8);
        let peaks = filters.iter().map(|filter| filter["peak_hz"].as_f64().unwrap());
        assert!(peaks.is_sorted());
        assert!(filters.iter().all(|filter| filter["spectrum"].as_array().unwrap().len() == 365));
    }
    let short = "visualize {} --out {} --samples 16 --layers 1 --steps 1";
    let _ = run("trainer", short, &[&trained().run(), &first]).success();
    let nothing = folder.path().join("nothing");
    run("trainer", "visualize {} --out {}", &[&nothing, &first])
        .fails_with(&["nothing: no such file"]);
}

#[test]
fn the_word_is_what_made_the_network_decide() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound.wav");
    // The word lies in the third second.
    let silence = sounds::noise(2.0, 0.003, 3);
    sounds::write(&sound, &[silence.clone(), sounds::word("rise", 9001), silence].concat());
    for method in ["gradient", "occlusion --hide 100"] {
        let found = explain(&sound, &format!("--method {method}"));
        assert_eq!(found["label"], "rise", "{found}");
        assert!(found["posterior"].as_f64().unwrap() > 0.5, "{found}");
        let seconds = |name: &str| found["half"][name].as_f64().unwrap();
        let (start, end) = (seconds("start_s"), seconds("end_s"));
        assert!(start > 2.1 && end < 2.9, "{method}: {start} to {end}");
        assert_eq!(found["evidence"].as_array().unwrap().len(), 100);
    }
    let other = explain(&sound, "--class buzz --at 2");
    assert_eq!((other["label"].as_str(), other["start_s"].as_f64()), (Some("buzz"), Some(2.0)));
    assert!(other["log_odds"].as_f64().unwrap() < 0.0, "{other}");

    let (svg, png) = (folder.path().join("a.svg"), folder.path().join("a.png"));
    let line = "explain {} {} --plot {} --plot {}";
    let line = run("trainer", line, &[&trained().run(), &sound, &svg, &png]).success();
    assert!(line.contains("rise") && line.contains("half of what speaks for it"), "{line}");
    assert!(String::from_utf8(read(&svg)).unwrap().contains("sound.wav: rise"));
    assert!(read(&png).starts_with(b"\x89PNG"));
}

#[test]
fn exported_models_are_looked_into_as_their_runs_are() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound.wav");
    sounds::write(&sound, &sounds::word("rise", 9001));
    let networks = [trained().run(), trained().model()];
    for method in ["gradient", "occlusion"] {
        let line = format!("explain {{}} {{}} --format json --method {method} --class rise --at 0");
        let [run, model] = [0usize, 1].map(|index| {
            let text = run("trainer", &line, &[&networks[index], &sound]).success();
            let found: Value = serde_json::from_str(&text).unwrap();
            let frames: Vec<f64> = serde_json::from_value(found["evidence"].clone()).unwrap();
            (found["log_odds"].as_f64().unwrap(), frames)
        });
        assert!((run.0 - model.0).abs() < 1e-2, "{method}: {} {}", run.0, model.0);
        assert_eq!(run.1.len(), model.1.len());
        let size: f64 = run.1.iter().map(|frame| frame.abs()).sum();
        let apart: f64 = run.1.iter().zip(&model.1).map(|(a, b)| (a - b).abs()).sum();
        assert!(size > 0.0 && apart < 0.05 * size, "{method}: {apart} of {size}");
    }

    let [of_run, of_model] = [0usize, 1].map(|index| {
        let out = folder.path().join(index.to_string());
        let line = "visualize {} --out {} --layers 2 --steps 1";
        let _ = run("trainer", line, &[&networks[index], &out]).success();
        serde_json::from_slice::<Value>(&read(&out.join("filters.json"))).unwrap()
    });
    for key in ["preset", "labels", "rate_hz", "samples"] {
        assert_eq!(of_run[key], of_model[key], "{key}");
    }
    for layer in 0..2usize {
        let [run, model] = [&of_run, &of_model].map(|all| &all["layers"][layer]);
        assert_eq!(run["silent"], model["silent"], "{}", run["layer"]);
        let model = model["filters"].as_array().unwrap();
        for filter in run["filters"].as_array().unwrap() {
            let other = model.iter().find(|other| other["filter"] == filter["filter"]).unwrap();
            let [a, b] = [filter, other].map(|found| found["activation"].as_f64().unwrap());
            assert!((a - b).abs() < 0.01 * (1.0 + a), "{}: {a} {b}", filter["filter"]);
        }
    }
}

#[test]
fn what_cannot_be_explained_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound.wav");
    sounds::write(&sound, &sounds::word("rise", 1));
    let explain = |arguments: &str, path: &Path| {
        run("trainer", &format!("explain {{}} {{}} {arguments}"), &[&trained().run(), path])
    };
    explain("--class jump", &sound).fails_with(&["--class jump", "rise"]);
    explain("--at 1e9", &sound).fails_with(&["--at"]);
    explain("--plot sound.gif", &sound).fails_with(&["sound.gif", ".png"]);
    explain("", &folder.path().join("none.wav")).fails_with(&["none.wav"]);
    let int8 = trained().model().with_extension("q8");
    run("trainer", "explain {} {}", &[&int8, &sound]).fails_with(&["model.q8", "int8"]);
    let none = folder.path().join("none");
    for (network, reason) in [
        (none.as_path(), "none: no such file or folder; "),
        (folder.path(), ": no training run here (no config.toml); "),
    ] {
        run("trainer", "explain {} {}", &[network, &sound])
            .fails_with(&[reason, "name a training run, or a `model.onnx`"]);
    }
}
