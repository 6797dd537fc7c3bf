//! Bad input gets one clear line and exit status 1.

use std::path::Path;

use system_tests::program::{Outcome, command, run, run_with_input};
use system_tests::sounds;

use crate::trained::trained;

fn fit(data: &Path, out: &Path, more: &str) -> Outcome {
    let arguments =
        format!("fit --data {{}} --out {{}} --preset nano --quiet --max-steps 1 {more}");
    run("trainer", &arguments, &[data, out])
}

#[test]
fn data_sets_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("run"));
    fit(&data, &out, "")
        .fails_with(&["data: no such folder; give the folder", "trainer data fetch"]);
    std::fs::create_dir(&data).unwrap();
    fit(&data, &out, "").fails_with(&["data"]);
    sounds::write(&data.join("rise/1.wav"), &sounds::word("rise", 1));
    fit(&data, &out, "").fails_with(&["class"]);
    sounds::write(&data.join("fall/1.wav"), &sounds::word("fall", 1));
    fit(&data, &out, "").fails_with(&["fall", "1"]);
    assert!(!out.exists(), "nothing is written for a data set that cannot be used");
    run("trainer", "fit --out {}", &[&out]).fails_with(&["--data"]);
}

#[test]
fn broken_recordings_are_left_out_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("run"));
    sounds::data_set(&data, 12);
    let whole = std::fs::read(data.join("rise/000.wav")).unwrap();
    std::fs::write(data.join("rise/cut.wav"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(data.join("rise/text.wav"), "this is text").unwrap();
    std::fs::write(data.join("fall/empty.wav"), "").unwrap();
    sounds::write(&data.join("fall/nothing.wav"), &[]);
    sounds::write_as(&data.join("buzz/other.wav"), &sounds::word("buzz", 4), 44_100, 2);
    let table = run("trainer", "data inspect {}", &[&data]).success();
    for name in ["rise/cut.wav", "rise/text.wav", "fall/empty.wav", "fall/nothing.wav"] {
        assert!(table.contains(name), "{name}: {table}");
    }
    assert!(!table.contains("buzz/other.wav"), "another rate is no fault: {table}");
    assert_eq!(fit(&data, &out, "").status, Some(0));
    let strict = folder.path().join("strict");
    fit(&data, &strict, "--strict").fails_with(&["fall/empty.wav"]);
}

#[test]
fn configurations_with_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let (config, out) = (folder.path().join("fit.toml"), folder.path().join("run"));
    let fit = |text: &str| {
        std::fs::write(&config, text).unwrap();
        run("trainer", "fit --config {} --out {}", &[&config, &out])
    };
    fit("learning_rte = 0.1").fails_with(&["learning_rte", "learning_rate", "fit.toml"]);
    fit("epochs = ").fails_with(&["fit.toml", "line 1"]);
    fit("epochs = 'x'").fails_with(&["epochs"]);
    let missing = folder.path().join("missing.toml");
    let missing = run("trainer", "fit --config {} --out {}", &[&missing, &out]);
    missing.fails_with(&["missing.toml", "check the path"]);
    let data = trained().data();
    run("trainer", "fit --preset smal --data {} --out {}", &[&data, &out]).fails_with(&["small"]);
    std::fs::write(&config, "preset = 'nano'\naugment.mask_bands = 0.1").unwrap();
    run("trainer", "fit --config {} --data {} --out {}", &[&config, &data, &out]).fails_with(&[
        "augment.stretch_percent, mask_bands, mask_frames",
        "`nano`",
        "melcnn-speech",
    ]);
    std::fs::write(&config, "preset = 'nano'\naugment.cut = 0.1\nsilence = false").unwrap();
    run("trainer", "fit --config {} --data {} --out {}", &[&config, &data, &out])
        .fails_with(&["augment.cut", "_unknown_ or _silence_"]);
    assert!(!out.exists(), "nothing is written");
}

#[test]
fn folders_that_cannot_be_written() {
    let data = trained().data();
    let file = trained().model();
    // A folder below a file cannot be made, not even by root.
    let below = file.join("run");
    fit(&data, &below, "").fails_with(&["model.onnx"]);
    run("trainer", "export {} --out {}", &[&trained().run(), &below]).fails_with(&["model.onnx"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, model) = (folder.path().join("a.wav"), trained().model());
    sounds::write(&sound, &sounds::stream(&["rise"]).0);
    for (program, arguments, paths) in [
        ("trainer", "describe nano", vec![]),
        ("runtime", "stream --model {} {}", vec![model.as_path(), sound.as_path()]),
        ("runtime", "classify --model {} {}", vec![model.as_path(), sound.as_path()]),
    ] {
        // A disk without room.
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command(program, arguments, &paths).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let outcome = Outcome { status: output.status.code(), stdout: String::new(), stderr };
        outcome.fails_with(&["No space left", "free some space"]);
    }
}

#[test]
fn figures_that_cannot_be_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let (plot, model) = (folder.path().join("a.png"), trained().model());
    for more in ["", "--stream"] {
        let arguments = format!("evaluate {{}} --plot {{}} {more}");
        run("trainer", &arguments, &[&model, &plot]).fails_with(&["a.png", ".svg"]);
    }
    assert!(!plot.exists());
}

