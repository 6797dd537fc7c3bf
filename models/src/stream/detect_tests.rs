//! The decision core on made-up posteriors.

use super::super::{NEVER, from_f32};
use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const HOP: u64 = 10;

fn settings() -> Settings {
    let (min_count, release) = (1, ONE);
    Settings { window: 40, smoothing: 2, min_count, release, warm_up: 0, suppression: 30 }
}

fn classes(thresholds: &[Q15], cooldown: u32) -> Vec<ClassSettings> {
    thresholds.iter().map(|&threshold| ClassSettings { threshold, cooldown }).collect()
}

fn detector(settings: Settings) -> Detector<Vec<Q15>> {
    with_cooldown(settings, 0)
}

fn with_cooldown(settings: Settings, cooldown: u32) -> Detector<Vec<Q15>> {
    let classes = classes(&[from_f32(0.6), from_f32(0.6), NEVER], cooldown);
    let memory = vec![77; Detector::<Vec<Q15>>::memory_len(3, settings.smoothing)];
    Detector::new(settings, classes.into_iter(), memory).unwrap()
}

/// Feeds one class's posterior a window; the rest goes to the background class 2.
fn feed(detector: &mut Detector<Vec<Q15>>, class: usize, values: &[f32]) -> Vec<(u16, u64)> {
    let mut events = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let mut posteriors = [0, 0, from_f32(1.0 - value)];
        posteriors[class] = from_f32(*value);
        let end = 40 + HOP * index as u64;
        events.extend(detector.push(&posteriors, end).map(|e| (e.class, e.end)));
    }
    events
}

#[test]
fn one_strong_window_alone_is_not_enough_after_a_reset() {
    let mut detector = detector(settings());
    assert_eq!(feed(&mut detector, 0, &[1.0, 0.0]), []);
    detector.reset();
    assert_eq!(feed(&mut detector, 0, &[1.0, 0.9]), [(0, 50)]);
}

#[test]
fn a_word_held_for_long_fires_once() {
    let mut detector = detector(settings());
    assert_eq!(feed(&mut detector, 0, &[0.9; 50]), [(0, 50)]);
}

#[test]
fn a_word_said_twice_fires_twice() {
    let mut detector = detector(settings());
    let values = [0.9, 0.9, 0.0, 0.0, 0.0, 0.9, 0.9];
    assert_eq!(feed(&mut detector, 1, &values), [(1, 50), (1, 100)]);
}

#[test]
fn suppression_holds_back_what_follows_at_once() {
    let mut detector = detector(Settings { suppression: 60, ..settings() });
    let values = [0.9, 0.9, 0.0, 0.0, 0.9, 0.9, 0.9];
    // The second run reaches its threshold at 90, 40 samples after the first event.
    assert_eq!(feed(&mut detector, 1, &values), [(1, 50)]);
}

#[test]
fn background_classes_never_fire() {
    let mut detector = detector(settings());
    assert_eq!(feed(&mut detector, 2, &[1.0; 20]), []);
}

#[test]
fn warm_up_is_silence() {
    let mut detector = detector(Settings { warm_up: 5, ..settings() });
    assert_eq!(feed(&mut detector, 0, &[0.9; 8]), [(0, 90)]);
}

#[test]
fn events_tell_window_and_confidence() {
    let mut detector = detector(settings());
    detector.push(&[from_f32(0.75), 0, 0], 40);
    let event = detector.push(&[from_f32(0.5), 0, 0], 50).unwrap();
    assert_eq!((event.start, event.end, event.confidence), (10, 50, from_f32(0.625)));
}

#[test]
fn a_minimum_count_outlasts_short_peaks() {
    let mut detector = detector(Settings { min_count: 3, ..settings() });
    let values = [0.9, 0.9, 0.9, 0.0, 0.9, 0.9, 0.9, 0.9];
    // The averages reach 0.6 at 50 and 60, fall to 0.45, and reach it again at 90, 100 and 110.
    assert_eq!(feed(&mut detector, 0, &values), [(0, 110)]);
}

