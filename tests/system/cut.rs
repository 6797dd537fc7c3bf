//! Recordings in which a word is spoken many times, made into a data set and trained on.

use system_tests::program::run;
use system_tests::sounds;

use crate::trained::fit;

#[test]
fn takes_of_a_word_become_a_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let [takes, clips, model] = ["takes", "clips", "run"].map(|name| folder.path().join(name));
    for word in ["rise", "fall"] {
        std::fs::create_dir_all(takes.join(word)).unwrap();
        for speaker in ["ann", "ben", "cem", "dan"] {
            let (samples, _) = sounds::stream(&[word; 4]);
            sounds::write(&takes.join(word).join(format!("{speaker}_NO_1.wav")), &samples);
        }
    }
    std::fs::write(takes.join("rise/broken.wav"), "text").unwrap();
    let outcome = run("trainer", "data cut --data {} --out {}", &[&takes, &clips]);
    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
    let note = "note: left out: 1, the first rise/broken.wav: not an audio file";
    assert!(outcome.stderr.contains(note), "{}", outcome.stderr);
    for counted in ["fall  16 clips", "rise  16 clips", "clips: 32 clips. Next: trainer data"] {
        assert!(outcome.stdout.contains(counted), "{}", outcome.stdout);
    }
    let inspected = run("trainer", "data inspect {}", &[&clips]).success();
    assert!(inspected.contains("32 by 4 known speakers"), "{inspected}");
    fit(&clips, &model, "--epochs 1");
    let again = "data cut --data {} --out {}";
    run("trainer", again, &[&takes, &clips]).fails_with(&["clips", "exists and is not empty"]);
    run("trainer", again, &[&clips.join("rise"), &takes.join("new")])
        .fails_with(&["rise", "one folder a class"]);
}
