//! Bad input is answered with one clear line and status 1.

use crate::common::{Bench, error_line, fail, pipe, program, s16le, sound, text};

#[test]
fn a_missing_model_is_named() {
    let error = fail(program().args(["bench", "no/such.onnx"]));
    let expected = "no/such.onnx: no such file; name a model that `trainer export` has written";
    assert_eq!(error, expected);
}

#[test]
fn what_is_no_onnx_file_is_named() {
    let bench = Bench::new();
    let path = bench.path("model.txt");
    std::fs::write(&path, "no model").unwrap();
    let error = fail(program().args(["stream", "-m", text(&path), "x.wav"]));
    assert!(error.ends_with("model.txt: not a model; export one with `trainer export`"));
}

#[test]
fn a_damaged_model_is_refused_without_a_panic() {
    let bench = Bench::new();
    let bytes = std::fs::read(&bench.model).unwrap();
    for cut in [bytes.len() / 4, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&bench.model, &bytes[..cut]).unwrap();
        let error = fail(bench.command("stream").arg(&bench.recording));
        assert!(error.contains("model.onnx: "), "{error}");
    }
}

#[test]
fn a_model_of_another_version_is_refused() {
    let bench = Bench::new();
    let path = bench.path("model.q8");
    std::fs::write(&path, [&b"ARQ8"[..], &99_u16.to_le_bytes(), &[0; 64]].concat()).unwrap();
    let error = fail(program().args(["bench", text(&path)]));
    assert!(error.contains("model.q8: ") && error.contains("version 99"), "{error}");
}

#[test]
fn a_missing_recording_is_named() {
    let bench = Bench::new();
    for command in ["stream", "classify"] {
        let error = fail(bench.command(command).arg("no/such.wav"));
        let expected = "no/such.wav: no such file; name a recording, or `-` for standard input";
        assert_eq!(error, expected);
    }
    let error = fail(program().args(["bench", text(&bench.model), "--input", "no/such.wav"]));
    assert_eq!(error, "no/such.wav: no such file; name a recording");
    let error = fail(bench.command("stream").args(["--raw", "u8:8000:1", "no/such.raw"]));
    assert!(error.starts_with("no/such.raw: cannot be opened: "), "{error}");
    assert!(error.ends_with("; check the path"), "{error}");
}

#[test]
fn a_recording_too_short_to_measure_on_is_refused() {
    let bench = Bench::new();
    let path = bench.path("short.wav");
    audio::write_wav_i16(&path, &sound()[..480], 16_000).unwrap();
    let error = fail(program().args(["bench", text(&bench.model), "--input", text(&path)]));
    let expected = "short.wav: 0.03 s of sound are too few; the windows need 0.06 s";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn what_is_no_recording_is_named() {
    let bench = Bench::new();
    let path = bench.path("text.wav");
    std::fs::write(&path, "a text, whatever its name says").unwrap();
    let error = fail(bench.command("stream").arg(&path));
    assert!(error.contains("text.wav: not an audio file"), "{error}");
    std::fs::write(&path, "").unwrap();
    let error = fail(bench.command("classify").arg(&path));
    assert!(error.ends_with("text.wav: holds no audio"), "{error}");
}

#[test]
fn one_bad_recording_does_not_stop_the_others() {
    let bench = Bench::new();
    let mut command = bench.command("classify");
    let output = pipe(command.arg("no/such.wav").arg(&bench.recording), &[]);
    assert!(error_line(&output).starts_with("no/such.wav: no such file; "));
    assert!(String::from_utf8_lossy(&output.stdout).contains("sound.wav: "));
}

#[test]
fn a_pipe_that_ends_in_mid_frame_keeps_its_detections() {
    let bench = Bench::new();
    let stream =
        |input: &[u8]| pipe(bench.command("stream").args(["--raw", "s16le:16000:1", "-"]), input);
    let mut bytes = s16le(&sound());
    let whole = stream(&bytes);
    bytes.push(0);
    let cut = stream(&bytes);
    assert_eq!(cut.stdout, whole.stdout);
    assert_eq!(String::from_utf8_lossy(&cut.stdout).lines().count(), 2);
    let error = error_line(&cut);
    assert!(error.starts_with("standard input: cut short"), "{error}");
}

#[test]
fn wrong_flags_are_explained() {
    let bench = Bench::new();
    let refuse = |flags: &[&str]| {
        let output = pipe(bench.command("stream").args(flags).arg(&bench.recording), &[]);
        assert!(!output.status.success() && output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let error = refuse(&["--threshold", "hgih=0.5"]);
    assert!(error.contains("no class 'hgih'; did you mean 'high'?"), "{error}");
    assert!(refuse(&["--threshold", "7"]).contains("write 0.7, or label=0.7"));
    assert!(refuse(&["--hop", "-1"]).starts_with("error: "));
    assert!(refuse(&["--hop=-1"]).contains("hop of -1 ms is not in 0 to "));
    assert!(refuse(&["--smoothing", "0"]).contains("smoothing over 0 windows"));
    assert!(refuse(&["--raw", "mp3"]).contains("for example s16le:16000:1"));
}
