//! Models measured and tuned on streams.

use std::path::{Path, PathBuf};

use serde_json::Value;
use system_tests::program::run;
use system_tests::sounds;

use crate::trained::trained;

/// Measures on streams with little synthetic sound.
fn evaluate(model: &Path, more: &str, paths: &[&Path]) -> Value {
    let data = trained().data();
    let arguments =
        format!("evaluate {{}} --data {{}} --stream --synthetic-hours 0.01 --format json {more}");
    let paths: Vec<&Path> = [model, &data].iter().chain(paths).copied().collect();
    serde_json::from_str(&run("trainer", &arguments, &paths).success()).unwrap()
}

fn noises(folder: &Path) -> PathBuf {
    let dir = folder.join("noises");
    for seed in 0..5 {
        let name = format!("deep/{seed}.wav");
        sounds::write(&dir.join(name), &sounds::noise(4.0, 0.05, seed.max(1)));
    }
    dir
}

/// A copy of the exported model, to be changed.
fn copy(folder: &Path) -> PathBuf {
    let (from, to) = (trained().model(), folder.join("model"));
    std::fs::create_dir(&to).unwrap();
    for name in ["model.onnx", "model.q8", "train.toml"] {
        std::fs::copy(from.with_file_name(name), to.join(name)).unwrap();
    }
    to
}

#[test]
fn streams_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (noises, svg) = (noises(folder.path()), folder.path().join("curves.svg"));
    let report = evaluate(&trained().model(), "--noise-data {} --plot {}", &[&noises, &svg]);
    let number = |value: &Value| value.as_u64().unwrap();
    let commands = &report["commands"];
    assert_eq!(number(&commands["count"]), 9, "{commands}");
    assert!(number(&commands["hits"]) >= 7, "{commands}");
    assert!(report["latency_ms"]["median"].as_f64().unwrap() < 1000.0);
    let offsets = report["offsets"].as_array().unwrap();
    assert_eq!(offsets.iter().map(|bin| number(&bin["commands"])).sum::<u64>(), 9);
    let sources = report["sources"].as_array().unwrap();
    let source = |name: &str| sources.iter().find(|source| source["source"] == name);
    let folder_hours = source("noises").unwrap()["hours"].as_f64().unwrap();
    assert!((folder_hours * 3600.0 - 16.0).abs() < 0.1, "one of five is a repetition");
    assert!(source("background").is_some() && source("music-like").is_some());
    assert!(report["notes"].to_string().contains("left out 1 repeated"), "{}", report["notes"]);
    for verdict in report["verdicts"].as_array().unwrap() {
        assert_ne!(verdict["verdict"], "shown", "no rate is shown by seconds: {verdict}");
    }
    let curve = report["curves"]["all"].as_array().unwrap();
    assert!(curve.len() > 50);
    for point in curve {
        let (count, hours) = (number(&point["false_accepts"]), point["hours"].as_f64().unwrap());
        let rate = point["false_accepts_per_hour"].as_f64();
        assert_eq!(rate.is_some(), count > 0, "{point}");
        assert!(rate.is_none_or(|rate| (rate * hours - count as f64).abs() < 1e-6), "{point}");
    }
    assert!(std::fs::read_to_string(svg).unwrap().contains("DET"));
    let again = evaluate(&trained().model(), "--noise-data {}", &[&noises]);
    assert_eq!(report, again, "the seed decides");
    let other = evaluate(&trained().model(), "--noise-data {} --seed 2", &[&noises]);
    assert_ne!(report["latency_ms"], other["latency_ms"]);
}

/// Settings away from what they usually are.
const SETTINGS: &str = "--smoothing 2 --min-count 2 --release 0.6 --threshold 0.4 --threshold fall=0.5 \
                        --suppression 300 --cooldown 1500 --cooldown rise=2500 --warm-up 3 --gate -55";

type Events = Vec<(f64, String)>;

/// Ends and labels of lines that hold events.
fn events_of(lines: &str) -> Events {
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| event_of(&line)).collect()
}

fn event_of(event: &Value) -> Option<(f64, String)> {
    Some((event["end"].as_f64()?, event["label"].as_str()?.to_owned()))
}

/// Holds what the trainer tells of streams against what the runtime hears in them.
fn compare(model: &Path, settings: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let (noises, streams) = (noises(folder.path()), folder.path().join("streams"));
    let more = format!("--noise-data {{}} --write {{}} {settings}");
    let report = evaluate(model, &more, &[&noises, &streams]);
    let mut count = 0;
    let mut heard = |name: &str| {
        let wav = streams.join(format!("{}.wav", name.replace(' ', "_")));
        let arguments = format!("stream --model {{}} {{}} --format json {settings}");
        let heard = events_of(&run("runtime", &arguments, &[model, &wav]).success());
        count += heard.len();
        heard
    };
    let told = |events: &Value| -> Events {
        events.as_array().unwrap().iter().filter_map(event_of).collect()
    };
    for source in report["sources"].as_array().unwrap() {
        let name = source["source"].as_str().unwrap();
        assert_eq!(told(&source["events"]), heard(name), "{name}");
    }
    let commands = &report["commands"];
    let found = commands["hits"].as_u64().unwrap() + commands["wrong"].as_u64().unwrap();
    let others = report["other_events_among_commands"].as_u64().unwrap();
    let among_commands = heard("commands");
    assert_eq!(told(&report["events_among_commands"]), among_commands);
    assert_eq!(among_commands.len() as u64, found + others);
    count
}

