//! A program that nobody watches: signals, logs, commands, status, metrics.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{Bench, fail, pipe, program, s16le, sound, succeed, text};
use crate::running::{PATIENCE, Running, wait};

#[test]
fn a_request_to_stop_keeps_what_was_heard() {
    let bench = Bench::new();
    for signal in ["-TERM", "-INT", "-HUP"] {
        let mut running = Running::start(&mut bench.command("stream"));
        running.hear(&sound()[..19_200]);
        assert!(running.results.recv_timeout(PATIENCE).unwrap().contains("low"));
        running.hear(&sound()[19_200..24_000]);
        running.signal(signal);
        // The pipe is still open: nobody else ends it.
        assert!(wait(&mut running.child).success(), "{signal}");
    }
}

/// Waits until a process takes SIGTERM itself.
#[cfg(target_os = "linux")]
fn wait_for_signals(process: u32) {
    const TERM: u64 = 1 << 14;
    let start = std::time::Instant::now();
    let blocked = || -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:"))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    while blocked().is_none_or(|mask| mask & TERM == 0) {
        assert!(start.elapsed() < PATIENCE, "it does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_that_says_nothing_can_be_left() {
    let bench = Bench::new();
    let named = bench.path("named");
    assert!(Command::new("mkfifo").arg(&named).status().unwrap().success());
    for input in ["-", text(&named)] {
        let mut command = bench.command("stream");
        let mut child = command.arg(input).stdin(Stdio::piped()).spawn().unwrap();
        wait_for_signals(child.id());
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(wait(&mut child).success(), "{input}");
    }
}

#[test]
fn what_waits_in_memory_is_classified_before_the_end() {
    let bench = Bench::new();
    let mut command = bench.command("stream");
    command.args(["--format", "json", "--posteriors", "--hop", "5"]);
    command.args(["--raw", "s16le:16000:1", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Nobody reads the results, so after some seconds of sound the program waits with writing. It goes on reading.
    let silence = |seconds: f64| vec![0.0; (16_000.0 * seconds) as usize];
    let high = &sound()[28_800..38_400];
    let samples = [&silence(8.0)[..], high, &silence(4.4)[..]].concat();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&s16le(&samples)).unwrap();
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    std::thread::sleep(Duration::from_millis(300));
    let mut told = String::new();
    child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(wait(&mut child).success());
    assert!(
        told.contains("\"label\":\"high\""),
        "it hears the first {} lines",
        told.lines().count()
    );
    drop(stdin);
}

#[test]
fn detections_are_logged_and_told_to_a_command() {
    let bench = Bench::new();
    let (log, heard) = (bench.path("log.jsonl"), bench.path("heard"));
    let script = format!("echo \"$0 $AURICLE_LABEL\" >>{}", text(&heard));
    let mut command = bench.command("stream");
    command.args([
        "--log",
        text(&log),
        "--run",
        "/bin/sh",
        "--run-arg",
        "-c",
        "--run-arg",
        &script,
    ]);
    command.args(["--run-arg", "{label}", "--format", "json"]).arg(&bench.recording);
    let printed = succeed(&mut command);
    assert_eq!(std::fs::read_to_string(heard).unwrap(), "low low\nhigh high\n");
    let logged = std::fs::read_to_string(log).unwrap();
    let lines = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (printed, mut logged) = (lines(&printed), lines(&logged));
    for line in &mut logged {
        assert!(line.as_object_mut().unwrap().remove("time").unwrap().is_f64());
    }
    assert_eq!(logged, printed);
}

#[test]
fn a_full_disk_is_told_once_and_detections_go_on() {
    let bench = Bench::new();
    let mut command = bench.command("stream");
    let output = pipe(command.args(["--log", "/dev/full"]).arg(&bench.recording), &[]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.starts_with("warning: /dev/full: cannot be written: No space left"), "{told}");
    assert_eq!(told.lines().count(), 1);
}

#[test]
fn what_cannot_work_is_told_at_the_start() {
    let bench = Bench::new();
    let refuse = |flags: &[&str]| fail(bench.command("stream").args(flags).arg(&bench.recording));
    let error = refuse(&["--log", "/no/such/folder/log"]);
    assert!(error.starts_with("/no/such/folder/log: the log cannot be written: "), "{error}");
    assert!(error.ends_with("; check the path"), "{error}");
    let error = refuse(&["--run", "/no/such/program"]);
    assert!(error.starts_with("/no/such/program: cannot be run: "), "{error}");
    assert_eq!(refuse(&["--run", "/etc"]), "/etc: cannot be run: it is no file");
    let error = refuse(&["--run", text(&bench.recording)]);
    assert!(error.ends_with("cannot be run: nobody may run it; `chmod +x` allows that"), "{error}");
    let error = refuse(&["--run", "no-such-program-anywhere"]);
    assert!(error.starts_with("no-such-program-anywhere: cannot be run: no folder"), "{error}");
    let error = refuse(&["--status", "/no/such/folder/status"]);
    assert!(error.starts_with("/no/such/folder/status: the status cannot be written: "), "{error}");
    let error = fail(program().args(["status", "/no/such/file"]));
    assert!(error.starts_with("/no/such/file: no status: "), "{error}");
}

#[test]
fn a_running_program_can_be_asked_how_it_fares() {
    let bench = Bench::new();
    let path = bench.path("status.json");
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut command = bench.command("stream");
    command.args(["--status", text(&path), "--metrics-port", &port.to_string(), "--gate", "-60"]);
    let mut running = Running::start(&mut command);
    running.hear(&sound());
    running.results.recv_timeout(PATIENCE).unwrap();
    running.results.recv_timeout(PATIENCE).unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    let line = succeed(program().args(["status", text(&path)]));
    assert!(line.contains(" 2 detections, "), "{line}");
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\nauricle_detections_total 2\n"), "{answer}");
    // Of the silence before, between and behind the tones nothing is computed.
    let quiet = answer.lines().find_map(|line| line.strip_prefix("auricle_windows_quiet_total "));
    let quiet = quiet.unwrap().parse::<u64>().unwrap();
    assert!(quiet > 40 && line.contains(&format!(" {quiet} quiet, ")), "{quiet}: {line}");
    drop(running.stdin.take());
    assert!(running.child.wait().unwrap().success());
    // Long after its end it is none of a running program.
    let old = std::fs::read_to_string(&path).unwrap();
    let mut status: serde_json::Value = serde_json::from_str(&old).unwrap();
    status["updated"] = 0.into();
    std::fs::write(&path, status.to_string()).unwrap();
    let output = program().args(["status", text(&path)]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not run any more"));
}

#[cfg(target_os = "linux")]
#[test]
fn systemd_is_told() {
    let bench = Bench::new();
    let socket = bench.path("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    succeed(bench.command("stream").env("NOTIFY_SOCKET", &socket).arg(&bench.recording));
    let mut told = String::new();
    while !told.contains("STOPPING=1") {
        let mut message = [0; 4096];
        let len = manager.recv(&mut message).unwrap();
        told += &String::from_utf8_lossy(&message[..len]);
        told += "\n";
    }
    assert!(told.starts_with("READY=1\nWATCHDOG=1\nSTATUS=up 0 s, "), "{told}");
}
