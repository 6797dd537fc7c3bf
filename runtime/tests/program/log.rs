//! What is told on standard error, and how much of it.

use crate::common::{Bench, fail, program};

#[test]
fn a_level_that_is_none_is_named() {
    let error = fail(program().env("AURICLE_LOG", "loud").arg("devices"));
    assert!(error.starts_with("AURICLE_LOG: 'loud' is no level; there are off, "), "{error}");
}

#[test]
fn the_level_says_how_much_is_told() {
    let bench = Bench::new();
    let told = |level, journal: bool| {
        let mut command = bench.command("stream");
        command.args(["--gate", "-40"]).arg(&bench.recording);
        let command = command.env("AURICLE_LOG", level).env_remove("JOURNAL_STREAM");
        let command = if journal { command.env("JOURNAL_STREAM", "1:2") } else { command };
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(told("warn", false), "");
    let note = told("info", false);
    assert!(note.starts_with("note: ") && note.contains(" windows "), "{note}");
    let more = told("debug", false);
    assert!(more.starts_with("debug: windows every ") && more.ends_with(&note), "{more}");
    let journal = told("debug", true);
    assert!(journal.starts_with("<7>windows every ") && journal.contains("\n<5>"), "{journal}");
}
