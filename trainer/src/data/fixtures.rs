//! Small data sets for tests.

mod songs;

use std::fs;
use std::path::Path;

use super::{DataOptions, Dataset, load};

pub(crate) use songs::{magnatagatune, song, song_tags};

pub(crate) const RATE_HZ: u32 = 8000;
/// Samples of a window.
pub(crate) const WINDOW: usize = 2000;

/// Writes a tone, different for every name.
pub(crate) fn tone(dir: &Path, name: &str, seconds: f32) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let hz = 200.0 + name.bytes().map(f32::from).sum::<f32>();
    let samples = (seconds * RATE_HZ as f32) as usize;
    let sample = |at| (at as f32 * hz * std::f32::consts::TAU / RATE_HZ as f32).sin() * 0.5;
    let samples: Vec<f32> = (0..samples).map(sample).collect();
    audio::write_wav_i16(&path, &samples, RATE_HZ).unwrap();
}

/// Words with `clips` tones of a quarter second each.
pub(crate) fn words(dir: &Path, words: &[&str], clips: usize) {
    for word in words {
        for n in 0..clips {
            tone(dir, &format!("{word}/{n:02}.wav"), 0.25);
        }
    }
}

/// A data set in the layout of ESC-50: in each of `folds` folds `clips` recordings of one second a category, two
/// of which are takes of one original. The first category and every other one from there are in ESC-10.
pub(crate) fn esc50(dir: &Path, categories: &[&str], folds: usize, clips: usize) {
    let mut table = "filename,fold,target,category,esc10,src_file,take\n".to_owned();
    for fold in 1..=folds {
        for (target, category) in categories.iter().enumerate() {
            for clip in 0..clips {
                let original = 1000 * fold + 100 * target + clip / 2;
                let take = ["A", "B"][clip % 2];
                let file = format!("{fold}-{original}-{take}-{target}.wav");
                tone(dir, &format!("audio/{file}"), 1.0);
                let esc10 = if target % 2 == 0 { "True" } else { "False" };
                table += &format!("{file},{fold},{target},{category},{esc10},{original},{take}\n");
            }
        }
    }
    fs::create_dir_all(dir.join("meta")).unwrap();
    fs::write(dir.join("meta/esc50.csv"), table).unwrap();
}

pub(crate) fn options(dir: &Path) -> DataOptions {
    DataOptions::new(dir, RATE_HZ, WINDOW)
}

pub(crate) fn loaded(options: &DataOptions) -> Dataset {
    load(options, &mut |_, _| ()).unwrap()
}

/// A data set in the layout of DCASE 2017 task 4 with so many recordings of one second in each set. The recording n has
/// the label n, counted in a circle, and every third of them the next one too.
pub(crate) fn dcase(dir: &Path, labels: &[&str], sets: &[(&str, usize)]) {
    fs::create_dir_all(dir.join("metadata")).unwrap();
    for (set, count) in sets {
        let mut list = String::new();
        for n in 0..*count {
            let file = format!("{set}-{n:03}_30.000_31.000.wav");
            tone(dir, &format!("audio/{set}/Y{file}"), 1.0);
            let second = (n % 3 == 1).then_some(n + 1);
            for label in std::iter::once(n).chain(second) {
                list += &format!("{file}\t30.000\t31.000\t{}\n", labels[label % labels.len()]);
            }
        }
        let list_name = format!("metadata/groundtruth_weak_label_{set}_set.csv");
        fs::write(dir.join(list_name), list).unwrap();
    }
}
