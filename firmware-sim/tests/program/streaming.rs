//! What is heard is what the library hears, however samples come.

use firmware_sim::{Engine, window_memory_words};
use models::q8::Model;
use models::stream::{Detector, Q15, to_f32};
use serde_json::{Value, json};

use crate::bench::{Bench, lines, of_kind, program, results, sound, succeed, write_wav};
use crate::model::{HOP, WINDOW, parts};

/// A posterior as it is printed: the shortest number that is its `f32`.
fn shown(posterior: Q15) -> f64 {
    to_f32(posterior).to_string().parse().unwrap()
}

/// Windows and events of samples, every window computed for itself.
fn expected(samples: &[i16]) -> Vec<Value> {
    let bytes = parts().encode();
    let model = Model::parse(&bytes).unwrap();
    let mut memory = vec![0; window_memory_words(&model)];
    let mut engine = Engine::for_windows(&model, &mut memory).unwrap();
    let settings = model.decision().settings(WINDOW as u32);
    let mut detector = Detector::new(settings, model.decision().classes(), vec![0; 100]).unwrap();
    let seconds = |samples: u64| samples as f64 / 16_000.0;
    let mut found = Vec::new();
    for start in (0..=samples.len() - WINDOW).step_by(HOP) {
        let end = (start + WINDOW) as u64;
        let mut window = Vec::new();
        engine.reset();
        engine.push(&samples[start..start + WINDOW], |posteriors, _| window = posteriors.to_vec());
        let labels = ["go", "st\"op", "_silence_"].into_iter().zip(&window);
        let posteriors: serde_json::Map<String, Value> =
            labels.map(|(label, p)| (label.to_owned(), shown(*p).into())).collect();
        found.push(json!({
            "window_end": seconds(end), "window_end_sample": end, "posteriors": posteriors,
        }));
        found.extend(detector.push(&window, end).map(|event| {
            let label = ["go", "st\"op"][usize::from(event.class)];
            json!({
                "start": seconds(event.start), "end": seconds(event.end),
                "start_sample": event.start, "end_sample": event.end,
                "label": label,
                "confidence": shown(event.confidence),
            })
        }));
    }
    found
}

#[test]
fn the_size_of_interrupts_changes_nothing() {
    let bench = Bench::new();
    let expected = expected(&sound());
    let events = expected.iter().filter(|line| !line["label"].is_null()).count();
    assert!(events >= 5, "only {events} events");
    for dma in ["1", "37", "256", "4096"] {
        let lines = bench.json(&["--dma", dma]);
        assert!(results(&lines).into_iter().eq(&expected), "{dma}");
        let first: Vec<Value> = lines.iter().map(|line| line["kind"].clone()).collect();
        assert_eq!(first.last(), Some(&json!("summary")));
    }
    let lines = bench.json(&["--dma", "700", "--ring", "701"]);
    assert!(results(&lines).into_iter().eq(&expected));
}

#[test]
fn other_hops_cut_other_windows() {
    let bench = Bench::new();
    for hop in [1, 5, 100, 2000] {
        let lines = bench.json(&["--hop", &hop.to_string()]);
        let ends: Vec<u64> =
            results(&lines).iter().filter_map(|line| line["window_end_sample"].as_u64()).collect();
        let wanted: Vec<u64> = (1000..=sound().len() as u64).step_by(hop).collect();
        assert_eq!(ends, wanted);
    }
}

#[test]
fn lines_for_people_are_those_of_the_runtime() {
    let bench = Bench::new();
    let text = succeed(&mut bench.run(&["--posteriors"]));
    let (mut windows, mut events) = (0, 0);
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [_, "s", "go", _, "st\"op", _, "_silence_", _] => windows += 1,
            [_, "s", _, "s", "go" | "st\"op", _] => events += 1,
            _ => panic!("{line}"),
        }
    }
    let lines = bench.json(&[]);
    assert_eq!(windows + events, results(&lines).len());
    assert_eq!(succeed(&mut bench.run(&[])).lines().count(), events);
}

#[test]
fn recordings_of_any_rate_and_channels_are_heard() {
    let bench = Bench::new();
    let (same, other) = (bench.path("stereo.wav"), bench.path("44k1.wav"));
    write_wav(&same, &sound(), 16_000, 2);
    write_wav(&other, &sound(), 44_100, 1);
    let mut command = program();
    command.arg("run").arg(&bench.model).args([&bench.recording, &same, &other, &same]);
    let all = lines(&succeed(command.args(["--format", "json", "--posteriors"])));
    let parts: Vec<&[Value]> = all.split(|line| line["kind"] == "recording").skip(1).collect();
    // Every recording starts anew.
    assert_eq!(parts[0], parts[1]);
    assert_eq!(results(parts[1]), results(parts[3]));
    let windows = results(parts[2]).iter().filter(|line| line["label"].is_null()).count();
    assert_eq!(windows, (12_345 * 160 / 441 - WINDOW) / HOP + 1);
    assert_eq!(of_kind(&all, "summary")[0]["recordings"], 4);
}

#[test]
fn a_trace_has_every_column() {
    let bench = Bench::new();
    let trace = bench.path("trace.jsonl");
    succeed(bench.run(&["--dma", "13", "--trace"]).arg(&trace));
    let text = std::fs::read_to_string(&trace).unwrap();
    let columns = lines(&text);
    let stem: Vec<&Value> = columns.iter().filter(|line| line["layer"] == 0).collect();
    assert_eq!(stem.len(), sound().len() / 3);
    for (index, column) in stem.iter().enumerate() {
        assert_eq!(
            (column["index"].as_u64(), &column["part"]),
            (Some(index as u64), &json!("shared"))
        );
        assert_eq!(column["values"].as_array().unwrap().len(), 4);
    }
    let parts = ["shared", "edge", "tail"];
    for part in parts {
        assert!(columns.iter().any(|line| line["part"] == part), "{part}");
    }
    let head = columns.iter().filter(|line| line["layer"] == 5).count();
    let windows = (sound().len() - WINDOW) / HOP + 1;
    assert!(head > 0 && head.is_multiple_of(windows));
    // The size of interrupts changes nothing here either.
    let other = bench.path("other.jsonl");
    succeed(bench.run(&["--dma", "4096", "--trace"]).arg(&other));
    assert!(std::fs::read_to_string(&other).unwrap() == text);
}
