//! Recordings in, detections out.

use serde_json::Value;
use system_tests::program::{run, run_with_input};
use system_tests::sounds;

use crate::trained::trained;

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Evaluates a run or model on the test part.
fn evaluate(model: &std::path::Path) -> Value {
    let data = trained().data();
    let report = run("trainer", "evaluate {} --data {} --format json", &[model, &data]);
    serde_json::from_str(&report.success()).unwrap()
}

#[test]
fn a_run_and_its_model_agree() {
    let (run, model) = (evaluate(&trained().run()), evaluate(&trained().model()));
    assert_eq!(run["confusion"], model["confusion"]);
    assert!(run["accuracy"].as_f64().unwrap() >= 0.9, "{run}");
    assert!(run["accuracy_without_silence"].is_f64());
    assert_eq!(run["clips"], 10, "9 listed clips and their silence: {run}");
    let interval: Vec<f64> = serde_json::from_value(run["interval95"].clone()).unwrap();
    let accuracy = run["accuracy"].as_f64().unwrap();
    assert!(interval[0] < accuracy && accuracy <= interval[1]);
}

#[test]
fn words_in_a_stream_are_detected_where_they_are() {
    let words = ["rise", "buzz", "fall", "fall", "rise", "buzz"];
    let (samples, places) = sounds::stream(&words);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stream.wav");
    sounds::write(&file, &samples);
    let model = trained().model();
    let events = run("runtime", "stream --model {} {} --format json", &[&model, &file]).success();
    let events = json_lines(&events);
    let found: Vec<&str> = events.iter().map(|event| event["label"].as_str().unwrap()).collect();
    assert_eq!(found, words, "{events:?}");
    for (event, (_, start, end)) in events.iter().zip(places) {
        let middle = (start + end) / 2.0;
        let (from, to) = (event["start"].as_f64().unwrap(), event["end"].as_f64().unwrap());
        assert!(from < middle && middle < to, "{event} should hold {middle}");
    }
}

#[test]
fn file_and_pipe_give_the_same_events() {
    let (samples, _) = sounds::stream(&["fall", "rise"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stream.wav");
    sounds::write(&file, &samples);
    let model = trained().model();
    let stream = |input: &str, bytes: &[u8]| {
        let arguments = format!("stream --model {{}} {input} --format json --posteriors");
        match input {
            "{}" => run("runtime", &arguments, &[&model, &file]).success(),
            _ => run_with_input("runtime", &arguments, &[&model], bytes).success(),
        }
    };
    let wav = std::fs::read(&file).unwrap();
    let expected = stream("{}", &[]);
    assert!(json_lines(&expected).len() > 20);
    assert_eq!(stream("-", &wav), expected);
    assert_eq!(stream("- --raw s16le:16000:1", &wav[44..]), expected);
}

#[test]
fn other_rates_and_channels_work() {
    let (samples, _) = sounds::stream(&["rise"]);
    // The same samples at twice the rate play twice as fast; so each is written twice.
    let doubled: Vec<f32> = samples.iter().flat_map(|sample| [*sample; 2]).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stereo.wav");
    sounds::write_as(&file, &doubled, 32_000, 2);
    let model = trained().model();
    let events = run("runtime", "stream --model {} {} --format json", &[&model, &file]).success();
    let events = json_lines(&events);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["label"], "rise");
}

#[test]
fn classify_names_whole_files() {
    let folder = tempfile::tempdir().unwrap();
    let files = sounds::WORDS.map(|word| {
        let file = folder.path().join(format!("{word}.wav"));
        sounds::write(&file, &sounds::word(word, 777));
        file
    });
    let model = trained().model();
    let paths = [model.as_path(), &files[0], &files[1], &files[2]];
    let lines = run("runtime", "classify --format json --model {} {} {} {}", &paths).success();
    for (line, word) in json_lines(&lines).iter().zip(sounds::WORDS) {
        assert!(line.to_string().contains(&format!("\"{word}\"")), "{line}");
    }
}

#[test]
fn training_on_every_word_can_be_measured_on_some() {
    let data = trained().data();
    for rule in ["largest", "summed"] {
        let arguments =
            format!("evaluate {{}} --data {{}} --words rise,fall --unknown {rule} --format json");
        let report = run("trainer", &arguments, &[&trained().run(), &data]).success();
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["labels"], serde_json::json!(["rise", "fall", "_unknown_", "_silence_"]));
        assert!(report["accuracy"].as_f64().unwrap() >= 0.9);
    }
}

#[test]
fn the_confusion_matrix_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("confusion.svg");
    let paths = [trained().run(), trained().data(), svg.clone()];
    let paths: Vec<_> = paths.iter().map(std::path::PathBuf::as_path).collect();
    let _ = run("trainer", "evaluate {} --data {} --plot {}", &paths).success();
    let text = std::fs::read_to_string(svg).unwrap();
    assert!(text.starts_with("<svg") && text.contains("_silence_"));
}
