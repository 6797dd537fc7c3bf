//! A command that runs at each detection.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use models::stream::{Event, to_f32};

use super::{Sink, Style};
use tracing::warn;

/// Commands that may wait for the one that runs.
const WAITING: usize = 16;
/// How often a command that runs is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// A program, not a line for a shell.
    pub path: PathBuf,
    /// Its arguments. `{label}`, `{confidence}`, `{start}`, `{end}` (seconds of the stream) and `{time}` (seconds
    /// since 1970) stand for those of the detection; the environment has them as `AURICLE_LABEL` and so on.
    pub args: Vec<String>,
    /// How long it may run.
    pub timeout: Duration,
}

/// Runs the program at each detection, one at a time, on a thread of its own: the stream does not wait.
#[derive(Debug)]
pub struct CommandSink {
    style: Style,
    queue: Option<SyncSender<Vec<(&'static str, String)>>>,
    thread: Option<JoinHandle<()>>,
}

impl CommandSink {
    /// # Errors
    /// There is no such program, it may not be run, or there is no thread for it.
    pub fn new(program: Program, style: Style) -> io::Result<Self> {
        look_for(&program.path)?;
        let (queue, waiting) = sync_channel(WAITING);
        let thread = thread::Builder::new().name("command".to_owned());
        let thread = thread.spawn(move || work(&program, &waiting))?;
        Ok(Self { style, queue: Some(queue), thread: Some(thread) })
    }
}

/// Whether there is such a program: now, not at the first detection.
fn look_for(path: &Path) -> io::Result<()> {
    if path.components().count() > 1 {
        return is_program(path);
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&folders).any(|folder| is_program(&folder.join(path)).is_ok()) {
        true => Ok(()),
        false => Err(io::Error::other("no folder of PATH holds it; name it with its folder")),
    }
}

fn is_program(path: &Path) -> io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 == 0 {
        return Err(io::Error::other("nobody may run it; `chmod +x` allows that"));
    }
    Ok(())
}

impl Sink for CommandSink {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let values = vec![
            ("label", self.style.label(event.class).to_owned()),
            ("confidence", format!("{:.3}", to_f32(event.confidence))),
            ("start", format!("{:.3}", self.style.seconds(event.start))),
            ("end", format!("{:.3}", self.style.seconds(event.end))),
            ("time", format!("{:.3}", now.as_secs_f64())),
        ];
        if let Some(Err(TrySendError::Full(_))) =
            self.queue.as_ref().map(|queue| queue.try_send(values))
        {
            warn!("the command of a detection is left out: {WAITING} others wait already");
        }
        Ok(())
    }

    /// Waits for the commands under way; each has its time limit.
    fn finish(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(program: &Program, waiting: &Receiver<Vec<(&'static str, String)>>) {
    while let Ok(values) = waiting.recv() {
        if let Err(problem) = run(program, &values) {
            warn!("{}: {problem}", program.path.display());
        }
    }
}

fn run(program: &Program, values: &[(&'static str, String)]) -> Result<(), String> {
    let fill = |arg: &String| {
        let filled = values
            .iter()
            .fold(arg.clone(), |arg, (name, value)| arg.replace(&format!("{{{name}}}"), value));
        OsString::from(filled)
    };
    let environment =
        values.iter().map(|(name, value)| (format!("AURICLE_{}", name.to_uppercase()), value));
    let child = Command::new(&program.path)
        .args(program.args.iter().map(fill))
        .envs(environment)
        .stdin(Stdio::null())
        // Standard output is for detections.
        .stdout(Stdio::null())
        .spawn();
    let mut child = child.map_err(|error| format!("cannot be run: {error}"))?;
    wait(&mut child, program.timeout)
}

fn wait(child: &mut Child, timeout: Duration) -> Result<(), String> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("failed with {status}")),
            Err(error) => return Err(format!("cannot be waited for: {error}")),
            Ok(None) if start.elapsed() < timeout => thread::sleep(LOOK),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("was stopped after {} s", timeout.as_secs_f64()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{feed, style};
    use super::*;

    fn shell(script: &str, args: &[&str], timeout: Duration) -> Program {
        let args = ["-c", script, "sh"].into_iter().chain(args.iter().copied());
        let args = args.map(str::to_owned);
        Program { path: "/bin/sh".into(), args: args.collect(), timeout }
    }

    #[test]
    fn a_detection_is_told_by_arguments_and_environment() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let script = "echo \"$1 $2 $AURICLE_LABEL $AURICLE_END\" >>$3; echo noise";
        let args = ["{label} at {start}", "{confidence}", out.to_str().unwrap()];
        let program = shell(script, &args, Duration::from_secs(60));
        let mut sink = CommandSink::new(program, style(false)).unwrap();
        feed(&mut sink);
        feed(&mut sink);
        sink.finish();
        let line = "st\"op at 0.500 0.500 st\"op 1.500\n";
        assert_eq!(std::fs::read_to_string(out).unwrap(), line.repeat(2));
    }

    #[test]
    fn a_command_that_hangs_is_stopped() {
        let program = Program {
            path: "/bin/sleep".into(),
            args: vec!["600".into()],
            timeout: Duration::from_millis(50),
        };
        assert_eq!(run(&program, &[]).unwrap_err(), "was stopped after 0.05 s");
        let fails = shell("exit 3", &[], Duration::from_secs(60));
        assert_eq!(run(&fails, &[]).unwrap_err(), "failed with exit status: 3");
    }

    #[test]
    fn a_program_that_is_not_there_is_told_at_once() {
        let program = Program { path: "no/such".into(), args: Vec::new(), timeout: Duration::ZERO };
        assert!(CommandSink::new(program, style(false)).is_err());
    }
}
