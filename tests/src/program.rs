//! Running the binaries.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a program did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A binary of this build.
///
/// # Panics
/// If the workspace has not been built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is not built; run `scripts/test`", path.display());
    path
}

/// Runs a binary of this build with arguments separated by spaces; `{}` are replaced by `paths` in
/// order.
#[must_use]
pub fn run(name: &str, arguments: &str, paths: &[&Path]) -> Outcome {
    run_with_input(name, arguments, paths, &[])
}

/// As [`run`], with `input` on standard input.
///
/// # Panics
/// If the program cannot be started.
#[must_use]
pub fn run_with_input(name: &str, arguments: &str, paths: &[&Path], input: &[u8]) -> Outcome {
    let mut child = command(name, arguments, paths)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that refuses its arguments closes the pipe early.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer does not panic");
    Outcome {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The command that [`run`] runs.
///
/// # Panics
/// If there are not as many `{}` as paths.
#[must_use]
pub fn command(name: &str, arguments: &str, paths: &[&Path]) -> Command {
    let mut command = Command::new(binary(name));
    let mut paths = paths.iter();
    for argument in arguments.split_whitespace() {
        match argument {
            "{}" => command.arg(paths.next().expect("a path for each {}")),
            _ => command.arg(argument),
        };
    }
    assert!(paths.next().is_none(), "a {{}} for each path");
    command
}

impl Outcome {
    /// Expects success and returns standard output.
    ///
    /// # Panics
    /// If the program failed.
    #[must_use]
    pub fn success(self) -> String {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// Expects exit status 1 and exactly one line on standard error, which contains all of `parts`.
    ///
    /// # Panics
    /// If anything else happened.
    pub fn fails_with(&self, parts: &[&str]) {
        assert_eq!(self.status, Some(1), "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "one line expected: {self:?}");
        assert!(lines[0].starts_with("error: "), "{self:?}");
        for part in parts {
            assert!(lines[0].contains(part), "`{part}` expected in: {}", lines[0]);
        }
    }
}
