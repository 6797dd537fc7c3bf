//! Small data sets for tests.

use std::fs;
use std::path::Path;

use super::{DataOptions, Dataset, load};

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
/// of which are takes of one original.
pub(crate) fn esc50(dir: &Path, categories: &[&str], folds: usize, clips: usize) {
    let mut table = "filename,fold,target,category,esc10,src_file,take\n".to_owned();
    for fold in 1..=folds {
        for (target, category) in categories.iter().enumerate() {
            for clip in 0..clips {
                let original = 1000 * fold + 100 * target + clip / 2;
                let take = ["A", "B"][clip % 2];
                let file = format!("{fold}-{original}-{take}-{target}.wav");
                tone(dir, &format!("audio/{file}"), 1.0);
                table += &format!("{file},{fold},{target},{category},True,{original},{take}\n");
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
