//! What a stream keeps, and training with it.

use system_tests::program::run;
use system_tests::sounds;

use crate::trained::{fit, trained};

#[test]
fn the_sound_around_detections_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (stream, kept) = (folder.path().join("stream.wav"), folder.path().join("kept"));
    let (samples, words) = sounds::stream(&["rise", "fall", "rise"]);
    sounds::write(&stream, &samples);
    let model = trained().model();
    let arguments = "stream {} --model {} --save-triggers {} --format json";
    let printed = run("runtime", arguments, &[&stream, &model, &kept]).success();
    let detections = printed.lines().filter(|line| line.contains("\"label\"")).count();
    assert!(detections > 0 && detections <= 2 * words.len(), "{printed}");
    let names: Vec<String> = std::fs::read_dir(&kept)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let kept_for = |why: &str| names.iter().filter(|name| name.contains(why)).count();
    assert_eq!(kept_for("-detected.wav"), detections, "{names:?}");
    assert_eq!(names.len(), detections + kept_for("-near.wav"));
    // Whoever trains with them as they are is told that some of them may have been right.
    let told = |folder: &std::path::Path, out: &str| -> Vec<String> {
        let fit =
            "fit --data {} --hard-negatives {} --out {} --preset nano --max-steps 0 --device cpu";
        let out = stream.with_file_name(out);
        let outcome = run("trainer", fit, &[&trained().data(), folder, &out]);
        assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
        outcome.stderr.lines().filter(|line| line.starts_with("note:")).map(str::to_owned).collect()
    };
    let notes = told(&kept, "noted");
    assert_eq!(notes.len(), 1, "{notes:?}");
    let wanted = format!("note: {detections} of them are named as detections");
    assert!(notes[0].starts_with(&wanted) && notes[0].contains("STREAMING.md"), "{notes:?}");
    let others = folder.path().join("others");
    std::fs::create_dir_all(&others).unwrap();
    sounds::write(&others.join("left-detected.wav"), &sounds::noise(2.0, 0.3, 1));
    assert!(told(&others, "plain").is_empty());
    run("runtime", arguments, &[&stream, &model, &stream]).fails_with(&["stream.wav", "clips"]);
}

#[test]
fn training_with_hard_negatives_resumes_exactly_and_tells_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let [data, negatives, empty, whole, parts] =
        ["data", "negatives", "empty", "whole", "parts"].map(|name| folder.path().join(name));
    sounds::data_set(&data, 12);
    std::fs::create_dir_all(negatives.join("deeper")).unwrap();
    std::fs::create_dir_all(&empty).unwrap();
    sounds::write(&negatives.join("deeper/long.wav"), &sounds::noise(5.0, 0.3, 1));
    sounds::write(&negatives.join("short.wav"), &sounds::noise(0.4, 0.3, 2));
    let with = format!("--epochs 2 --hard-negatives {}", negatives.display());
    fit(&data, &whole, &with);
    fit(&data, &parts, &format!("{with} --max-steps 2"));
    let _ = run("trainer", "fit --resume --out {}", &[&parts]).success();
    let best = |run: &std::path::Path| std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let losses = |run: &std::path::Path| -> Vec<serde_json::Value> {
        let value = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        best(run).lines().map(|line| value(line)["validation_loss"].clone()).collect()
    };
    assert_eq!(losses(&whole), losses(&parts));
    std::fs::remove_file(negatives.join("short.wav")).unwrap();
    run("trainer", "fit --resume --out {}", &[&parts]).fails_with(&["data set", "differs"]);
    let fails = "fit --data {} --hard-negatives {} --out {}";
    let out = folder.path().join("out");
    run("trainer", fails, &[&data, &empty, &out]).fails_with(&["empty", "no recordings"]);
    run("trainer", fails, &[&data, &folder.path().join("x"), &out])
        .fails_with(&["x: no such folder; give a folder that holds recordings"]);
}
