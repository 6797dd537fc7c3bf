use super::*;
use crate::data::fixtures::{RATE_HZ, WINDOW, loaded, options, tone, words};
use crate::data::{SplitScheme, load};
use models::meta::UNKNOWN;
use std::fs;
use tempfile::{TempDir, tempdir};

fn three_words() -> TempDir {
    let dir = tempdir().unwrap();
    words(dir.path(), &["up", "down", "stop"], 10);
    dir
}

fn names(clips: &[Clip]) -> Vec<&str> {
    clips.iter().map(|clip| clip.name.as_str()).collect()
}

#[test]
fn a_folder_a_class_is_split_80_10_10() {
    let dir = three_words();
    let mut reports = Vec::new();
    let data = load(&options(dir.path()), &mut |done, of| reports.push((done, of))).unwrap();
    assert_eq!(data.labels, ["down", "stop", "up"]);
    assert_eq!((data.train.len(), data.validation.len(), data.test.len()), (24, 3, 3));
    assert_eq!(data.split, SplitScheme::Stratified);
    assert_eq!(data.memory_bytes(), 30 * WINDOW * 2);
    assert_eq!(reports.last(), Some(&(30, 30)));
    for part in Part::ALL {
        assert!(data.clips(part).is_sorted_by_key(|clip| &clip.name));
        for clip in data.clips(part) {
            assert_eq!(clip.name.split('/').next().unwrap(), data.labels[clip.class]);
            assert_eq!(clip.samples.len(), WINDOW);
        }
    }
    assert_eq!(data.silence_clips(Part::Test, 3, 0), []);
}

#[test]
fn hashes_tell_data_and_splits_apart() {
    let dir = three_words();
    let first = loaded(&options(dir.path()));
    let again = loaded(&options(dir.path()));
    assert_eq!(first.data_sha256, again.data_sha256);
    assert_eq!(first.split_sha256, again.split_sha256);
    assert_eq!(first.data_sha256.len(), 64);
    let other_seed = loaded(&DataOptions { seed: 1, ..options(dir.path()) });
    assert_eq!(first.data_sha256, other_seed.data_sha256);
    assert_ne!(first.split_sha256, other_seed.split_sha256);
    fs::copy(dir.path().join("up/01.wav"), dir.path().join("up/02.wav")).unwrap();
    let other_data = loaded(&options(dir.path()));
    assert_ne!(first.data_sha256, other_data.data_sha256);
    assert_eq!(first.split_sha256, other_data.split_sha256);
}

#[test]
fn lists_decide_and_background_gives_silence() {
    let dir = three_words();
    let list = |of: std::ops::Range<usize>| {
        let names =
            ["up", "down", "stop"].map(|w| of.clone().map(move |n| format!("{w}/{n:02}.wav\n")));
        names.into_iter().flatten().collect::<String>()
    };
    fs::write(dir.path().join("validation_list.txt"), list(0..2)).unwrap();
    fs::write(dir.path().join("testing_list.txt"), list(2..5)).unwrap();
    tone(dir.path(), "_background_noise_/hum.wav", 2.0);
    tone(dir.path(), "_background_noise_/short.wav", 0.5);
    let choice = Some(vec!["up".to_owned(), "down".to_owned()]);
    let data = loaded(&DataOptions { words: choice, ..options(dir.path()) });
    assert_eq!(data.labels, ["up", "down", UNKNOWN, SILENCE]);
    assert_eq!((data.unknown_class(), data.silence_class()), (Some(2), Some(3)));
    assert_eq!((data.train.len(), data.validation.len(), data.test.len()), (15, 6, 9));
    assert_eq!(names(&data.validation)[..2], ["down/00.wav", "down/01.wav"]);
    assert_eq!(data.left_out[0].name, "_background_noise_/short.wav");
    assert_eq!(Part::ALL.map(|part| data.silence_count(part)), [2, 1, 1]);

    let silence = data.silence_clips(Part::Test, 40, 7);
    assert_eq!(silence[..5], data.silence_clips(Part::Test, 5, 7));
    assert_ne!(silence, data.silence_clips(Part::Test, 40, 8));
    assert!(silence.iter().all(|clip| clip.class == 3 && clip.samples.len() == WINDOW));
    let digital = silence.iter().filter(|clip| clip.samples.iter().all(|&s| s == 0)).count();
    assert!((1..12).contains(&digital), "{digital}");

    let without = loaded(&DataOptions { silence: false, ..options(dir.path()) });
    assert_eq!(without.labels, ["down", "stop", "up"]);
    assert!(!without.background.is_empty());
}

#[test]
fn broken_recordings_are_left_out_unless_strict() {
    let dir = three_words();
    fs::write(dir.path().join("stop/03.wav"), "no audio").unwrap();
    fs::write(dir.path().join("up/04.wav"), "").unwrap();
    tone(dir.path(), "down/05.wav", 0.05);
    let data = loaded(&options(dir.path()));
    assert_eq!(data.train.len() + data.validation.len() + data.test.len(), 27);
    let left_out: Vec<&str> = data.left_out.iter().map(|broken| broken.name.as_str()).collect();
    assert_eq!(left_out, ["down/05.wav", "stop/03.wav", "up/04.wav"]);
    let strict = DataOptions { strict: true, ..options(dir.path()) };
    let message = load(&strict, &mut |_, _| ()).unwrap_err().to_string();
    assert_eq!(
        message,
        "broken recording `down/05.wav`: lasts 0.050 s, less than 0.1 s; repair or delete it, or \
         do not ask for `strict`"
    );
}

