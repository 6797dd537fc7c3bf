//! Cross-validation over the folds of a data set.

use std::path::{Path, PathBuf};

use system_tests::program::run;
use system_tests::sounds;

/// The kinds of scenes, in the order of their targets.
const KINDS: [&str; 2] = ["steady", "pulsed"];

/// Scenes of three seconds in the layout of ESC-50: two kinds of noise, in two folds. None begins or ends in digital
/// silence, which the trainer takes for padding.
fn scenes(folder: &Path) {
    let mut table = "filename,fold,target,category,esc10,src_file,take\n".to_owned();
    for fold in 1..=2u32 {
        for (target, category) in KINDS.iter().enumerate() {
            for clip in 0..16u32 {
                let seed = u64::from(1000 * fold + clip);
                let mut samples = sounds::noise(3.0, 0.3, seed);
                if target == 1 {
                    let pulse = |at: usize| (at / 400).is_multiple_of(2);
                    samples
                        .iter_mut()
                        .enumerate()
                        .filter(|(at, _)| pulse(*at))
                        .for_each(|(_, s)| *s = 0.0);
                }
                samples[0] = 0.2;
                *samples.last_mut().unwrap() = 0.2;
                let file = format!("{fold}-{seed}-A-{target}.wav");
                sounds::write(&folder.join("audio").join(&file), &samples);
                table += &format!("{file},{fold},{target},{category},True,{seed},A\n");
            }
        }
    }
    std::fs::create_dir_all(folder.join("meta")).unwrap();
    std::fs::write(folder.join("meta/esc50.csv"), table).unwrap();
}

/// The mean of −ln(posterior of the true kind) over the scenes of a fold, by the posteriors that `runtime classify` prints.
fn cross_entropy(model: &Path, data: &Path, fold: u32) -> f64 {
    let clips = (0..16).flat_map(|clip| [(0, clip), (1, clip)]);
    let file = |(target, clip): (usize, u32)| {
        (KINDS[target], data.join(format!("audio/{fold}-{}-A-{target}.wav", 1000 * fold + clip)))
    };
    let (kinds, files): (Vec<&str>, Vec<PathBuf>) = clips.map(file).unzip();
    let arguments =
        format!("classify --model {{}} --top 2 --format json {}", "{} ".repeat(files.len()));
    let mut paths = vec![model];
    paths.extend(files.iter().map(PathBuf::as_path));
    let printed = run("runtime", &arguments, &paths).success();
    let loss = |(kind, line): (&&str, &str)| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let mut top = line["top"].as_array().unwrap().iter();
        -top.find(|guess| guess["label"] == *kind).unwrap()["confidence"].as_f64().unwrap().ln()
    };
    assert_eq!(printed.lines().count(), kinds.len());
    kinds.iter().zip(printed.lines()).map(loss).sum::<f64>() / kinds.len() as f64
}

#[test]
fn commands_on_data_take_the_fold_to_test_on() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("scenes"), folder.path().join("out.wav"));
    scenes(&data);
    let split = |fold: u8| {
        let arguments = format!("data inspect {{}} --fold {fold} --format json");
        let report = run("trainer", &arguments, &[&data]).success();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        report["split_sha256"].clone()
    };
    assert_ne!(split(1), split(2));
    run("trainer", "data inspect {} --fold 3", &[&data]).fails_with(&["no fold 3"]);
    for command in ["stream", "negatives"] {
        let arguments = format!("data {command} --data {{}} --out {{}} --fold 3");
        run("trainer", &arguments, &[&data, &out]).fails_with(&["no fold 3"]);
    }
}

#[test]
fn every_fold_is_tested_once_and_runs_are_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("scenes"), folder.path().join("runs"));
    scenes(&data);
    let arguments = "crossval --data {} --out {} --preset nano --epochs 6 --batch 16 --device cpu --quiet --format json";
    let printed = run("trainer", arguments, &[&data, &out]).success();
    let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let folds = report["folds"].as_array().unwrap();
    assert_eq!(folds.len(), 2);
    assert!(folds.iter().all(|fold| fold["clips"] == 32));
    assert!(report["accuracy"].as_f64().unwrap() > 0.9, "{printed}");
    let again = run("trainer", arguments, &[&data, &out]).success();
    assert_eq!(again, printed, "finished runs are only tested");
    let evaluated = run("trainer", "evaluate {} --format json", &[&out.join("fold-2")]).success();
    let evaluated: serde_json::Value = serde_json::from_str(&evaluated).unwrap();
    assert_eq!(evaluated["accuracy"], folds[1]["accuracy"]);
    // The runtime averages what the evaluation averages.
    let model = folder.path().join("model");
    let export = "export {} --out {} --onnx-only";
    let _ = run("trainer", export, &[&out.join("fold-2"), &model]).success();
    let classified = cross_entropy(&model.join("model.onnx"), &data, 2);
    let measured = evaluated["cross_entropy"].as_f64().unwrap();
    assert!((classified - measured).abs() < 1e-4, "{classified} {measured}");
    let one_run = "crossval --data {} --out {} --resume";
    run("trainer", one_run, &[&data, &out]).fails_with(&["--resume", "one run"]);
    let config = folder.path().join("other.toml");
    std::fs::write(&config, "dropout = 0.1").unwrap();
    let other = format!("{arguments} --config {{}}");
    run("trainer", &other, &[&data, &out, &config]).fails_with(&["fold-1", "another `dropout`"]);
    let words = folder.path().join("words");
    sounds::data_set(&words, 12);
    let other = folder.path().join("other");
    run("trainer", arguments, &[&words, &other]).fails_with(&["has no folds"]);
    assert!(!other.exists(), "found before the first training");
    std::fs::write(data.join("meta/esc50.csv"), "filename,fold\na.wav,1\n").unwrap();
    run("trainer", "data inspect {}", &[&data]).fails_with(&["esc50.csv line 1", "category"]);
}
