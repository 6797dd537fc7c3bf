use super::*;
use crate::data::{DataOptions, Dataset, load};
use std::collections::BTreeMap;
use tempfile::tempdir;

fn options(out: &Path) -> SynthOptions {
    SynthOptions {
        words: vec!["lights on".to_owned(), "stop".to_owned()],
        out: out.to_path_buf(),
        clips: 5,
        unknown: 1,
        seed: 1,
        engine: EngineChoice::EspeakNg,
        jobs: None,
    }
}

fn made(options: &SynthOptions) -> Result<Summary, DataError> {
    make(options, &mut |_, _| ())
}

/// Whether speech can be made here; says so where not.
fn can_speak() -> bool {
    let found = engine::find(EngineChoice::EspeakNg);
    if let Err(reason) = &found {
        println!("skipped: {reason}");
    }
    found.is_ok()
}

/// Every file below a folder and its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_path_buf();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn loaded(dir: &Path) -> Dataset {
    let words = Some(vec!["lights on".to_owned(), "stop".to_owned()]);
    let base = DataOptions::new(dir, RATE_HZ, RATE_HZ as usize);
    load(&DataOptions { words, strict: true, ..base }, &mut |_, _| ()).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    if !can_speak() {
        return;
    }
    let dir = tempdir().unwrap();
    let [first, again, other] = ["first", "again", "other"].map(|name| dir.path().join(name));
    let summary = made(&options(&first)).unwrap();
    assert_eq!((summary.clips, summary.folders), (15, vec!["lights_on".into(), "stop".into()]));
    made(&SynthOptions { jobs: Some(1), ..options(&again) }).unwrap();
    made(&SynthOptions { seed: 2, ..options(&other) }).unwrap();
    assert!(contents(&first) == contents(&again));
    assert!(contents(&first) != contents(&other));
    assert!(matches!(made(&options(&first)), Err(DataError::Occupied { .. })));
}

#[test]
fn a_made_data_set_is_one() {
    if !can_speak() {
        return;
    }
    let dir = tempdir().unwrap();
    let out = dir.path().join("data");
    made(&options(&out)).unwrap();
    let data = loaded(&out);
    assert_eq!(data.labels, ["lights_on", "stop", "_unknown_", "_silence_"]);
    assert_eq!((data.train.len(), data.validation.len(), data.test.len()), (9, 3, 3));
    assert_eq!((data.left_out.len(), data.missing.len()), (0, 0));
    for part in Part::ALL {
        assert!(data.clips(part).iter().all(|clip| clip.samples.len() == 16_000));
        for other in Part::ALL.into_iter().filter(|&other| other != part) {
            let speaks = |speaker| data.clips(other).iter().any(|clip| &clip.speaker == speaker);
            assert!(!data.clips(part).iter().any(|clip| speaks(&clip.speaker)));
        }
    }
}

#[test]
fn phrases_too_long_for_a_clip_are_refused() {
    if !can_speak() {
        return;
    }
    let dir = tempdir().unwrap();
    let words = vec!["one hundred twenty three thousand kings".to_owned()];
    let message = made(&SynthOptions { words, ..options(&dir.path().join("data")) });
    let message = message.unwrap_err().to_string();
    assert!(message.contains("use a shorter phrase"), "{message}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn too_few_clips_are_refused() {
    let dir = tempdir().unwrap();
    let few = made(&SynthOptions { clips: 4, ..options(&dir.path().join("data")) });
    assert!(matches!(few, Err(DataError::BadOption(_))));
}