#[test]
fn a_class_must_be_released() {
    let values = [0.9, 0.9, 0.55, 0.55, 0.9, 0.9, 0.2, 0.2, 0.9, 0.9];
    let release = |release| {
        let mut detector = detector(Settings { release: from_f32(release), ..settings() });
        feed(&mut detector, 1, &values)
    };
    assert_eq!(release(1.0), [(1, 50), (1, 80), (1, 130)]);
    assert_eq!(release(0.5), [(1, 50), (1, 130)]);
}

#[test]
fn a_cooldown_is_for_its_own_class() {
    let mut detector = with_cooldown(settings(), 90);
    let quiet = [0.0; 3];
    assert_eq!(feed(&mut detector, 0, &[0.9, 0.9]), [(0, 50)]);
    let after = |detector: &mut Detector<Vec<Q15>>, class, from: u64| {
        let row = |value| {
            let mut posteriors = [0; 3];
            posteriors[class] = from_f32(value);
            posteriors
        };
        let values = quiet.into_iter().chain([0.9; 2]).enumerate();
        let ends: Vec<u64> = values
            .filter_map(|(at, value)| {
                detector.push(&row(value), from + HOP * at as u64).map(|event| event.end)
            })
            .collect();
        ends
    };
    // The same class again is too soon, another one is not, and in the end both may come.
    assert!(after(&mut detector, 0, 60).is_empty());
    assert_eq!(after(&mut detector, 1, 110), [150]);
    assert_eq!(after(&mut detector, 0, 160), [200]);
    detector.reset();
    assert_eq!(feed(&mut detector, 0, &[0.9, 0.9]), [(0, 50)]);
}

#[test]
fn windows_that_nobody_computed_release_a_class() {
    let mut detector = detector(Settings { release: from_f32(0.1), ..settings() });
    assert_eq!(feed(&mut detector, 0, &[0.9, 0.9]), [(0, 50)]);
    assert!(detector.push(&[0; 3], 60).is_none() && detector.push(&[0; 3], 70).is_none());
    assert_eq!(detector.smoothed(0), 0);
    let word = [from_f32(0.9), 0, 0];
    assert!(detector.push(&word, 80).is_none());
    assert_eq!(detector.push(&word, 90).map(|event| event.class), Some(0));
}

#[test]
fn impossible_settings_are_refused() {
    let make = |settings, thresholds: &[Q15], len| {
        Detector::new(settings, classes(thresholds, 0).into_iter(), vec![0; len]).err()
    };
    let no_smoothing = Settings { smoothing: 0, ..settings() };
    assert_eq!(make(no_smoothing, &[1], 9), Some(SettingsError::NoSmoothing));
    let no_count = Settings { min_count: 0, ..settings() };
    assert_eq!(make(no_count, &[1], 9), Some(SettingsError::NoCount));
    for release in [0, ONE + 1] {
        let settings = Settings { release, ..settings() };
        assert_eq!(make(settings, &[1], 9), Some(SettingsError::Release));
    }
    assert_eq!(make(settings(), &[], 9), Some(SettingsError::NoClasses));
    assert_eq!(make(settings(), &[1, 2], 17), Some(SettingsError::Memory { needed: 18 }));
    assert_eq!(make(settings(), &[1, 2], 18), None);
}

