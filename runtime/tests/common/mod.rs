//! What the tests of the program share: a model, sound and a way to run it.

pub(crate) mod model;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use prost::Message;
use tempfile::TempDir;

use model::{tiny_meta, tiny_proto, tone};

/// A folder with the tiny model and a recording.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) model: PathBuf,
    pub(crate) recording: PathBuf,
}

impl Bench {
    /// Writes `model.onnx` and `sound.wav`, which holds [`sound`].
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model.onnx");
        std::fs::write(&model, tiny_proto(&tiny_meta()).encode_to_vec()).unwrap();
        let recording = folder.path().join("sound.wav");
        audio::write_wav_i16(&recording, &sound(), 16_000).unwrap();
        Self { folder, model, recording }
    }

    /// The program with a command and the model.
    pub(crate) fn command(&self, command: &str) -> Command {
        let mut program = program();
        program.arg(command).arg("--model").arg(&self.model);
        program
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Silence, a low tone, silence, a high tone, silence: 3 seconds at 16 kHz.
pub(crate) fn sound() -> Vec<f32> {
    let silence = vec![0.0; 9_600];
    [&silence, &tone(200.0, 9_600)[..], &silence, &tone(5000.0, 9_600), &silence].concat()
}

/// The program itself.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_runtime"))
}

/// Runs a command to its end with `input` on standard input.
pub(crate) fn pipe(command: &mut Command, input: &[u8]) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that stops early closes its end.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// Standard output of a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The one line of error of a command that must fail with status 1 without any results.
pub(crate) fn fail(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    error_line(&output)
}

/// The one line of error of a failed command.
pub(crate) fn error_line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().strip_prefix("error: ").expect("the line starts with `error: `").to_owned()
}

/// Samples as the bytes of `s16le`.
pub(crate) fn s16le(samples: &[f32]) -> Vec<u8> {
    let bytes = |sample: &f32| ((sample * 32_768.0).round() as i16).to_le_bytes();
    samples.iter().flat_map(bytes).collect()
}

/// The path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
