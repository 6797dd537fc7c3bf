//! Tags on made-up posteriors.

use super::super::{Decider, NEVER, from_f32};
use super::*;
use crate::arch::Task;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const HOP: u64 = 10;

fn settings() -> Settings {
    let (min_count, release) = (1, ONE);
    Settings { window: 40, smoothing: 1, min_count, release, warm_up: 0, suppression: 0 }
}

fn detector(settings: Settings, thresholds: &[Q15]) -> Decider<Vec<Q15>> {
    let classes = thresholds.iter().map(|&threshold| ClassSettings { threshold, cooldown: 9 });
    let memory = vec![77; Decider::<Vec<Q15>>::memory_len(thresholds.len(), settings.smoothing)];
    Decider::new(Task::MultiLabel, settings, classes, memory).unwrap()
}

/// Feeds windows that end at 40, 50, 60 …; their middles are 20, 30, 40 …
fn feed(detector: &mut Decider<Vec<Q15>>, rows: &[[f32; 2]]) -> Vec<Change> {
    let mut changes = Vec::new();
    for (row, end) in rows.iter().zip((40..).step_by(HOP as usize)) {
        detector.push(&row.map(from_f32), end, |change| changes.push(change));
    }
    changes
}

/// Class, start and end of stretches that are over.
fn over(changes: &[Change]) -> Vec<(u16, u64, u64)> {
    let over = changes.iter().filter_map(|change| match change {
        Change::Detected(event) => Some((event.class, event.start, event.end)),
        Change::Begun(_) => None,
    });
    over.collect()
}

#[test]
fn several_tags_begin_and_end_on_their_own() {
    let mut detector = detector(settings(), &[from_f32(0.5), from_f32(0.75)]);
    let rows = [[0.1, 0.0], [0.5, 0.7], [0.9, 0.8], [0.6, 0.9], [0.4, 0.8], [0.2, 0.1]];
    let changes = feed(&mut detector, &rows);
    let event = |class, start, end, confidence| {
        let confidence = from_f32(confidence);
        Event { class, start, end, confidence }
    };
    let expected = [
        Change::Begun(event(0, 30, 50, 0.5)),
        Change::Begun(event(1, 40, 60, 0.8)),
        Change::Detected(event(0, 30, 60, 0.9)),
        Change::Detected(event(1, 40, 70, 0.9)),
    ];
    assert_eq!(changes, expected);
}

#[test]
fn what_is_under_way_ends_with_the_stream() {
    let mut detector = detector(settings(), &[from_f32(0.5), NEVER]);
    assert_eq!(over(&feed(&mut detector, &[[0.9, 1.0], [0.8, 1.0]])), []);
    let mut changes = Vec::new();
    detector.finish(|change| changes.push(change));
    assert_eq!(over(&changes), [(0, 20, 50)]);
    detector.finish(|_| panic!("it is over"));
    assert_eq!(feed(&mut detector, &[[0.9, 1.0]]).len(), 1, "a new stream begins");
}

#[test]
fn short_peaks_and_dips_are_bridged() {
    let rows = [[0.9, 0.0], [0.1, 0.0], [0.9, 0.0], [0.9, 0.0], [0.4, 0.0], [0.9, 0.0], [0.2, 0.0]];
    let found = |settings| {
        let mut detector = detector(settings, &[from_f32(0.5), ONE]);
        over(&feed(&mut detector, &rows))
    };
    assert_eq!(found(settings()), [(0, 20, 30), (0, 40, 60), (0, 70, 80)]);
    let strict = Settings { min_count: 2, ..settings() };
    assert_eq!(found(strict), [(0, 40, 60)]);
    let lenient = Settings { release: from_f32(0.6), ..settings() };
    assert_eq!(found(lenient), [(0, 20, 30), (0, 40, 80)]);
    let late = Settings { warm_up: 3, ..settings() };
    assert_eq!(found(late), [(0, 40, 60), (0, 70, 80)]);
}

#[test]
fn positions_beyond_32_bits_are_kept() {
    let mut detector = detector(settings(), &[from_f32(0.5)]);
    let end = (1 << 40) + 12_345;
    let mut changes = Vec::new();
    detector.push(&[ONE], end, |change| changes.push(change));
    detector.push(&[0], end + 10, |change| changes.push(change));
    assert_eq!(over(&changes), [(0, end - 20, end - 10)]);
}

#[test]
fn impossible_settings_are_refused() {
    let make = |settings, len| {
        let class = ClassSettings { threshold: 1, cooldown: 0 };
        TagDetector::new(settings, [class].into_iter(), vec![0; len]).err()
    };
    let no_smoothing = Settings { smoothing: 0, ..settings() };
    assert_eq!(make(no_smoothing, 9), Some(SettingsError::NoSmoothing));
    assert_eq!(make(settings(), 7), Some(SettingsError::Memory { needed: 8 }));
    assert_eq!(make(settings(), 8), None);
}

proptest! {
    #[test]
    fn does_what_it_says(
        rows in prop::collection::vec(prop::array::uniform2(any::<u16>()), 0..60),
        smoothing in 1..4u16, min_count in 1..4u16, release in 1..=ONE, warm_up in 0..5u16,
        threshold in 1..=ONE, reset in any::<bool>(),
    ) {
        let settings = Settings { smoothing, min_count, release, warm_up, ..settings() };
        let mut detector = detector(settings, &[threshold; 2]);
        if reset {
            let _ = feed(&mut detector, &[[1.0, 0.9]; 7]);
            detector.reset();
        }
        let mut found = Vec::new();
        for (row, end) in rows.iter().zip((40..).step_by(HOP as usize)) {
            detector.push(row, end, |change| found.push(change));
        }
        detector.finish(|change| found.push(change));
        // The same worked out tag by tag.
        for tag in 0..2u16 {
            let average = |at: usize| {
                let first = (at + 1).saturating_sub(smoothing.into());
                let column = rows[first..=at].iter().map(|row| u32::from(row[usize::from(tag)].min(ONE)));
                ((column.sum::<u32>() + u32::from(smoothing) / 2) / u32::from(smoothing)) as Q15
            };
            let share = f64::from(release) / f64::from(ONE);
            let release = (f64::from(threshold) * share + 0.5).floor() as Q15;
            let (mut expected, mut open) = (Vec::new(), None);
            for at in 0..rows.len() {
                let middle = 20 + HOP * at as u64;
                let run = (0..=at).rev().take_while(|at| average(*at) >= threshold).count();
                match open {
                    Some(start) if average(at) < release => {
                        expected.push((tag, start, middle));
                        open = None;
                    }
                    None if run >= usize::from(min_count) && at >= usize::from(warm_up) => {
                        let since = (0..=at).rev().take_while(|at| average(*at) >= threshold);
                        // A run goes back to the end of the stretch before it at most.
                        open = since.last().map(|first| 20 + HOP * first as u64);
                    }
                    _ => {}
                }
            }
            if let Some(start) = open {
                expected.push((tag, start, 40 + HOP * (rows.len() - 1) as u64));
            }
            let of_tag: Vec<_> = over(&found).into_iter().filter(|over| over.0 == tag).collect();
            prop_assert_eq!(of_tag, expected);
        }
    }
}
