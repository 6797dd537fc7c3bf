//! Microphones: a device of the ALSA library that plays a recording stands in for a real one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{Bench, error_line, program, s16le, succeed, text};

/// Rate that the stand-in is asked for, because it offers any.
const RATE_HZ: u32 = 48_000;

/// Writes ALSA's configuration with one microphone, `recording`, which hears `samples`; after
/// their end ALSA repeats its last block. It delivers as fast as it is read.
fn configuration(bench: &Bench, samples: &[f32]) -> PathBuf {
    let raw = bench.path("microphone.raw");
    std::fs::write(&raw, s16le(samples)).unwrap();
    let path = bench.path("asound.conf");
    let configuration = format!(
        "pcm.silence {{ type null }}\n\
         pcm.recording {{\n\
             type file slave.pcm silence file /dev/null infile \"{}\" format raw\n\
             hint {{ show on description \"A recording\" }}\n\
         }}\n",
        text(&raw)
    );
    std::fs::write(&path, configuration).unwrap();
    path
}

fn listen(bench: &Bench, configuration: &Path) -> Command {
    let mut command = bench.command("listen");
    command.env("ALSA_CONFIG_PATH", configuration).args(["--device", "recording"]);
    command
}

/// Three seconds with a low and a high tone at 48 kHz.
fn sound() -> Vec<f32> {
    let tone = |frequency_hz: f32| {
        let step = std::f32::consts::TAU * frequency_hz / RATE_HZ as f32;
        (0..28_800).map(move |index| 0.5 * (step * index as f32).sin())
    };
    let silence = || std::iter::repeat_n(0.0, 28_800);
    silence().chain(tone(200.0)).chain(silence()).chain(tone(5000.0)).chain(silence()).collect()
}

#[test]
fn a_microphone_is_like_a_recording() {
    let bench = Bench::new();
    let samples = sound();
    audio::write_wav_i16(&bench.recording, &samples, RATE_HZ).unwrap();
    let flags = ["--format", "json", "--posteriors"];
    let expected = succeed(bench.command("stream").args(flags).arg(&bench.recording));
    assert_eq!(expected.matches("confidence").count(), 2);
    let configuration = configuration(&bench, &samples);
    let heard = succeed(listen(&bench, &configuration).args(flags).args(["--seconds", "3"]));
    assert_eq!(heard, expected);
}

#[test]
fn microphones_are_listed() {
    let bench = Bench::new();
    let configuration = configuration(&bench, &sound());
    let list = succeed(program().arg("devices").env("ALSA_CONFIG_PATH", &configuration));
    assert!(
        list.contains("recording\n    A recording\n    1 to 4294967295 Hz, 1 to 64 channels, i8"),
        "{list}"
    );
}

#[test]
fn the_doctor_listens_and_measures() {
    let bench = Bench::new();
    let doctor = |configuration: &Path, flags: &[&str]| {
        let mut command = bench.command("doctor");
        let command = command.env("ALSA_CONFIG_PATH", configuration).args(flags);
        let output = command.stdin(Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let path = configuration(&bench, &sound());
    let found = doctor(&path, &["--device", "recording", "--seconds", "2"]);
    assert!(found.contains("ok   'recording' offers 48000 Hz, 1 channel, i16\n"), "{found}");
    assert!(found.contains("ok   'recording' is heard: ["), "{found}");
    assert!(found.contains("the model takes "), "{found}");
    let found = doctor(&path, &["--device", "studio", "--seconds", "1"]);
    assert!(found.contains("--   'recording' offers "), "{found}");
    assert!(found.contains("BAD  no microphone called 'studio'; "), "{found}");
    let found = doctor(&path, &["--device", "recording", "--channel", "99"]);
    assert!(
        found.contains("BAD  microphone 'recording' cannot be used: it has no channel 99\n"),
        "{found}"
    );
    let path = configuration(&bench, &[0.0; 48_000]);
    let found = doctor(&path, &["--device", "recording", "--seconds", "1"]);
    assert!(
        found.contains("BAD  'recording' delivers nothing but silence\n     turn its"),
        "{found}"
    );
    let path = configuration(&bench, &[0.999_99; 48_000]);
    let found = doctor(&path, &["--device", "recording", "--seconds", "1"]);
    assert!(found.contains("BAD  'recording' "), "{found}");
}

#[test]
fn the_doctor_says_in_a_line_of_error_what_is_wrong() {
    let bench = Bench::new();
    let path = bench.path("asound.conf");
    std::fs::write(&path, "pcm.silence { type null }\n").unwrap();
    let mut command = bench.command("doctor");
    let output = command.env("ALSA_CONFIG_PATH", &path).output().unwrap();
    let error = error_line(&output);
    assert!(error.contains(" checks failed: "), "{error}");
    assert!(error.contains("the sound system knows no microphone; "), "{error}");
    assert!(error.ends_with("below each line that begins with BAD"), "{error}");
    let told = String::from_utf8(output.stdout).unwrap();
    let count = told.lines().filter(|line| line.starts_with("BAD  ")).count();
    assert!(error.starts_with(&format!("{count} of ")), "{error}\n{told}");
}

#[test]
fn a_dead_microphone_is_told() {
    let bench = Bench::new();
    let configuration = configuration(&bench, &[0.0; 48_000]);
    let mut command = listen(&bench, &configuration);
    let output = command.args(["--seconds", "12"]).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert_eq!(
        told.matches("warning: the microphone has delivered nothing but silence").count(),
        1
    );
}

#[test]
fn a_single_channel_can_be_heard() {
    let bench = Bench::new();
    let configuration = configuration(&bench, &sound());
    let expected = succeed(listen(&bench, &configuration).args(["--seconds", "3"]));
    assert_eq!(expected.lines().count(), 2);
    let flags = ["--channel", "1", "--seconds", "3"];
    assert_eq!(succeed(listen(&bench, &configuration).args(flags)), expected);
}

#[test]
fn an_unknown_microphone_is_answered_with_the_known_ones() {
    let bench = Bench::new();
    let configuration = configuration(&bench, &sound());
    let mut command = bench.command("listen");
    command.env("ALSA_CONFIG_PATH", &configuration).args(["--device", "studio"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let error = error_line(&output);
    assert_eq!(error, "no microphone called 'studio'; there is: recording");
}

#[test]
fn a_computer_without_microphones_says_so() {
    let bench = Bench::new();
    let configuration = bench.path("asound.conf");
    std::fs::write(&configuration, "pcm.silence { type null }\n").unwrap();
    let listen = |flags: &[&str]| {
        let mut command = bench.command("listen");
        let command = command.env("ALSA_CONFIG_PATH", &configuration).args(flags);
        error_line(&command.stdin(Stdio::null()).output().unwrap())
    };
    let expected = "no microphone found (there is no sound device); plug one in, or classify a recording with `runtime stream`";
    assert_eq!(listen(&[]), expected);
    let expected = "no microphone called 'studio'; this computer has none";
    assert_eq!(listen(&["--device", "studio"]), expected);
    let list = program().arg("devices").env("ALSA_CONFIG_PATH", &configuration).output().unwrap();
    assert!(list.status.success() && list.stdout.is_empty());
    assert_eq!(String::from_utf8_lossy(&list.stderr), "note: this computer has no microphones\n");
}

#[test]
fn no_time_to_listen_is_refused() {
    let bench = Bench::new();
    for seconds in ["0", "-1", "nan"] {
        let mut command = bench.command("listen");
        let output = command.arg(format!("--seconds={seconds}")).output().unwrap();
        assert_eq!(error_line(&output), "--seconds must be more than 0");
    }
}
