//! A command that runs at each detection.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use models::stream::{Event, to_f32};

use super::{End, Sink, Style};
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
    /// How long it may run; then it is ended, with the programs that it has started.
    pub timeout: Duration,
}

/// What a command is told of a detection: names and values.
type Values = Vec<(&'static str, String)>;

/// Runs the program at each detection, one at a time, on a thread of its own: the stream does not wait.
#[derive(Debug)]
pub struct CommandSink {
    style: Style,
    queue: Option<SyncSender<Values>>,
    /// Whether commands that wait are left out.
    hurry: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl CommandSink {
    /// # Errors
    /// There is no such program, it may not be run, or there is no thread for it.
    pub fn new(program: Program, style: Style) -> io::Result<Self> {
        look_for(&program.path)?;
        let (queue, waiting) = sync_channel(WAITING);
        let hurry = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&hurry);
        let thread = thread::Builder::new().name("command".to_owned());
        let thread = thread.spawn(move || work(&program, &waiting, &theirs))?;
        Ok(Self { style, queue: Some(queue), hurry, thread: Some(thread) })
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

    /// Waits for the commands that are to run; each has its time limit. Where another sink takes over, they run on
    /// by themselves.
    fn finish(&mut self, end: End) {
        self.hurry.store(end == End::Stop, Ordering::Relaxed);
        self.queue = None;
        if let Some(thread) = self.thread.take().filter(|_| end != End::Replaced) {
            let _ = thread.join();
        }
    }
}

fn work(program: &Program, waiting: &Receiver<Values>, hurry: &AtomicBool) {
    while let Ok(values) = waiting.recv() {
        if hurry.load(Ordering::Relaxed) {
            let count = 1 + waiting.iter().count();
            warn!("the program ends: {count} commands of detections, which waited, are left out");
            return;
        }
        if let Err(problem) = run(program, &values) {
            warn!("{}: {problem}", program.path.display());
        }
    }
}

fn run(program: &Program, values: &[(&'static str, String)]) -> Result<(), String> {
    let mut child = start(program, values).map_err(|error| format!("cannot be run: {error}"))?;
    wait(&mut child, program.timeout)
}

fn start(program: &Program, values: &[(&'static str, String)]) -> io::Result<Child> {
    let fill = |arg: &String| {
        let filled = values
            .iter()
            .fold(arg.clone(), |arg, (name, value)| arg.replace(&format!("{{{name}}}"), value));
        OsString::from(filled)
    };
    let environment =
        values.iter().map(|(name, value)| (format!("AURICLE_{}", name.to_uppercase()), value));
    let mut command = Command::new(&program.path);
    command.args(program.args.iter().map(fill)).envs(environment).stdin(Stdio::null());
    // Standard output is for detections.
    command.stdout(Stdio::null());
    spawn(&mut command)
}

/// Starts a command as the leader of a group of its own. It can be asked to end, although this program takes such
/// signals on one thread and so blocks them on all: a child inherits that from the thread that starts it.
#[cfg(unix)]
fn spawn(command: &mut Command) -> io::Result<Child> {
    use nix::sys::signal::{SigmaskHow, Signal};
    use std::os::unix::process::CommandExt as _;

    let asked_to_end = Signal::SIGINT | Signal::SIGTERM;
    let before = asked_to_end.thread_swap_mask(SigmaskHow::SIG_UNBLOCK)?;
    let child = command.process_group(0).spawn();
    before.thread_set_mask()?;
    child
}

#[cfg(not(unix))]
fn spawn(command: &mut Command) -> io::Result<Child> {
    command.spawn()
}

/// Ends a command with all that it has started.
fn end(child: &mut Child) {
    #[cfg(unix)]
    {
        use nix::sys::signal::{Signal, killpg};

        let group = nix::unistd::Pid::from_raw(child.id() as i32);
        let _ = killpg(group, Signal::SIGKILL);
    }
    let _ = child.kill();
    let _ = child.wait();
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
                end(child);
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
        sink.finish(End::Stream);
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

    /// Waits until there is a file with a line in it.
    fn wait_for(path: &Path) {
        let start = Instant::now();
        while !std::fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n')) {
            assert!(start.elapsed() < Duration::from_secs(60), "no {}", path.display());
            thread::sleep(LOOK);
        }
    }

    #[test]
    fn whoever_takes_over_does_not_wait_for_commands() {
        let folder = tempfile::tempdir().unwrap();
        let [go, out] = ["go", "out"].map(|name| folder.path().join(name));
        let script = "while [ ! -e $1 ]; do sleep 0.01; done; echo done >$2";
        let args = [go.to_str().unwrap(), out.to_str().unwrap()];
        let program = shell(script, &args, Duration::from_secs(60));
        let mut sink = CommandSink::new(program, style(false)).unwrap();
        feed(&mut sink);
        sink.finish(End::Replaced);
        drop(sink);
        assert!(!out.exists());
        std::fs::write(go, "").unwrap();
        wait_for(&out);
    }

    #[test]
    fn commands_that_wait_are_left_out_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let program = shell("echo >$1", &[out.to_str().unwrap()], Duration::from_secs(60));
        let (queue, waiting) = sync_channel(WAITING);
        (0..3).for_each(|_| queue.send(Vec::new()).unwrap());
        drop(queue);
        work(&program, &waiting, &AtomicBool::new(true));
        assert!(!out.exists() && waiting.recv().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn what_a_command_has_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let [begun, go, late] = ["begun", "go", "late"].map(|name| folder.path().join(name));
        let script = "(echo >$1; while [ ! -e $2 ]; do sleep 0.01; done; echo >$3) & sleep 600";
        let args = [&begun, &go, &late].map(|path| path.to_str().unwrap());
        let mut child = start(&shell(script, &args, Duration::ZERO), &[]).unwrap();
        wait_for(&begun);
        assert_eq!(wait(&mut child, Duration::ZERO).unwrap_err(), "was stopped after 0 s");
        std::fs::write(go, "").unwrap();
        thread::sleep(Duration::from_millis(100));
        assert!(!late.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_command_can_be_asked_to_end() {
        use nix::sys::signal::{SigSet, Signal};

        let blocked = Signal::SIGINT | Signal::SIGTERM;
        blocked.thread_block().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let script = "grep SigBlk /proc/self/status >$1";
        let program = shell(script, &[out.to_str().unwrap()], Duration::from_secs(60));
        run(&program, &[]).unwrap();
        let told = std::fs::read_to_string(out).unwrap();
        let mask = told.split_whitespace().nth(1).unwrap();
        let mask = u64::from_str_radix(mask, 16).unwrap();
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            assert_eq!((mask >> (signal as u32 - 1)) & 1, 0, "{told}");
            assert!(SigSet::thread_get_mask().unwrap().contains(signal), "only for the command");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_told_at_once() {
        let program = Program { path: "no/such".into(), args: Vec::new(), timeout: Duration::ZERO };
        assert!(CommandSink::new(program, style(false)).is_err());
    }
}