#[test]
fn runs_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    run("trainer", "export {} --out {}", &[out, out]).fails_with(&["no training run"]);
    run("trainer", "evaluate {}", &[out]).fails_with(&["no training run"]);
    run("trainer", "fit --resume --out {}", &[out]).fails_with(&["no training run"]);
    let run_folder = folder.path().join("run");
    std::fs::create_dir(&run_folder).unwrap();
    for file in ["config.toml", "model.json"] {
        std::fs::copy(trained().run().join(file), run_folder.join(file)).unwrap();
    }
    run("trainer", "evaluate {}", &[&run_folder]).fails_with(&["no checkpoint"]);
    let whole = std::fs::read(trained().run().join("best.ckpt")).unwrap();
    for (bytes, what) in [(&whole[..1000], "damaged"), (b"hello", "damaged"), (&[], "damaged")] {
        std::fs::write(run_folder.join("best.ckpt"), bytes).unwrap();
        run("trainer", "evaluate {}", &[&run_folder]).fails_with(&["best.ckpt", what]);
    }
}

#[test]
fn a_gpu_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    fit(&trained().data(), &out, "--device gpu").fails_with(&["GPU"]);
}

#[test]
fn models_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let (model, sound) = (folder.path().join("model.onnx"), folder.path().join("a.wav"));
    sounds::write(&sound, &sounds::word("rise", 3));
    let stream = || run("runtime", "stream --model {} {}", &[&model, &sound]);
    stream().fails_with(&["model.onnx"]);
    std::fs::write(&model, "this is text").unwrap();
    stream().fails_with(&["model.onnx", "not a model"]);
    let whole = std::fs::read(trained().model()).unwrap();
    std::fs::write(&model, &whole[..whole.len() / 2]).unwrap();
    stream().fails_with(&["model.onnx"]);
    // The properties come last in the file: a wrong window contradicts the weights.
    let text = String::from_utf8_lossy(&whole);
    assert!(text.contains("auricle.window"));
    let wrong = replace(&whole, b"auricle.labels", b"auricle.lab_ls");
    std::fs::write(&model, wrong).unwrap();
    stream().fails_with(&["auricle.labels"]);
    let none = replace(&whole, b"auricle.", b"earache.");
    std::fs::write(&model, none).unwrap();
    stream().fails_with(&["metadata", "trainer export"]);
    let classes = replace(&whole, b"\"classes\":4", b"\"classes\":5");
    std::fs::write(&model, classes).unwrap();
    stream().fails_with(&["model.onnx", "classes"]);
    let window = replace(
        &replace(&whole, b"\"window\":16000", b"\"window\":16001"),
        b"\x0516000",
        b"\x0516001",
    );
    std::fs::write(&model, window).unwrap();
    stream().fails_with(&["model.onnx", "16001"]);
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> =
        (0..=bytes.len() - from.len()).filter(|i| bytes[*i..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn recordings_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let model = trained().model();
    let path = |name: &str| folder.path().join(name);
    let stream = |file: &Path| run("runtime", "stream --model {} {}", &[&model, file]);
    stream(&path("missing.wav")).fails_with(&["missing.wav"]);
    stream(folder.path()).fails_with(&["folder"]);
    std::fs::write(path("text.wav"), "this is text").unwrap();
    stream(&path("text.wav")).fails_with(&["text.wav"]);
    sounds::write(&path("empty.wav"), &[]);
    stream(&path("empty.wav")).fails_with(&["empty.wav"]);
    sounds::write(&path("whole.wav"), &sounds::word("rise", 3));
    let whole = std::fs::read(path("whole.wav")).unwrap();
    std::fs::write(path("cut.wav"), &whole[..whole.len() / 2]).unwrap();
    stream(&path("cut.wav")).fails_with(&["cut.wav"]);
}

#[test]
fn a_pipe_that_ends_in_mid_frame_still_gives_its_events() {
    let (samples, _) = sounds::stream(&["rise"]);
    let mut bytes: Vec<u8> =
        samples.iter().flat_map(|s| ((s * 32767.0) as i16).to_le_bytes()).collect();
    bytes.pop();
    let arguments = "stream --model {} - --raw s16le:16000:1";
    let outcome = run_with_input("runtime", arguments, &[&trained().model()], &bytes);
    outcome.fails_with(&["frame"]);
    assert!(outcome.stdout.contains("rise"), "{outcome:?}");
}

#[test]
fn microphones_that_are_none() {
    let outcome = run("runtime", "listen --device no-such-thing --model {}", &[&trained().model()]);
    outcome.fails_with(&[]);
}