#[test]
fn the_runtime_makes_the_same_events_with_any_settings() {
    for name in ["model.onnx", "model.q8"] {
        let model = trained().model().with_file_name(name);
        let (usual, strict) = (compare(&model, ""), compare(&model, SETTINGS));
        assert!(strict > 0 && strict < usual, "{strict} events instead of {usual}");
    }
}

/// Words with silence between them, which a gate finds quiet.
fn with_silence(path: &Path) {
    let silence = vec![0.0; 4 * sounds::RATE_HZ as usize];
    let mut samples = sounds::noise(1.5, 0.003, 7);
    for (seed, word) in (9000..).zip(["rise", "rise", "buzz", "fall", "rise"]) {
        samples.extend(sounds::word(word, seed));
        samples.extend(sounds::noise(0.5, 0.003, seed));
        samples.extend(&silence);
    }
    sounds::write(path, &samples);
}

#[test]
fn settings_in_a_model_hold_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let model = copy(folder.path());
    let sound = folder.path().join("silence.wav");
    with_silence(&sound);
    // The hop becomes the model's own.
    let arguments = "tune {} --data {} --synthetic-hours 0 --false-accepts 2 --gate -60 --cooldown 3000 \
                     --cooldown rise=7000 --hop 140";
    let tuned = run("trainer", arguments, &[&model, &trained().data()]);
    let note = "note: a hop of 140 ms becomes 136.7 ms (2187 samples), at which";
    assert!(tuned.stderr.contains(note), "{}", tuned.stderr);
    let told = tuned.success();
    assert!(told.contains("gate -60.0 dB") && told.contains("rise 7000 ms"), "{told}");
    let [onnx, q8] = ["model.onnx", "model.q8"].map(|name| model.join(name));
    let stream = |model: &Path, more: &str| {
        let arguments = format!("stream --model {{}} {{}} --format json {more}");
        let heard = run("runtime", &arguments, &[model, &sound]);
        let quiet = heard.stderr.contains("too quiet to be computed");
        assert_eq!(quiet, more.is_empty(), "{}", heard.stderr);
        events_of(&heard.success())
    };
    for model in [&onnx, &q8] {
        let heard = stream(model, "");
        assert!(heard.len() >= 3, "{heard:?}");
        assert_eq!(heard, stream(model, "--gate off"), "there is nothing to hear in silence");
        for (index, (end, label)) in heard.iter().enumerate() {
            let before = heard[..index].iter().rfind(|(_, other)| other == label);
            let cooldown = if label == "rise" { 7.0 } else { 3.0 };
            assert!(before.is_none_or(|(before, _)| end - before >= cooldown), "{heard:?}");
        }
    }
    let heard = stream(&q8, "");
    let on_chip = run("firmware-sim", "run {} {} --format json", &[&q8, &sound]).success();
    assert_eq!(heard, events_of(&on_chip));
}

#[test]
fn a_stream_as_a_recording_of_its_own_gives_the_same_figures() {
    let folder = tempfile::tempdir().unwrap();
    let streams = folder.path().join("streams");
    let model = trained().model();
    let report = evaluate(&model, "--write {}", &[&streams]);
    let (commands, others) = (&report["commands"], &report["other_events_among_commands"]);
    let arguments = "evaluate {} --stream --recording {} --labels {} --format json".to_owned();
    let (wav, tsv) = (streams.join("commands.wav"), streams.join("commands.tsv"));
    let whole = run("trainer", &arguments, &[&model, &wav, &tsv]).success();
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(whole["commands"]["hits"], commands["hits"]);
    assert_eq!(&whole["sources"][0]["count"], others);
}

#[test]
fn int8_models_are_measured_too() {
    let model = trained().model().with_file_name("model.q8");
    let report = evaluate(&model, "", &[]);
    assert!(report["commands"]["hits"].as_u64().unwrap() >= 7, "{}", report["commands"]);
}