#[test]
fn senseless_options_and_small_classes_are_refused() {
    let dir = three_words();
    let error = |options: DataOptions| load(&options, &mut |_, _| ()).unwrap_err();
    let base = || options(dir.path());
    assert!(matches!(error(DataOptions { rate_hz: 0, ..base() }), DataError::BadOption(_)));
    assert!(matches!(error(DataOptions { window: 0, ..base() }), DataError::BadOption(_)));
    tone(dir.path(), "rare/1.wav", 0.3);
    assert!(matches!(error(base()), DataError::TooFewClips { class, .. } if class == "rare"));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let dir = three_words();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| loaded(&options(dir.path())))
    };
    let (one, four) = (with(1), with(4));
    assert_eq!((one.train, one.test), (four.train, four.test));
    assert_eq!((one.data_sha256, one.split_sha256), (four.data_sha256, four.split_sha256));
}

#[test]
fn hard_negatives_are_the_unknown_class_and_part_of_the_hash() {
    let dir = tempfile::tempdir().unwrap();
    words(dir.path(), &["go", "stop", "other"], 20);
    let negatives = tempfile::tempdir().unwrap();
    tone(negatives.path(), "a/b/hum.wav", 3.0);
    let choice = Some(vec!["go".to_owned(), "stop".to_owned()]);
    let without = loaded(&DataOptions { words: choice.clone(), ..options(dir.path()) });
    let hard_negatives = Some(negatives.path().to_path_buf());
    let with = DataOptions { words: choice, hard_negatives, ..options(dir.path()) };
    let data = loaded(&with);
    assert_eq!((data.train.len(), data.negatives.len()), (without.train.len(), 1));
    assert_eq!(data.negatives.samples(), 3 * RATE_HZ as usize);
    assert_ne!(data.data_sha256, without.data_sha256);
    assert_eq!(data.split_sha256, without.split_sha256);
    let clips = data.negative_clips(24, 0.2, 1);
    assert_eq!(clips.len(), 6);
    assert!(clips.iter().all(|clip| Some(clip.class) == data.unknown_class()));
    assert_eq!(data.negative_clips(10_000, 0.5, 1).len(), 48, "no second more than four times");
    let error = load(&DataOptions { words: None, ..with }, &mut |_, _| ()).unwrap_err();
    assert!(error.to_string().contains("neither"), "{error}");
}

#[test]
fn noise_is_for_training_alone_and_part_of_the_hash() {
    let dir = three_words();
    tone(dir.path(), "_background_noise_/hum.wav", 2.0);
    let parent = tempdir().unwrap();
    // Named as a folder of the data set and a recording in it.
    let noise = parent.path().join("up");
    tone(&noise, "00.wav", 1.0);
    tone(&noise, "deeper/01.wav", 0.5);
    tone(&noise, "click.wav", 0.2);
    let with = DataOptions { noise_data: Some(noise.clone()), ..options(dir.path()) };
    let (without, data) = (loaded(&options(dir.path())), loaded(&with));
    for part in Part::ALL {
        assert_eq!(data.clips(part), without.clips(part));
        assert_eq!(data.silence_count(part), without.silence_count(part));
        let silence = [&data, &without].map(|data| data.silence_clips(part, 20, 3));
        assert_eq!(silence[0] == silence[1], part != Part::Training);
    }
    assert_eq!((&data.labels, &data.split_sha256), (&without.labels, &without.split_sha256));
    let rate = RATE_HZ as usize;
    let training = data.background.samples(Part::Training);
    assert_eq!(training, without.background.samples(Part::Training) + rate + rate / 2);
    assert_eq!(data.memory_bytes(), without.memory_bytes() + 2 * (rate + rate / 2));
    let reason = "lasts 0.20 s, noise needs at least 0.25 s";
    let click = Broken { name: "up/click.wav".to_owned(), reason: reason.to_owned() };
    assert_eq!(data.left_out, [click]);
    let error = load(&DataOptions { strict: true, ..with.clone() }, &mut |_, _| ()).unwrap_err();
    assert!(error.to_string().contains("up/click.wav"), "{error}");

    let mut hashes = vec![without.data_sha256, data.data_sha256];
    tone(&noise, "00.wav", 1.5);
    hashes.push(loaded(&with).data_sha256);
    tone(dir.path(), "up/00.wav", 0.3);
    hashes.push(loaded(&with).data_sha256);
    // The same recordings as hard negatives: neither use hides the other.
    let words = Some(vec!["up".to_owned()]);
    let both = DataOptions { words, hard_negatives: Some(noise), ..with };
    hashes.push(loaded(&both).data_sha256);
    hashes.push(loaded(&DataOptions { noise_data: None, ..both }).data_sha256);
    for (index, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..index].contains(hash), "{index}");
    }
}

#[test]
fn noise_makes_no_silence_where_there_is_no_background() {
    let dir = three_words();
    let noise = tempdir().unwrap();
    tone(noise.path(), "hum.wav", 0.2);
    let noise_data = Some(noise.path().to_path_buf());
    let with = DataOptions { noise_data, ..options(dir.path()) };
    let error = load(&with, &mut |_, _| ()).unwrap_err().to_string();
    let reason = "noise needs recordings of at least 0.25 s; of 1 here none can be used";
    assert!(error.ends_with(reason), "{error}");
    tone(noise.path(), "hum.wav", 1.0);
    let data = loaded(&with);
    assert_eq!(data.labels, ["down", "stop", "up"]);
    assert!(data.background.crop(Part::Training, 0, WINDOW).is_some());
    // Recordings of silence are clips as any others; none are made.
    words(dir.path(), &[SILENCE], 10);
    let data = loaded(&with);
    assert_eq!(data.silence_class(), Some(3));
    for part in Part::ALL {
        assert_eq!(data.silence_count(part), 0);
        assert_eq!(data.silence_clips(part, 3, 0), []);
        assert!(data.clips(part).iter().any(|clip| clip.class == 3));
    }
}
