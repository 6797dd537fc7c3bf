//! Training that learns from trained networks.

use std::path::Path;

use serde_json::Value;
use system_tests::program::run;

use crate::trained::{fit, trained};

const FIT: &str =
    "fit --teacher {} --data {} --out {} --preset nano --batch 16 --seed 5 --device cpu --quiet";

fn exported(run_folder: &Path) -> Vec<u8> {
    let out = run_folder.with_extension("model");
    let _ = run("trainer", "export {} --out {} --onnx-only", &[run_folder, &out]).success();
    std::fs::read(out.join("model.onnx")).unwrap()
}

#[test]
fn networks_teach_each_other() {
    let (model, teacher, data) = (trained().model(), trained().run(), trained().data());
    let folder = tempfile::tempdir().unwrap();
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    // A run and an exported model, which are the same network here.
    let both = format!("{FIT} --teacher {{}} --epochs 12");
    let _ = run("trainer", &both, &[&teacher, &data, &whole, &model]).success();
    let stopped = format!("{both} --max-steps 7");
    let _ = run("trainer", &stopped, &[&teacher, &data, &parts, &model]).success();
    let _ = run("trainer", "fit --resume --out {}", &[&parts]).success();
    let bytes = exported(&whole);
    assert!(bytes == exported(&parts), "a resumed run gives another model");
    let report = run("trainer", "evaluate {} --data {} --format json", &[&whole, &data]).success();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(report["accuracy"].as_f64().unwrap() > 0.8, "{report}");
    let published = String::from_utf8_lossy(&bytes);
    assert!(published.contains("teachers_sha256"), "which teachers they were");
    assert!(!published.contains(teacher.to_str().unwrap()), "where the teachers lay is told");

    let alone = folder.path().join("alone");
    fit(&data, &alone, "--epochs 12");
    let losses = |run: &Path| {
        let lines = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        first["train_loss"].as_f64().unwrap()
    };
    assert!((losses(&whole) - losses(&alone)).abs() > 1e-3, "the teachers say nothing");
}

#[test]
fn teachers_that_cannot_teach_are_told() {
    let (teacher, data) = (trained().run(), trained().data());
    let folder = tempfile::tempdir().unwrap();
    let (out, none) = (folder.path().join("out"), folder.path().join("none"));
    let refused = |teacher: &Path, more: &str, words: &[&str]| {
        run("trainer", &format!("{FIT} {more}"), &[teacher, &data, &out]).fails_with(words);
        assert!(!out.exists(), "nothing is left behind");
    };
    refused(&none, "", &["none: no such file or folder", "training run"]);
    refused(&trained().model().with_extension("q8"), "", &["int8"]);
    refused(&teacher, "--words rise", &["run: has other classes"]);
    refused(&teacher, "--split stratified", &["take the split and seed"]);
    let wider = FIT.replace("nano", "3^8");
    run("trainer", &wider, &[&teacher, &data, &out]).fails_with(&["16000", "19683"]);
    let frozen = format!("{} --from {{}} --freeze", FIT.replace("--preset nano", ""));
    run("trainer", &frozen, &[&teacher, &data, &out, &teacher])
        .fails_with(&["teachers", "leave them out"]);

    // A run goes on with the teachers that it began with.
    let other = folder.path().join("other");
    fit(&data, &other, "--epochs 1");
    let _ = run("trainer", &format!("{FIT} --max-steps 1"), &[&other, &data, &out]).success();
    std::fs::copy(teacher.join("best.ckpt"), other.join("best.ckpt")).unwrap();
    run("trainer", "fit --resume --out {}", &[&out]).fails_with(&["not the teacher"]);
}
