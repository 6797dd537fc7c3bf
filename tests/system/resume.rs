//! Interrupted training.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use system_tests::program::{command, run};
use system_tests::sounds;

use crate::trained::fit;

fn exported(run_folder: &Path) -> Vec<u8> {
    let out = run_folder.with_extension("model");
    let _ = run("trainer", "export {} --out {}", &[run_folder, &out]).success();
    std::fs::read(out.join("model.onnx")).unwrap()
}

#[test]
fn a_training_goes_on_when_nobody_reads_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("run"));
    sounds::data_set(&data, 12);
    let arguments = "fit --data {} --out {} --preset nano --epochs 1 --batch 16 --device cpu";
    let mut fit = command("trainer", arguments, &[&data, &out]);
    let mut fit = fit.stderr(Stdio::piped()).spawn().unwrap();
    drop(fit.stderr.take());
    assert!(fit.wait().unwrap().success());
    assert!(out.join("metrics.jsonl").exists());
}

#[test]
fn a_resumed_run_gives_the_same_weights_as_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    sounds::data_set(&data, 12);
    for (recipe, epochs) in [("modern", 3), ("paper", 3)] {
        let whole = folder.path().join(format!("{recipe}-whole"));
        let parts = folder.path().join(format!("{recipe}-parts"));
        let options = format!("--recipe {recipe} --epochs {epochs}");
        fit(&data, &whole, &format!("{options} --threads 1"));
        // Stops within epochs 1 and 2, and once right at the start.
        fit(&data, &parts, &format!("{options} --max-steps 0"));
        for steps in [1, 3, 100] {
            let arguments = format!("fit --resume --out {{}} --max-steps {steps}");
            let _ = run("trainer", &arguments, &[&parts]).success();
        }
        assert!(exported(&whole) == exported(&parts), "{recipe}: the models differ");
        let lines = |run: &Path| std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        assert_eq!(lines(&parts).lines().count(), lines(&whole).lines().count());
    }
}

#[test]
fn a_killed_run_goes_on_from_a_whole_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("run"));
    sounds::data_set(&data, 12);
    let config = folder.path().join("often.toml");
    std::fs::write(&config, "checkpoint_minutes = 1e-6\nepochs = 100\nbatch = 8\npreset = 'nano'")
        .unwrap();
    let start = "fit --data {} --out {} --config {} --device cpu";
    for kill in 0..6 {
        let mut command = match out.join("config.toml").exists() {
            false => command("trainer", start, &[&data, &out, &config]),
            true => command("trainer", "fit --resume --out {}", &[&out]),
        };
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(400 + 130 * kill));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let _ = run("trainer", "fit --resume --out {} --max-steps 1", &[&out]).success();
    let leftovers = std::fs::read_dir(&out).unwrap().count();
    assert!(leftovers <= 5 + 6, "at most one temporary file a kill stays behind");
}

#[test]
fn a_run_is_not_overwritten_and_not_resumed_with_other_settings() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("run"));
    sounds::data_set(&data, 12);
    fit(&data, &out, "--epochs 1");
    run("trainer", "fit --data {} --out {}", &[&data, &out]).fails_with(&["--resume"]);
    run("trainer", "fit --resume --out {} --epochs 2", &[&out]).fails_with(&["--epochs"]);
    std::fs::remove_file(data.join("rise/003.wav")).unwrap();
    run("trainer", "fit --resume --quiet --out {}", &[&out]).fails_with(&["data set", "differs"]);
}
