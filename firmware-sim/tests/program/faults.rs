//! Faults are noticed and survived.

use serde_json::{Value, json};

use crate::bench::{Bench, SAMPLES, of_kind, output, program, results, sound, write_wav};

/// Ends of all windows, which are the same whatever is missing.
fn ends(lines: &[Value]) -> Vec<u64> {
    lines.iter().filter_map(|line| line["window_end_sample"].as_u64()).collect()
}

fn gap(cause: &str, sample: u64, missing: u64, discarded: u64) -> Value {
    json!({
        "kind": "gap", "cause": cause, "time": sample as f64 / 16_000.0, "sample": sample,
        "missing": missing, "discarded": discarded,
    })
}

#[test]
fn lost_interrupts_become_zeros() {
    let bench = Bench::new();
    let lines = bench.json(&["--dma", "1000", "--fault", "drop:4"]);
    let lost = [3000, 7000, 11_000];
    let gaps: Vec<Value> = lost.map(|sample| gap("missing", sample, 1000, 0)).into();
    assert!(of_kind(&lines, "gap").into_iter().eq(&gaps), "{lines:?}");
    assert_eq!(ends(&lines), ends(&bench.json(&[])));
    let summary = of_kind(&lines, "summary")[0];
    assert_eq!(
        (&summary["missing_samples"], &summary["discarded_samples"]),
        (&json!(3000), &json!(0))
    );
    // The same as of a recording with silence there.
    let mut silenced = sound();
    lost.iter().for_each(|start| silenced[*start as usize..][..1000].fill(0));
    let path = bench.path("silenced.wav");
    write_wav(&path, &silenced, 16_000, 1);
    let mut command = program();
    command.arg("run").arg(&bench.model).arg(&path).args(["--format", "json", "--posteriors"]);
    let silenced = crate::bench::lines(&crate::bench::succeed(&mut command));
    assert_eq!(results(&lines), results(&silenced));
}

#[test]
fn what_is_lost_at_the_end_is_noticed() {
    let bench = Bench::new();
    let lines = bench.json(&["--dma", "1000", "--fault", "drop:13"]);
    let last = gap("missing", 12_000, SAMPLES as u64 - 12_000, 0);
    assert_eq!(of_kind(&lines, "gap"), [&last]);
    let lines = bench.json(&["--dma", "256", "--fault", "drop:1"]);
    assert_eq!(of_kind(&lines, "gap"), [&gap("missing", 0, SAMPLES as u64, 0)]);
    assert_eq!(ends(&lines), ends(&bench.json(&[])));
}

#[test]
fn repeated_interrupts_are_discarded() {
    let bench = Bench::new();
    let lines = bench.json(&["--dma", "1000", "--fault", "repeat:5"]);
    let gaps = [gap("repeated", 4000, 0, 1000), gap("repeated", 9000, 0, 1000)];
    assert!(of_kind(&lines, "gap").into_iter().eq(&gaps), "{lines:?}");
    assert_eq!(results(&lines), results(&bench.json(&[])));
}

#[test]
fn late_interrupts_are_given_up() {
    let bench = Bench::new();
    let lines = bench.json(&["--dma", "1000", "--fault", "delay:8"]);
    let gaps = [gap("missing", 7000, 1000, 0), gap("late", 7000, 0, 1000)];
    assert!(of_kind(&lines, "gap").into_iter().eq(&gaps), "{lines:?}");
    assert_eq!(results(&lines), results(&bench.json(&["--dma", "1000", "--fault", "drop:8"])));
}

#[test]
fn distorted_samples_are_heard_as_they_are() {
    let bench = Bench::new();
    let clean = bench.json(&[]);
    for fault in ["clip:30", "dc:2000", "clip:-6", "dc:-32768"] {
        let lines = bench.json(&["--fault", fault]);
        assert!(of_kind(&lines, "gap").is_empty());
        assert_eq!(ends(&lines), ends(&clean));
        assert_ne!(results(&lines), results(&clean), "{fault}");
    }
    let same = bench.json(&["--fault", "clip:0", "--fault", "dc:0"]);
    assert_eq!(same, clean);
}

#[test]
fn all_faults_at_once_are_survived_and_repeatable() {
    let bench = Bench::new();
    let all = ["drop:5", "repeat:3", "delay:4", "clip:20", "dc:-500", "delay:1", "repeat:1"];
    let options: Vec<&str> = all.iter().flat_map(|fault| ["--fault", fault]).collect();
    for dma in ["1", "64", "4096"] {
        let options = [&options[..], &["--dma", dma]].concat();
        let lines = bench.json(&options);
        assert_eq!(ends(&lines), ends(&bench.json(&[])), "{dma}");
        assert!(!of_kind(&lines, "gap").is_empty());
        assert_eq!(bench.json(&options), lines);
    }
}

#[test]
fn people_are_told_of_each_gap() {
    let bench = Bench::new();
    let options = ["--dma", "1000", "--fault", "drop:8", "--fault", "repeat:10"];
    let text = String::from_utf8(output(&mut bench.run(&options)).stderr).unwrap();
    let notes: Vec<&str> = text.lines().take(2).collect();
    assert_eq!(
        notes,
        [
            "note: gap at 0.438 s: 1000 samples (62 ms) are missing; zeros stand in for them",
            "note: gap at 0.625 s: 1000 samples (62 ms) came twice; the second ones were discarded",
        ]
    );
    assert_eq!(text.lines().last(), Some("gaps       1000 samples missing, 1000 discarded"));
}