/// What the documentation of [`Detector`] says, worked out anew for every window.
fn reference(
    settings: Settings,
    classes: &[ClassSettings],
    rows: &[(Vec<Q15>, u64)],
) -> Vec<Event> {
    let average = |class: usize, at: usize| {
        let first = (at + 1).saturating_sub(settings.smoothing.into());
        let sum: u32 = rows[first..=at].iter().map(|(row, _)| u32::from(row[class].min(ONE))).sum();
        let count = u32::from(settings.smoothing);
        ((sum + count / 2) / count) as Q15
    };
    let mut events: Vec<(usize, Event)> = Vec::new();
    for (at, (_, end)) in rows.iter().enumerate() {
        let values: Vec<Q15> = (0..classes.len()).map(|class| average(class, at)).collect();
        let largest = values.iter().max().copied().unwrap_or(0);
        let class = values.iter().position(|value| *value == largest).unwrap_or(0);
        let ClassSettings { threshold, cooldown } = classes[class];
        let passed = |event: &Event, least: u32| end - event.end >= u64::from(least);
        let run = (0..=at).rev().take_while(|at| average(class, *at) >= threshold).count();
        let share = f64::from(settings.release) / f64::from(ONE);
        let release = (f64::from(threshold) * share + 0.5).floor() as Q15;
        let own = events.iter().rev().find(|(_, event)| usize::from(event.class) == class);
        let free = own.is_none_or(|(then, event)| {
            passed(event, cooldown) && (then + 1..=at).any(|at| average(class, at) < release)
        });
        let quiet = events.last().is_none_or(|(_, event)| passed(event, settings.suppression));
        let warm = at >= usize::from(settings.warm_up);
        if run >= usize::from(settings.min_count) && warm && quiet && free {
            let start = end.saturating_sub(settings.window.into());
            let (class, confidence) = (class as u16, largest);
            events.push((at, Event { class, start, end: *end, confidence }));
        }
    }
    events.into_iter().map(|(_, event)| event).collect()
}

/// Posteriors that rise and fall as those of words do, a few windows at a time.
fn posteriors() -> impl Strategy<Value = Vec<[Q15; 3]>> {
    let level = prop_oneof![Just(0), 0..=ONE, 15_000..=ONE, any::<u16>()];
    let word = (prop::array::uniform3(level), 1..6usize);
    prop::collection::vec(word, 0..30)
        .prop_map(|words| words.into_iter().flat_map(|(row, times)| vec![row; times]).collect())
}

prop_compose! {
    fn any_settings()(
        smoothing in 1..6u16, min_count in 1..5u16, release in 1..=ONE, suppression in 0..100u32,
        warm_up in 0..5u16,
    ) -> Settings {
        Settings { window: 40, smoothing, min_count, release, warm_up, suppression }
    }
}

proptest! {
    #[test]
    fn does_what_it_says(
        posteriors in posteriors(), settings in any_settings(),
        classes in prop::collection::vec((10_000..=ONE, 0..200u32), 3), reset in any::<bool>(),
    ) {
        let mut classes: Vec<ClassSettings> = classes
            .into_iter()
            .map(|(threshold, cooldown)| ClassSettings { threshold, cooldown })
            .collect();
        classes[2].threshold = NEVER;
        let memory = vec![99; Detector::<Vec<Q15>>::memory_len(3, settings.smoothing)];
        let mut detector = Detector::new(settings, classes.iter().copied(), memory).unwrap();
        if reset {
            // What was heard before a reset leaves no trace.
            for at in 0..7 {
                detector.push(&[ONE, 0, 0], 1000 + at);
            }
            detector.reset();
        }
        let ends = (40..).step_by(HOP as usize);
        let rows: Vec<_> = posteriors.iter().map(|row| row.to_vec()).zip(ends).collect();
        let found: Vec<Event> =
            rows.iter().filter_map(|(row, end)| detector.push(row, *end)).collect();
        prop_assert_eq!(&found, &reference(settings, &classes, &rows));
        for (index, event) in found.iter().enumerate() {
            prop_assert!(event.confidence <= ONE && event.class != 2);
            if let Some(before) = index.checked_sub(1).map(|before| found[before]) {
                prop_assert!(event.end - before.end >= u64::from(settings.suppression));
            }
            let own = found[..index].iter().rev().find(|other| other.class == event.class);
            let cooldown = u64::from(classes[usize::from(event.class)].cooldown);
            prop_assert!(own.is_none_or(|own| event.end - own.end >= cooldown));
        }
    }
}