#[test]
fn a_model_is_tuned_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let model = copy(folder.path());
    let arguments = "tune {} --data {} --synthetic-hours 0.01 --false-accepts 2";
    let told = run("trainer", arguments, &[&model, &trained().data()]).success();
    let line = told.lines().find(|line| line.starts_with("at most 2/h")).unwrap();
    assert!(line.contains("it needs 1.5 h without a false accept"), "{told}");
    for name in ["model.onnx", "model.q8"] {
        let (old, new) = (trained().model().with_file_name(name), model.join(name));
        let [before, after] = [&old, &new].map(|path| evaluate(path, "", &[]));
        assert_ne!(before["decision"], after["decision"], "{name}");
        assert_eq!(before["decision"]["hop"], after["decision"]["hop"]);
        assert_eq!(before["curves"]["hours"], after["curves"]["hours"]);
        let arguments = "evaluate {} --data {} --format json";
        let [before, after] = [&old, &new].map(|path| {
            let report = run("trainer", arguments, &[path, &trained().data()]).success();
            serde_json::from_str::<Value>(&report).unwrap()
        });
        assert_eq!(before["cross_entropy"], after["cross_entropy"], "the weights stay");
    }
    let sound = folder.path().join("word.wav");
    sounds::write(&sound, &sounds::stream(&["rise", "fall", "buzz", "rise", "fall", "buzz"]).0);
    let heard =
        run("runtime", "stream --model {} {}", &[&model.join("model.onnx"), &sound]).success();
    assert!(["rise", "fall", "buzz"].iter().any(|word| heard.contains(word)), "{told}{heard}");
}

#[test]
fn streams_of_bad_input_get_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let (model, data, empty) = (trained().model(), trained().data(), folder.path().join("empty"));
    std::fs::create_dir(&empty).unwrap();
    run("trainer", "tune {} --data {}", &[&empty, &data]).fails_with(&["empty", "no model.onnx"]);
    let with_noise = "evaluate {} --data {} --stream --synthetic-hours 0 --noise-data {}";
    run("trainer", with_noise, &[&model, &data, &empty]).fails_with(&["no recordings found"]);
    let clips = "evaluate {} --data {} --noise-data {}";
    run("trainer", clips, &[&model, &data, &empty]).fails_with(&["add --stream"]);
    let clips = "evaluate {} --data {} --min-count 2";
    run("trainer", clips, &[&model, &data]).fails_with(&["add --stream"]);
    for option in ["--seed 99", "--synthetic-hours 5", "--false-accepts 3"] {
        let clips = format!("evaluate {{}} --data {{}} {option}");
        run("trainer", &clips, &[&model, &data]).fails_with(&["add --stream"]);
    }
    let release = "evaluate {} --data {} --stream --release 2";
    run("trainer", release, &[&model, &data]).fails_with(&["release of 2"]);
    for (option, value) in [
        ("--smoothing", 12.0),
        ("--threshold", 0.9),
        ("--min-count", 2.0),
        ("--release", 0.5),
        ("--suppression", 3000.0),
    ] {
        let tune = format!("tune {{}} --data {{}} {option} {value}");
        let refused = run("trainer", &tune, &[model.parent().unwrap(), &data]);
        refused.fails_with(&[option, "what `tune` chooses"]);
    }
    let of_run = run("trainer", "evaluate {} --data {} --stream", &[&trained().run(), &data]);
    of_run.fails_with(&["trainer export"]);
    let wav = folder.path().join("sound.wav");
    sounds::write(&wav, &sounds::noise(2.0, 0.1, 1));
    let tsv = folder.path().join("sound.tsv");
    std::fs::write(&tsv, "1\tx\trise\n").unwrap();
    let arguments = "evaluate {} --stream --recording {} --labels {}";
    run("trainer", arguments, &[&model, &wav, &tsv]).fails_with(&["sound.tsv", "line 1"]);
    let lost = folder.path().join("lost.wav");
    std::fs::write(&tsv, "1\t1.5\trise\n").unwrap();
    run("trainer", arguments, &[&model, &lost, &tsv]).fails_with(&["lost.wav"]);
    for option in [
        "--data x",
        "--split train",
        "--seed 9",
        "--noise-data x",
        "--synthetic-hours 2",
        "--unknown summed",
        "--device cpu",
    ] {
        let refused = run("trainer", &format!("{arguments} {option}"), &[&model, &wav, &tsv]);
        assert_eq!(refused.status, Some(2), "{option}: {refused:?}");
        assert!(refused.stderr.contains("cannot be used with"), "{option}: {refused:?}");
    }
}

#[test]
fn negatives_are_made_to_train_with() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out, fitted) =
        (trained().data(), folder.path().join("negatives"), folder.path().join("run"));
    let arguments = "data negatives --data {} --out {} --words rise,fall --hours 0.004 --seed 3";
    let told = run("trainer", arguments, &[&data, &out]).success();
    for name in ["other_words", "music-like"] {
        assert!(told.contains(&format!("{name}.wav: ")), "{told}");
        let track = std::fs::read_to_string(out.join(format!("{name}.tsv"))).unwrap();
        assert!(!track.contains("rise") && track.lines().count() > 1, "{track}");
    }
    assert!(!out.join("background.wav").exists());
    run("trainer", arguments, &[&data, &out]).fails_with(&["negatives"]);
    let arguments = "fit --data {} --out {} --words rise,fall --preset nano --batch 16 --epochs 1 \
                     --device cpu --hard-negatives {}";
    let fit = run("trainer", arguments, &[&data, &fitted, &out]);
    assert!(fit.stderr.contains(" hard negatives, "), "{fit:?}");
    let _ = fit.success();
}
