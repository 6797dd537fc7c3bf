//! Settings from a file.

use std::path::PathBuf;

use crate::common::{Bench, error_line, fail, pipe, program, succeed, text};

/// Writes a configuration file beside the model.
fn write(bench: &Bench, content: &str) -> PathBuf {
    let path = bench.path("runtime.toml");
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn a_file_is_like_flags() {
    let bench = Bench::new();
    let flags = ["--format", "json", "--posteriors", "--hop", "20"];
    let expected = succeed(bench.command("stream").args(flags).arg(&bench.recording));
    let path = write(&bench, "model = 'model.onnx'\nformat = 'json'\nposteriors = true\nhop = 20");
    let from_file = ["stream", "--config", text(&path), text(&bench.recording)];
    assert_eq!(succeed(program().args(from_file)), expected);
    let path = write(&bench, "model = 'other.onnx'\nformat = 'text'\nhop = 40\nposteriors = true");
    let mut command = bench.command("stream");
    command.args(["--config", text(&path), "--format=json", "--hop=20"]).arg(&bench.recording);
    assert_eq!(succeed(&mut command), expected);
}

#[test]
fn a_file_is_checked() {
    let bench = Bench::new();
    let path = write(&bench, "model = 'model.onnx'\nhop = 20\n[threshold]\nhigh = 0.75\n");
    let printed = succeed(program().args(["check-config", text(&path)]));
    for line in [
        &format!("model = \"{}\"  # file", text(&bench.model)),
        "hop = 20  # file",
        "threshold = [\"high=0.75\"]  # file",
        "format = \"text\"  # default",
        "posteriors = false  # default",
        "# device is not set",
        "# high: from 0.75 on",
    ] {
        assert!(printed.lines().any(|found| found == line), "{line} is not in\n{printed}");
    }
    // What is printed is a configuration with the same meaning.
    let again = write(&bench, &printed);
    let found = succeed(program().args(["check-config", text(&again)]));
    assert_eq!(found.replace("# default", "# file"), printed.replace("# default", "# file"));
}

#[test]
fn mistakes_in_a_file_are_told_each_in_a_line() {
    let bench = Bench::new();
    let path = write(&bench, "model = 'model.onnx'\nsmothing = 3\nthresold = 0.5\nhop = 'fast'\n");
    let output = pipe(program().args(["check-config", text(&path)]), &[]);
    let errors = String::from_utf8(output.stderr).unwrap();
    let path = text(&path);
    let expected = format!(
        "error: {path}: `hop`: invalid float literal (it is \"fast\")\n\
         error: {path}: unknown key `smothing`; did you mean `smoothing`?\n\
         error: {path}: unknown key `thresold`; did you mean `threshold`?\n"
    );
    assert_eq!((output.status.code(), errors), (Some(1), expected));
}

#[test]
fn what_a_file_asks_for_must_be_there() {
    let bench = Bench::new();
    let path = write(&bench, "model = 'no/such.onnx'");
    let error = fail(program().args(["stream", "--config", text(&path), text(&bench.recording)]));
    assert!(
        error.ends_with(
            "no/such.onnx: no such file; name a model that `trainer export` has written"
        )
    );
    let path = write(&bench, "model = 'model.onnx'\nthreshold = 'hgih=0.5'");
    let output = pipe(program().args(["check-config", text(&path)]), &[]);
    assert!(error_line(&output).contains("did you mean 'high'?"));
    let error = fail(program().args(["check-config", "no/such.toml"]));
    assert!(error.starts_with("no/such.toml: the configuration cannot be read: "), "{error}");
    assert!(error.ends_with("; check the path"), "{error}");
    let path = write(&bench, "hop = 20");
    let error = fail(program().args(["stream", "--config", text(&path), text(&bench.recording)]));
    assert_eq!(
        error,
        "no model is named; give one with --model PATH, or as `model` in a configuration file"
    );
}
