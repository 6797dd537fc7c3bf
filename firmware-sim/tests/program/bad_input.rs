//! Whatever is wrong gets one line and status 1.

use std::path::Path;
use std::process::Command;

use crate::bench::{Bench, fail, output, program, write_wav};

fn run(model: &Path, recording: &Path) -> Command {
    let mut command = program();
    command.arg("run").arg(model).arg(recording);
    command
}

#[test]
fn models_that_are_none_are_told() {
    let bench = Bench::new();
    let bytes = std::fs::read(&bench.model).unwrap();
    let error = |bytes: &[u8]| fail(&mut run(&bench.write("x.q8", bytes), &bench.recording));
    let expected = "x.q8: this is no int8 model (.q8); `trainer export` writes one";
    assert!(error(b"").ends_with(expected));
    assert!(error(b"a text, whatever its name is").ends_with(expected));
    assert!(error(&bytes[..bytes.len() - 1]).contains("x.q8: the model is cut short"));
    assert!(error(&bytes[..10]).contains("x.q8: the model is cut short"));
    let mut other = bytes.clone();
    other[4] = 9;
    assert!(error(&other).contains("x.q8: the model has format version 9, "));
    let mut other = bytes.clone();
    other[100] ^= 1;
    assert!(error(&other).contains("x.q8: the model is damaged"));
    let missing = fail(&mut run(&bench.path("none.q8"), &bench.recording));
    let expected = "none.q8: no such file; name a model (.q8) that `trainer export` has written";
    assert!(missing.ends_with(expected), "{missing}");
    let folder = fail(&mut run(bench.model.parent().unwrap(), &bench.recording));
    assert!(folder.contains(": cannot be read: "));
}

#[test]
fn recordings_that_are_none_are_told() {
    let bench = Bench::new();
    let error = |recording: &Path| fail(&mut run(&bench.model, recording));
    let missing = error(&bench.path("none.wav"));
    assert!(missing.ends_with("none.wav: no such file; name a recording"), "{missing}");
    let empty = bench.path("empty.wav");
    write_wav(&empty, &[], 16_000, 1);
    assert!(error(&empty).ends_with("empty.wav: holds no audio"));
    assert!(error(&bench.write("x.wav", "")).ends_with("x.wav: holds no audio"));
    let text = bench.write("x.wav", "a text, whatever its name is, and long enough");
    assert!(error(&text).contains("x.wav: not an audio file"));
    let slow = bench.path("slow.wav");
    write_wav(&slow, &[1; 100], 1000, 1);
    assert!(error(&slow).contains("slow.wav: sample rate 1000 Hz is outside "));
}

#[test]
fn what_was_heard_before_a_fault_is_printed() {
    let bench = Bench::new();
    let bytes = std::fs::read(&bench.recording).unwrap();
    let cut = bench.write("cut.wav", &bytes[..10_000]);
    let output = output(run(&bench.model, &cut).args(["--posteriors", "--format", "json"]));
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(r#""window_end_sample":4888"#), "{text}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("cut.wav: cut short: ") && error.lines().count() == 1, "{error}");
}

#[test]
fn streams_that_cannot_be_are_told() {
    let bench = Bench::new();
    let error = |options: &[&str]| fail(&mut bench.run(options));
    assert_eq!(
        error(&["--dma", "5000"]),
        "an interrupt of 5000 samples does not fit into the ring of 4096; give a smaller --dma or a larger --ring"
    );
    assert_eq!(error(&["--dma", "0"]), "an interrupt must have at least 1 sample");
    assert_eq!(error(&["--hop", "0"]), "the hop must be at least 1 sample");
    assert!(error(&["--ram", "100"]).starts_with("the model needs "));
    assert!(error(&["--ring", "9999999999999999999"]).starts_with("the model needs "));
}

#[test]
fn outputs_that_cannot_be_written_are_told() {
    let bench = Bench::new();
    let nowhere = bench.path("none/x");
    let error = fail(bench.run(&["--trace"]).arg(&nowhere));
    assert!(error.contains("none/x: cannot be written: "), "{error}");
    let error = fail(bench.run(&["--trace"]).arg(bench.path("x")).arg(&bench.recording));
    assert_eq!(error, "--trace takes one recording, not 2");
    let mut record = program();
    record.arg("record").arg(&bench.model).arg(&bench.recording).arg("--out").arg(&nowhere);
    assert!(fail(&mut record).contains("none/x: cannot be written: "));
}

#[test]
fn arguments_that_are_none_are_refused() {
    let bench = Bench::new();
    for options in [["--fault", "drop:0"], ["--fault", "explode"], ["--hop", "-1"], ["--dma", "x"]]
    {
        let output = output(&mut bench.run(&options));
        assert!(!output.status.success() && output.stdout.is_empty(), "{options:?}");
    }
}
