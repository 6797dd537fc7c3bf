//! What a run says that it took.

use models::arch::Streaming;
use models::q8::Model;

use crate::bench::{Bench, fail, of_kind, output};
use crate::model::parts;

#[test]
fn memory_is_what_the_library_needs() {
    let bench = Bench::new();
    let bytes = parts().encode();
    let model = Model::parse(&bytes).unwrap();
    let lines = bench.json(&["--ring", "512"]);
    let summary = of_kind(&lines, "summary")[0];
    let engine = 4 * firmware_sim::memory_words(&model, 81).unwrap();
    let detector = 2 * firmware_sim::memory_len(3, 2);
    assert_eq!(summary["engine_bytes"], engine);
    assert_eq!(summary["detector_bytes"], detector);
    assert_eq!(summary["ring_bytes"], 1024);
    assert_eq!(summary["memory_bytes"], engine + detector + 1024);
    assert_eq!(summary["flash_bytes"], bytes.len());
    let needed = engine + detector + 1024;
    let enough = needed.to_string();
    bench.json(&["--ring", "512", "--ram", &enough]);
    let short = (needed - 3).to_string();
    let error = fail(&mut bench.run(&["--ring", "512", "--ram", &short]));
    let expected = format!("the model needs {needed} bytes of memory ");
    assert!(error.starts_with(&expected), "{error}");
    assert!(error.ends_with(&format!(", 3 more than the {short} there are")), "{error}");
}

#[test]
fn work_is_that_of_the_network() {
    let bench = Bench::new();
    let parts = parts();
    let (arch, bytes) = (&parts.arch, parts.encode());
    let model = Model::parse(&bytes).unwrap();
    let table = arch.layers().unwrap();
    // Rows are filled up to whole words, and are so much longer than their weights.
    let filled = |index: usize| {
        let shape = model.layers()[index].shape;
        shape.row() as f64 / (shape.taps * shape.inputs) as f64
    };
    let most = (0..table.layers.len()).map(filled).fold(1.0, f64::max);
    for hop in [81, 27, 100, 1] {
        let lines = bench.json(&["--hop", &hop.to_string()]);
        let summary = of_kind(&lines, "summary")[0];
        let number = |name: &str| summary[name].as_u64().unwrap();
        let cost = Streaming::new(arch, hop).unwrap().cost(&table).per_hop() as f64;
        let counted = number("macs_per_window") as f64;
        let bounds = 0.97 * cost..=1.03 * most * cost;
        assert!(bounds.contains(&counted), "hop {hop}: {counted}, {cost}");
        assert!(number("macs_first_window") >= number("macs_per_window"));
        assert!(number("cycles_per_window") > number("macs_per_window") / 2);
        assert!(number("requantisations_per_window") > 0);
    }
}

#[test]
fn people_are_told_beside_the_results() {
    let bench = Bench::new();
    let text = String::from_utf8(output(&mut bench.run(&[])).stderr).unwrap();
    let firsts: Vec<&str> = text.lines().filter_map(|line| line.split("  ").next()).collect();
    assert_eq!(firsts, ["windows", "memory", "flash", "work", "Cortex-M4"]);
}

#[test]
fn recordings_shorter_than_a_window_are_told() {
    let bench = Bench::new();
    let short = bench.path("short.wav");
    crate::bench::write_wav(&short, &[1; 160], 16_000, 1);
    let mut command = crate::bench::program();
    let output = output(command.arg("run").arg(&bench.model).arg(&short));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && output.stdout.is_empty());
    let note = "note: 0.01 s of sound is shorter than the model's window of 0.06 s";
    assert_eq!(text.lines().next(), Some(note));
}
