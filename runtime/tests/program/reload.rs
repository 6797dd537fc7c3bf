//! A configuration that is read again while the stream goes on.

use std::path::Path;
use std::time::Duration;

use prost::Message;

use crate::common::model::{tiny_meta, tiny_proto};
use crate::common::{Bench, program, sound, succeed, text};
use crate::running::{PATIENCE, Running, wait};

/// What is told once a configuration has been taken.
const TAKEN: &str = "note: the configuration and the model have been read again";

/// A stream with this configuration.
fn start(path: &Path, content: &str) -> Running {
    std::fs::write(path, content).unwrap();
    Running::start(program().args(["stream", "--config", text(path)]))
}

/// Has the configuration read again and waits until it is.
fn reload(running: &Running) {
    running.signal("-HUP");
    assert_eq!(running.notes.recv_timeout(PATIENCE).unwrap(), TAKEN);
}

#[test]
fn a_new_configuration_is_taken_without_losing_the_stream() {
    let bench = Bench::new();
    let config = bench.path("runtime.toml");
    let write = |content: &str| std::fs::write(&config, content).unwrap();
    write("model = 'model.onnx'\nthreshold = 1.0");
    let mut running = Running::start(program().args(["stream", "--config", text(&config)]));
    running.hear(&sound()[..17_000]);
    std::thread::sleep(Duration::from_millis(500));
    // A model that is none, and a setting that is none: the old ones stay.
    for (content, problem) in [
        ("model = 'runtime.toml'", "runtime.toml: not a model; export one with `trainer export`"),
        ("modle = 'model.onnx'", "unknown key `modle`; did you mean `model`?"),
    ] {
        write(content);
        running.signal("-HUP");
        let told = running.notes.recv_timeout(PATIENCE).unwrap();
        assert!(told.starts_with("warning: ") && told.contains(problem), "{told}");
        assert!(told.ends_with("; the old configuration stays"), "{told}");
    }
    write("model = 'other.onnx'");
    std::fs::write(bench.path("other.onnx"), tiny_proto(&tiny_meta()).encode_to_vec()).unwrap();
    running.signal("-HUP");
    let told = running.notes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(told, "note: the configuration and the model have been read again");
    running.hear(&sound()[17_000..]);
    drop(running.stdin.take());
    assert!(running.child.wait().unwrap().success());
    let found: Vec<String> = running.results.iter().collect();
    // The word that was under way is heard by the new model, at its time.
    let expected = succeed(bench.command("stream").arg(&bench.recording));
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(found.len(), expected.len());
    // Its windows begin where it began, so at most a hop of 25 ms apart.
    let start = |line: &str| line.split_whitespace().next().unwrap().parse::<f64>().unwrap();
    assert!(found[0].contains("low") && found[1].contains("high"), "{found:?}");
    assert!((start(&found[1]) - start(expected[1])).abs() <= 0.05, "{found:?}");
}

#[test]
fn a_sound_is_not_told_twice_and_the_next_is_kept_whole() {
    let bench = Bench::new();
    let clips = bench.path("clips");
    let content = format!("model = 'model.onnx'\nsave_triggers = '{}'", text(&clips));
    let mut running = start(&bench.path("runtime.toml"), &content);
    running.hear(&sound()[..17_000]);
    assert!(running.results.recv_timeout(PATIENCE).unwrap().contains("low"));
    // The tone goes on.
    reload(&running);
    running.hear(&sound()[17_000..]);
    drop(running.stdin.take());
    assert!(wait(&mut running.child).success());
    let rest: Vec<String> = running.results.iter().collect();
    assert!(rest.len() == 1 && rest[0].contains("high"), "{rest:?}");
    let names = std::fs::read_dir(clips).unwrap().map(|entry| entry.unwrap().path());
    let high: Vec<_> = names.filter(|path| text(path).ends_with("-high-detected.wav")).collect();
    assert_eq!(high.len(), 1);
    // The window that decided, with half a second before and behind it.
    assert_eq!(audio::read_mono(&high[0], 16_000).unwrap().len(), 1024 + 16_000);
}

#[test]
fn a_command_under_way_does_not_hold_the_stream_up() {
    let bench = Bench::new();
    let (config, go) = (bench.path("runtime.toml"), bench.path("go"));
    // It ends with the folder at the latest.
    let wait_for_go = format!(
        "while [ -e {} ] && [ ! -e {} ]; do sleep 0.01; done",
        text(&bench.model),
        text(&go)
    );
    let content = format!(
        "model = 'model.onnx'\nrun = '/bin/sh'\nrun_arg = ['-c', '{wait_for_go}']\nrun_timeout = 600"
    );
    let mut running = start(&config, &content);
    running.hear(&sound()[..24_000]);
    assert!(running.results.recv_timeout(PATIENCE).unwrap().contains("low"));
    reload(&running);
    running.hear(&sound()[24_000..]);
    assert!(running.results.recv_timeout(PATIENCE).unwrap().contains("high"));
    std::fs::write(go, "").unwrap();
    drop(running.stdin.take());
    assert!(wait(&mut running.child).success());
}

#[test]
fn another_port_for_metrics_is_taken_after_a_restart() {
    let bench = Bench::new();
    let config = bench.path("runtime.toml");
    let mut running = start(&config, "model = 'model.onnx'\nmetrics_port = 0");
    running.hear(&sound()[..17_000]);
    assert!(running.results.recv_timeout(PATIENCE).unwrap().contains("low"));
    std::fs::write(&config, "model = 'model.onnx'\nmetrics_port = 1").unwrap();
    running.signal("-HUP");
    let told = running.notes.recv_timeout(PATIENCE).unwrap();
    assert!(told.starts_with("warning: metrics are served at another port, "), "{told}");
    assert_eq!(running.notes.recv_timeout(PATIENCE).unwrap(), TAKEN);
    drop(running.stdin.take());
    assert!(wait(&mut running.child).success());
}
