//! A program that nobody watches: signals, logs, commands, status, metrics.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use prost::Message;

use crate::common::model::{tiny_meta, tiny_proto};
use crate::common::{Bench, fail, pipe, program, s16le, sound, succeed, text};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running `stream` that reads a pipe.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Lines of standard output and of standard error.
    results: Receiver<String>,
    notes: Receiver<String>,
}

fn lines(reader: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        BufReader::new(reader).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
    });
    receiver
}

impl Running {
    fn start(command: &mut Command) -> Self {
        command.args(["--raw", "s16le:16000:1", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let results = lines(child.stdout.take().unwrap());
        let notes = lines(child.stderr.take().unwrap());
        Self { stdin: child.stdin.take(), child, results, notes }
    }

    fn hear(&mut self, samples: &[f32]) {
        self.stdin.as_mut().unwrap().write_all(&s16le(samples)).unwrap();
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

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
        assert!(running.child.wait().unwrap().success(), "{signal}");
    }
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
    command.args(["--status", text(&path), "--metrics-port", &port.to_string()]);
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
