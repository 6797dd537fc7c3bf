//! A program that runs while its test does something.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::common::s16le;

/// Longest time that anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running `stream` that reads a pipe.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    /// Lines of standard output and of standard error.
    pub(crate) results: Receiver<String>,
    pub(crate) notes: Receiver<String>,
}

fn lines(reader: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        BufReader::new(reader).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
    });
    receiver
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        command.args(["--raw", "s16le:16000:1", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let results = lines(child.stdout.take().unwrap());
        let notes = lines(child.stderr.take().unwrap());
        Self { stdin: child.stdin.take(), child, results, notes }
    }

    pub(crate) fn hear(&mut self, samples: &[f32]) {
        self.stdin.as_mut().unwrap().write_all(&s16le(samples)).unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

/// Waits until a process has ended, but not for ever.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
