//! Networks with gates and shortcuts, the whole way.

use serde_json::Value;
use system_tests::program::run;
use system_tests::sounds;

use crate::onnx;
use crate::trained::trained;

/// The posteriors of all windows, as they are printed.
fn posteriors(lines: &str) -> Vec<Value> {
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line.get("posteriors").cloned()).collect()
}

#[test]
fn gated_networks_go_from_fit_to_the_runtime() {
    let data = trained().data();
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("stream.wav");
    sounds::write(&sound, &sounds::stream(&["rise", "fall"]).0);
    for preset in ["se-nano", "rese-nano"] {
        let (out, model) = (folder.path().join(preset), folder.path().join("model"));
        let fit = format!(
            "fit --data {{}} --out {{}} --preset {preset} --epochs 2 --batch 16 --seed 5 --device cpu"
        );
        let _ = run("trainer", &fit, &[&data, &out]).success();
        let _ = run("trainer", "export {} --out {}", &[&out, &model]).success();
        let (int8, model) = (model.join("model.q8"), model.join("model.onnx"));
        let evaluate = |from| {
            let report = run("trainer", "evaluate {} --data {} --format json", &[from, &data]);
            serde_json::from_str::<Value>(&report.success()).unwrap()
        };
        assert_eq!(evaluate(&out)["confusion"], evaluate(&model)["confusion"], "{preset}");
        let arguments = "stream --model {} {} --format json --posteriors";
        let windows = run("runtime", arguments, &[&model, &sound]).success();
        assert!(windows.lines().count() > 10, "{windows}");
        let accuracy = |from| evaluate(from)["accuracy"].as_f64().unwrap();
        assert!((accuracy(&int8) - accuracy(&model)).abs() <= 0.2, "{preset}");
        // The runtime and the host simulator print the same posteriors.
        let windows = run("runtime", arguments, &[&int8, &sound]).success();
        let simulated =
            run("firmware-sim", "run {} {} --format json --posteriors", &[&int8, &sound]);
        assert_eq!(posteriors(&windows), posteriors(&simulated.success()), "{preset}");
        let bench = run("runtime", "bench {} --runs 3 --format json", &[&model]).success();
        let bench: Value = serde_json::from_str(&bench).unwrap();
        let shared = bench["shared_layers"].as_u64().unwrap();
        assert!(shared <= if preset == "se-nano" { 2 } else { 1 }, "{bench}");
        onnx::check(&model, &sound);
    }
}
