//! What the tests share: a folder with a model and a recording, and ways to run the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use models::q8::Parts;
use serde_json::Value;
use tempfile::TempDir;

use crate::model::{Noise, parts};

/// Samples of the recording.
pub(crate) const SAMPLES: usize = 12_345;

/// A folder with a model and a recording.
pub(crate) struct Bench {
    folder: TempDir,
    pub(crate) model: PathBuf,
    pub(crate) recording: PathBuf,
}

impl Bench {
    /// Writes `model.q8` and `sound.wav`, which holds [`sound`].
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (model, recording) = (folder.path().join("model.q8"), folder.path().join("sound.wav"));
        std::fs::write(&model, parts().encode()).unwrap();
        write_wav(&recording, &sound(), 16_000, 1);
        Self { folder, model, recording }
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// Writes another model into the folder.
    pub(crate) fn write_model(&self, name: &str, change: impl FnOnce(&mut Parts)) -> PathBuf {
        let mut parts = parts();
        change(&mut parts);
        self.write(name, parts.encode())
    }

    /// `firmware-sim run` with model, recording and options.
    pub(crate) fn run(&self, options: &[&str]) -> Command {
        let mut command = program();
        command.arg("run").arg(&self.model).arg(&self.recording).args(options);
        command
    }

    /// The lines of JSON of such a run.
    pub(crate) fn json(&self, options: &[&str]) -> Vec<Value> {
        lines(&succeed(self.run(options).args(["--format", "json", "--posteriors"])))
    }
}

/// The recording: noise, tones and near silence in turn.
pub(crate) fn sound() -> Vec<i16> {
    let noise = Noise(5).samples(SAMPLES).into_iter().enumerate();
    let sound = noise.map(|(at, noise)| match at / 900 % 4 {
        0 => noise,
        1 => noise / 8 + if at / 40 % 2 == 0 { 12_000 } else { -12_000 },
        2 => noise / 64,
        _ => noise / 8 + if at / 3 % 2 == 0 { 9_000 } else { -9_000 },
    });
    sound.collect()
}

pub(crate) fn write_wav(path: &Path, samples: &[i16], sample_rate: u32, channels: u16) {
    let (bits_per_sample, sample_format) = (16, hound::SampleFormat::Int);
    let spec = hound::WavSpec { channels, sample_rate, bits_per_sample, sample_format };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        (0..channels).for_each(|_| writer.write_sample(*sample).unwrap());
    }
    writer.finalize().unwrap();
}

/// The program itself.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_firmware-sim"))
}

pub(crate) fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// Standard output of a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The one line of error of a command that must fail with status 1 without any results.
pub(crate) fn fail(command: &mut Command) -> String {
    let output = output(command);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().strip_prefix("error: ").expect("the line starts with `error: `").to_owned()
}

pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Lines of a kind: `gap` or `summary`.
pub(crate) fn of_kind<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

/// Lines of windows and events.
pub(crate) fn results(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["kind"].is_null()).collect()
}
