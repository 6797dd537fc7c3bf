//! What is told on standard error, and how much of it.

use std::process::Command;

use crate::common::{Bench, fail, program};

/// What a command tells on standard error, a file, and its status; `JOURNAL_STREAM` names that file, or another one.
#[cfg(unix)]
fn told(bench: &Bench, command: &mut Command, journal: bool) -> (String, Option<i32>) {
    use std::os::unix::fs::MetadataExt as _;

    let path = bench.path("stderr");
    let file = std::fs::File::create(&path).unwrap();
    let metadata = file.metadata().unwrap();
    let inode = if journal { metadata.ino() } else { metadata.ino() + 1 };
    command.env("JOURNAL_STREAM", format!("{}:{inode}", metadata.dev())).stderr(file);
    let status = command.output().unwrap().status;
    (std::fs::read_to_string(path).unwrap(), status.code())
}

#[test]
fn a_level_that_is_none_is_named() {
    let error = fail(program().env("AURICLE_LOG", "loud").arg("devices"));
    assert!(error.starts_with("AURICLE_LOG: 'loud' is no level; there are off, "), "{error}");
}

#[cfg(unix)]
#[test]
fn the_level_says_how_much_is_told() {
    let bench = Bench::new();
    let told = |level, journal: bool| {
        let mut command = bench.command("stream");
        command.args(["--gate", "-40"]).arg(&bench.recording).env("AURICLE_LOG", level);
        let (told, status) = told(&bench, &mut command, journal);
        assert_eq!(status, Some(0));
        told
    };
    assert_eq!(told("warn", false), "");
    let note = told("info", false);
    assert!(note.starts_with("note: ") && note.contains(" windows "), "{note}");
    let more = told("debug", false);
    assert!(more.starts_with("debug: windows every ") && more.ends_with(&note), "{more}");
    let journal = told("debug", true);
    assert!(journal.starts_with("<7>windows every ") && journal.contains("\n<5>"), "{journal}");
}

#[cfg(unix)]
#[test]
fn the_reason_of_an_end_is_told_at_every_level() {
    let bench = Bench::new();
    for (journal, expected) in [(true, "<3>"), (false, "error: ")] {
        let mut command = program();
        command.args(["bench", "no/such.onnx"]).env("AURICLE_LOG", "off");
        let (told, status) = told(&bench, &mut command, journal);
        assert!(told.starts_with(&format!("{expected}no/such.onnx: no such file; ")), "{told}");
        assert_eq!((told.lines().count(), status), (1, Some(1)));
    }
}
