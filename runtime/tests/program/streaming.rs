//! The same sound gives the same results, however it comes.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Bench, pipe, s16le, sound, succeed};

/// All results of a stream, posteriors included.
fn stream(bench: &Bench) -> Command {
    let mut command = bench.command("stream");
    command.args(["--format", "json", "--posteriors"]);
    command
}

#[test]
fn a_pipe_is_like_a_file() {
    let bench = Bench::new();
    let expected = succeed(stream(&bench).arg(&bench.recording));
    assert!(expected.lines().count() > 100);
    let container = std::fs::read(&bench.recording).unwrap();
    let piped = pipe(stream(&bench).arg("-"), &container);
    assert_eq!(String::from_utf8_lossy(&piped.stdout), expected);
    let raw = pipe(stream(&bench).args(["--raw", "s16le:16000:1", "-"]), &s16le(&sound()));
    assert_eq!(String::from_utf8_lossy(&raw.stdout), expected);
    assert!(piped.status.success() && raw.status.success());
    let told = succeed(bench.command("classify").arg(&bench.recording));
    let piped = pipe(bench.command("classify").arg("-"), &container);
    let piped = String::from_utf8_lossy(&piped.stdout);
    assert_eq!(piped.strip_prefix("-: "), told.split_once("sound.wav: ").map(|(_, label)| label));
}

#[test]
fn a_pipe_that_trickles_is_like_a_file() {
    let bench = Bench::new();
    let expected = succeed(stream(&bench).arg(&bench.recording));
    let mut command = stream(&bench);
    command.args(["--raw", "s16le:16000:1", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let bytes = s16le(&sound());
        let mut rest = bytes.as_slice();
        for size in [1, 2, 3, 501, 4096, 7].into_iter().cycle() {
            let (now, later) = rest.split_at(rest.len().min(size));
            stdin.write_all(now).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
    });
    let mut found = String::new();
    child.stdout.take().unwrap().read_to_string(&mut found).unwrap();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(found, expected);
}

#[test]
fn detections_are_told_while_the_pipe_is_open() {
    let bench = Bench::new();
    let mut command = bench.command("stream");
    command.args(["--raw", "s16le:16000:1", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&s16le(&sound()[..19_200])).unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("low"), "{line}");
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn whoever_has_seen_enough_may_close_the_pipe() {
    let bench = Bench::new();
    let mut command = stream(&bench);
    command.args(["--raw", "s16le:16000:1", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // The program may stop at any point of this.
    let _ = stdin.write_all(&s16le(&sound()));
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn real_time_takes_its_time_and_changes_nothing() {
    let bench = Bench::new();
    audio::write_wav_i16(&bench.recording, &sound()[9_000..15_400], 16_000).unwrap();
    let expected = succeed(stream(&bench).arg(&bench.recording));
    let start = Instant::now();
    let found = succeed(stream(&bench).arg("--realtime").arg(&bench.recording));
    assert!(start.elapsed() >= Duration::from_millis(400));
    assert_eq!(found, expected);
}

#[test]
fn a_recording_may_be_silent_or_loud() {
    let bench = Bench::new();
    let sound = [vec![0.0; 200_000], vec![1.0; 20_000], vec![0.0; 200_000]].concat();
    audio::write_wav_i16(&bench.recording, &sound, 16_000).unwrap();
    let output = pipe(bench.command("stream").arg(&bench.recording), &[]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn a_recording_shorter_than_a_window_is_remarked_upon() {
    let bench = Bench::new();
    audio::write_wav_i16(&bench.recording, &[0.1; 160], 16_000).unwrap();
    let output = pipe(bench.command("stream").arg(&bench.recording), &[]);
    assert!(output.status.success() && output.stdout.is_empty());
    let note = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(note, "note: 0.01 s of sound is shorter than the model's window of 0.06 s\n");
}
