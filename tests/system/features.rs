//! Features of trained networks, and classifiers on them.

use serde_json::Value;
use system_tests::program::run;
use system_tests::sounds;

use crate::trained::{fit, trained};

#[test]
fn networks_and_a_classifier_on_their_features_are_one_model() {
    let (source, data) = (trained().run(), trained().data());
    let folder = tempfile::tempdir().unwrap();
    let gated = folder.path().join("gated");
    let untrained = "fit --data {} --out {} --preset rese-nano --max-steps 0 --device cpu --quiet";
    let _ = run("trainer", untrained, &[&data, &gated]).success();
    let (features, out) = (folder.path().join("f.npz"), folder.path().join("model"));
    let extract = "features {} {} --data {} --out {} --words fall,rise --seconds 1.5 --device cpu";
    let printed = run("trainer", extract, &[&source, &gated, &data, &features]).success();
    // The last three blocks have 32 + 32 + 64 channels.
    assert!(printed.contains("clips of 1.50 s, 256 features, 4 classes"), "{printed}");
    for kind in ["logistic", "connected"] {
        let fit = format!("fit-head {{}} --out {{}} --kind {kind} --format json");
        let report = run("trainer", &fit, &[&features, &out]).success();
        let report: Value = serde_json::from_str(&report).unwrap();
        let test = &report["accuracy"][2];
        let share = test["correct"].as_f64().unwrap() / test["clips"].as_f64().unwrap();
        assert!(share > 0.8, "{report}");
        // The file, run by the runtime's engine, classifies as the classifier did.
        let model = out.join("model.onnx");
        let evaluate = "evaluate {} --data {} --format json";
        let measured = run("trainer", evaluate, &[&model, &data]).success();
        let measured: Value = serde_json::from_str(&measured).unwrap();
        assert!((measured["accuracy"].as_f64().unwrap() - share).abs() < 1e-9, "{measured}");
        let word = folder.path().join("word.wav");
        sounds::write(&word, &sounds::word("rise", 5000));
        let classified = run("runtime", "classify --model {} {}", &[&model, &word]).success();
        assert!(classified.contains("word.wav: rise"), "{classified}");
        let stream = folder.path().join("stream.wav");
        sounds::write(&stream, &sounds::stream(&sounds::WORDS).0);
        crate::onnx::check(&model, &stream);
    }
    // Its layers are not those of the architecture in its metadata.
    let told = run("trainer", "describe {}", &[&out]).success();
    assert!(told.contains("\nnetwork     features of trained networks "), "{told}");
    assert!(told.contains("_silence_") && !told.contains("parameters"), "{told}");
    let told = run("trainer", "describe {} --json", &[&out]).success();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["labels"].is_array() && told["layers"].is_null(), "{told}");
}

#[test]
fn features_belong_to_their_networks() {
    let data = trained().data();
    let folder = tempfile::tempdir().unwrap();
    let (source, features) = (folder.path().join("run"), folder.path().join("f.npz"));
    let out = folder.path().join("model");
    fit(&data, &source, "--max-steps 0 --quiet");
    let extract = "features {} --data {} --out {} --device cpu";
    let _ = run("trainer", extract, &[&source, &data, &features]).success();
    let none = folder.path().join("none");
    run("trainer", extract, &[&none, &data, &features]).fails_with(&["none: no such file"]);
    let head = "fit-head {} --out {}";
    std::fs::rename(&source, &none).unwrap();
    run("trainer", head, &[&features, &out]).fails_with(&["no longer here", "make them again"]);
    std::fs::rename(&none, &source).unwrap();
    let _ = run("trainer", "fit --resume --quiet --out {} --max-steps 1", &[&source]).success();
    run("trainer", head, &[&features, &out]).fails_with(&["no longer the network"]);
    std::fs::write(&features, "no archive").unwrap();
    run("trainer", head, &[&features, &out]).fails_with(&["f.npz", "trainer features"]);
    let other_rate = folder.path().join("22k");
    let fit = "fit --data {} --out {} --preset samplecnn-59049 --max-steps 0 --device cpu --quiet";
    let _ = run("trainer", fit, &[&data, &other_rate]).success();
    let two = "features {} {} --data {} --out {}";
    run("trainer", two, &[&source, &other_rate, &data, &features])
        .fails_with(&["16000 Hz", "22050 Hz"]);
}
