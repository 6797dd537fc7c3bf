//! What the commands print.

use models::stream::segment_starts;
use runtime::engine::{Engine as _, TractEngine};
use serde_json::Value;

use crate::common::model::tone;
use crate::common::{Bench, program, succeed};

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_stream_is_told_line_by_line() {
    let bench = Bench::new();
    let text = succeed(bench.command("stream").arg(&bench.recording));
    let words: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(words.len(), 2, "{text}");
    for (line, (label, said_at)) in words.iter().zip([("low", 0.6), ("high", 1.8)]) {
        assert_eq!((line[1], line[3], line[4]), ("s", "s", label), "{text}");
        let [start, end, confidence] = [0, 2, 5].map(|index| line[index].parse::<f64>().unwrap());
        assert!((said_at..said_at + 0.2).contains(&end), "{text}");
        assert!((end - start - 0.064).abs() < 0.011 && confidence >= 0.6, "{text}");
    }
}

#[test]
fn json_has_events_and_posteriors() {
    let bench = Bench::new();
    let mut command = bench.command("stream");
    let text = succeed(command.args(["--format", "json", "--posteriors"]).arg(&bench.recording));
    let (events, windows): (Vec<Value>, Vec<Value>) =
        json_lines(&text).into_iter().partition(|line| line.get("label").is_some());
    assert_eq!(windows.len(), (48_000 - 1024) / 400 + 1);
    for window in &windows {
        let posteriors = window["posteriors"].as_object().unwrap();
        let sum: f64 = posteriors.values().map(|value| value.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5);
        let end = window["window_end_sample"].as_u64().unwrap();
        assert_eq!(window["window_end"].as_f64().unwrap(), end as f64 / 16_000.0);
    }
    assert_eq!(events.len(), 2);
    assert_eq!((&events[0]["label"], &events[1]["label"]), (&"low".into(), &"high".into()));
    for event in events {
        let length =
            event["end_sample"].as_u64().unwrap() - event["start_sample"].as_u64().unwrap();
        assert_eq!(length, 1024);
        assert!(event["confidence"].as_f64().unwrap() >= 0.6);
    }
}

#[test]
fn flags_override_the_models_decisions() {
    let bench = Bench::new();
    let detections = |flags: &[&str]| {
        let text = succeed(bench.command("stream").args(flags).arg(&bench.recording));
        text.split_whitespace().filter(|word| word.starts_with(['l', 'h', '_'])).count()
    };
    assert_eq!(detections(&[]), 2);
    assert_eq!(detections(&["--threshold", "low=1"]), 1);
    assert_eq!(detections(&["--threshold", "1"]), 0);
    assert_eq!(detections(&["--warm-up", "60"]), 1);
    assert_eq!(detections(&["--suppression", "5000"]), 1);
    assert_eq!(detections(&["--threshold", "_silence_=0.5"]), 5);
    assert_eq!(detections(&["--hop", "100", "--smoothing", "1"]), 2);
}

#[test]
fn whole_recordings_are_named() {
    let bench = Bench::new();
    let write = |name: &str, samples: &[f32], rate_hz: u32| {
        let path = bench.path(name);
        audio::write_wav_i16(&path, samples, rate_hz).unwrap();
        path
    };
    let low = write("low.wav", &tone(200.0, 16_000), 16_000);
    // At 48 kHz these samples are three times as high and a third as long.
    let high = write("high.wav", &tone(1500.0, 16_000), 48_000);
    let short = write("short.wav", &tone(5000.0, 900), 16_000);
    let mut command = bench.command("classify");
    let text = succeed(command.args(["--top", "3", "--format", "json"]).args([low, high, short]));
    let lines = json_lines(&text);
    let labels: Vec<&str> = lines.iter().map(|line| line["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["low", "high", "high"], "{text}");
    for line in lines {
        let top = line["top"].as_array().unwrap();
        assert_eq!(top.len(), 3);
        assert_eq!(top[0]["label"], line["label"]);
        let sum: f64 = top.iter().map(|guess| guess["confidence"].as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5);
    }
}

#[test]
fn long_recordings_are_named_by_evenly_spaced_windows() {
    let bench = Bench::new();
    let mut engine = TractEngine::load(&bench.model).unwrap();
    let window = engine.meta().arch.window as usize;
    let samples = audio::read_mono(&bench.recording, 16_000).unwrap();
    let starts = segment_starts(samples.len(), window);
    let (count, mut means) = (starts.len() as f64, [0.0; 3]);
    assert_eq!(count, 47.0);
    for start in starts {
        let mut posteriors = [0.0; 3];
        engine.posteriors(&samples[start..start + window], &mut posteriors).unwrap();
        means.iter_mut().zip(posteriors).for_each(|(mean, p)| *mean += f64::from(p) / count);
    }
    let classify = |flags: &[&str]| {
        let mut command = bench.command("classify");
        command.args(["--top", "3", "--format", "json"]).args(flags).arg(&bench.recording);
        let line = json_lines(&succeed(&mut command)).remove(0);
        let top = line["top"].as_array().unwrap().clone();
        ["low", "high", "_silence_"].map(|label| {
            let guess = top.iter().find(|guess| guess["label"] == label).unwrap();
            guess["confidence"].as_f64().unwrap()
        })
    };
    let found = classify(&[]);
    for (found, mean) in found.iter().zip(means) {
        assert!((found - mean).abs() < 1e-6, "{found} {mean}");
    }
    assert_ne!(classify(&["--hop", "25"]), found, "those of a stream are others");
}

#[test]
fn a_benchmark_reports_what_it_measured() {
    let bench = Bench::new();
    let mut command = program();
    let text =
        succeed(command.arg("bench").arg(&bench.model).args(["--runs", "5", "--format", "json"]));
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["runs"], &report["hop_samples"]), (&5.into(), &400.into()));
    for key in ["load_ms", "window_median_ms", "window_p99_ms", "real_time_factor"] {
        assert!(report[key].as_f64().unwrap() > 0.0, "{key}");
    }
    for key in ["window_cpu_ms", "hop_cpu_ms"] {
        assert_eq!(report[key].as_f64().is_some_and(|ms| ms > 0.0), cfg!(unix), "{key}");
    }
    let text = succeed(program().arg("bench").arg(&bench.model).args(["--runs", "1"]));
    assert!(text.contains("real-time factor"), "{text}");
    let mut command = program();
    command.arg("bench").arg(&bench.model).arg("--input").arg(&bench.recording);
    let text = succeed(command.args(["--runs", "200", "--format", "json"]));
    let report: Value = serde_json::from_str(&text).unwrap();
    assert!(report["hop_median_ms"].as_f64().unwrap() > 0.0, "more windows than it has");
}
