use super::*;
use crate::data::fixtures::{loaded, magnatagatune, options, tone, words};
use crate::fit::config::Recipe;

#[test]
fn clips_are_centred() {
    let mut window = [9.0; 4];
    centre(&[16384; 2], &mut window);
    assert_eq!(window, [0.0, 0.5, 0.5, 0.0]);
    centre(&[0, 8192, 16384, 24576, 0, 0], &mut window);
    assert_eq!(window, [0.25, 0.5, 0.75, 0.0]);
    centre(&[16384], &mut [0.0; 0]);
    for (len, window) in [(5, 2), (2, 5), (4, 2), (3, 3), (1, 4), (0, 2)] {
        let samples: Vec<i16> = (1..=len).collect();
        let (mut floats, mut integers) = (vec![0.0; window], vec![0; window]);
        centre(&samples, &mut floats);
        centre_i16(&samples, &mut integers);
        let scaled: Vec<f32> = integers.iter().map(|i| f32::from(*i) / I16_SCALE).collect();
        assert_eq!(floats, scaled);
    }
}

#[test]
fn tags_are_targets_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    magnatagatune(dir.path(), &["sitar", "guitar", "opera"], |at, tag| at % 3 >= tag);
    let data = loaded(&options(dir.path()));
    let (label_smoothing, batch) = (0.1, 4);
    let plain = FitConfig {
        label_smoothing,
        batch,
        augment: Augment::none(),
        ..FitConfig::of_recipe(Recipe::Modern)
    };
    let epoch = Epoch::new(&data, &plain, 0);
    // One second is four windows long.
    assert_eq!(epoch.batches(), data.train.len());
    let targets = |config: &FitConfig| -> Vec<Vec<u32>> {
        let epoch = Epoch::new(&data, config, 0);
        let targets = (0..epoch.batches()).flat_map(|batch| epoch.batch(batch).targets);
        let percent: Vec<u32> = targets.map(|t| (100.0 * t).round() as u32).collect();
        percent.chunks_exact(3).map(<[u32]>::to_vec).collect()
    };
    let plain_targets = targets(&plain);
    for wanted in [[95, 5, 5], [95, 95, 5], [95, 95, 95]] {
        assert_eq!(plain_targets.iter().filter(|t| **t == wanted).count(), 16);
    }
    let mixed = Augment { mixup: 0.5, ..Augment::none() };
    let mixed = targets(&FitConfig { augment: mixed, ..plain });
    assert!(mixed.iter().all(|t| t[0] == 95), "all of them have the first tag");
    assert!(mixed.iter().any(|t| (10..90).contains(&t[2])));
}

#[test]
fn words_that_are_cut_off_are_no_words() {
    let dir = tempfile::tempdir().unwrap();
    words(dir.path(), &["down", "up"], 40);
    tone(dir.path(), "_background_noise_/hum.wav", 3.0);
    let data = loaded(&options(dir.path()));
    let silence = data.silence_class().unwrap();
    let config = |cut| FitConfig {
        label_smoothing: 0.0,
        batch: data.train.len(),
        augment: Augment { cut, ..Augment::none() },
        ..FitConfig::of_recipe(Recipe::Modern)
    };
    let (whole, cut) = (config(0.0), config(0.5));
    let whole = Epoch::new(&data, &whole, 0).batch(0);
    assert!(whole.negative.iter().all(|negative| !negative));
    let batch = Epoch::new(&data, &cut, 0).batch(0);
    let (mut count, classes) = (0, data.labels.len());
    let rows = batch.windows.chunks_exact(data.window).zip(batch.targets.chunks_exact(classes));
    for (index, (window, target)) in rows.enumerate() {
        let quiet = window.iter().filter(|sample| sample.abs() < 1e-3).count();
        let class = batch.classes[index];
        assert_eq!(target[class], 1.0);
        if batch.negative[index] {
            assert!(class == silence && quiet >= data.window / 2, "{quiet}");
            count += 1;
        } else {
            assert_eq!(class, whole.classes[index]);
        }
    }
    let share = f64::from(count) / batch.negative.len() as f64;
    assert!((0.25..0.65).contains(&share), "{share}");
}

#[test]
fn hard_negatives_go_where_the_network_puts_them() {
    let target = [0.1, 0.1, 0.7, 0.1];
    let mut batch = Batch {
        windows: Vec::new(),
        targets: [target, target].concat(),
        classes: vec![2, 2],
        negative: vec![false, true],
    };
    let log = [0.05f32, 0.05, 0.225, 0.675].map(f32::ln);
    batch.share_negatives(&[log, log].concat(), &[2, 3]);
    assert_eq!(batch.classes, [2, 3]);
    let expected = [target, [0.1, 0.1, 0.2, 0.6]].concat();
    for (have, want) in batch.targets.iter().zip(expected) {
        assert!((have - want).abs() < 1e-6, "{have} {want}");
    }
}

#[test]
fn classes_are_drawn_evenly_whatever_they_have() {
    let clip = |class| Clip {
        name: String::new(),
        class,
        tags: std::sync::Arc::default(),
        speaker: None,
        samples: std::sync::Arc::new([]),
    };
    // One clip of class 0, none of 1, nine of 2.
    let clips: Vec<Clip> = [0, 2, 2, 2, 2, 2, 2, 2, 2, 2].map(clip).into();
    let drawn = |seed| evenly(&clips, 3, 5, &mut draw::rng(seed, "test", &[]));
    let first = drawn(1);
    assert_eq!(first[..5], [0; 5]);
    let mut others = first[5..].to_vec();
    others.sort_unstable();
    others.dedup();
    assert_eq!((others.len(), first.len()), (5, 10), "no clip twice where there are enough");
    assert_eq!(first, drawn(1));
    assert_ne!(first, drawn(2));
}

#[test]
fn tags_are_drawn_evenly_too() {
    let clip = |tags: [bool; 3]| Clip {
        name: String::new(),
        class: 0,
        tags: tags.into(),
        speaker: None,
        samples: std::sync::Arc::new([]),
    };
    let clips = [[true, false, false], [true, true, false]].map(clip);
    let drawn = evenly(&clips, 3, 2, &mut draw::rng(1, "test", &[]));
    assert_eq!(drawn[..2].iter().sum::<usize>(), 1, "each clip of the first tag once");
    assert_eq!(drawn[2..], [1, 1], "no clip has the third tag");
}

#[test]
fn tilts_mix_neighbours() {
    let mut window = [1.0, 0.0, 2.0];
    tilt(&mut window, 0.5);
    assert_eq!(window, [1.0, 0.5, 2.0]);
}

#[test]
fn shifts_move_and_speeds_stretch() {
    let mut window = [0.0; 4];
    place(&[0, 16384, 0, 0], &mut window, 1.0, 1.0);
    assert_eq!(window, [0.0, 0.0, 0.5, 0.0]);
    let ramp: Vec<i16> = (0..100).map(|i| i * 100).collect();
    let mut window = [0.0; 20];
    place(&ramp, &mut window, 2.0, 0.0);
    let step = (window[11] - window[10]) * I16_SCALE;
    assert!((step - 200.0).abs() < 0.1);
}
