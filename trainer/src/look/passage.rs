//! The window of a recording that is worth explaining.

use models::arch::Task;
use models::meta::{SILENCE, UNKNOWN};

use super::evidence::{log_odds, logits};
use crate::net::{Compute, Network};

/// Windows that a window's length is cut into steps of.
const STEPS: usize = 8;

/// A window of a recording and the class that it is looked at for.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// Its first sample in the recording; below 0 where a short recording lies between zeros.
    pub start: i64,
    /// Its samples.
    pub samples: Vec<f32>,
    /// The class.
    pub class: usize,
    /// The class's log odds.
    pub log_odds: f64,
}

/// What to look for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// The class; else the most probable one.
    pub class: Option<usize>,
    /// The first sample; else the window that is surest of the class.
    pub start: Option<i64>,
}

/// The window of `recording` that is surest of its class. Silence and unknown count only where nothing else is heard. Takes a
/// network from [`burn::module::Module::valid`].
#[must_use]
pub fn find(
    net: &Network,
    (recording, window): (&[f32], usize),
    (labels, task): (&[String], Task),
    wanted: Wanted,
    compute: &Compute,
) -> Option<Passage> {
    let starts = wanted.start.map_or_else(|| starts(recording.len(), window), |at| vec![at]);
    let windows: Vec<f32> =
        starts.iter().flat_map(|start| cut(recording, *start, window)).collect();
    let rows = logits(net, &windows, window, compute);
    let (row, class, log_odds) = choose(&rows, labels, task, wanted.class)?;
    let samples = windows[row * window..(row + 1) * window].to_vec();
    Some(Passage { start: starts[row], samples, class, log_odds })
}

/// The row of logits that is surest of a class, and its log odds.
fn choose(
    rows: &[Vec<f32>],
    labels: &[String],
    task: Task,
    class: Option<usize>,
) -> Option<(usize, usize, f64)> {
    let says = |class: usize| ![SILENCE, UNKNOWN].contains(&labels[class].as_str());
    let classes = class.map_or(0..labels.len(), |class| class..class + 1);
    let candidates = rows.iter().enumerate().flat_map(|(index, row)| {
        classes.clone().map(move |class| (index, class, log_odds(row, class, task)))
    });
    // A class counts as heard where it is more probable than not.
    let rank = |(_, class, odds): &(usize, usize, f64)| (says(*class) && *odds > 0.0, *odds);
    candidates.reduce(|best, next| if rank(&next) > rank(&best) { next } else { best })
}

/// Where windows begin: an eighth of their length apart, the last one at the end; one around a shorter recording.
fn starts(len: usize, window: usize) -> Vec<i64> {
    let Some(last) = len.checked_sub(window) else {
        return vec![-(((window - len) / 2) as i64)];
    };
    let mut starts: Vec<i64> =
        (0..last).step_by((window / STEPS).max(1)).map(|s| s as i64).collect();
    starts.push(last as i64);
    starts
}

/// The window from `start`, zeros where the recording has no samples.
fn cut(recording: &[f32], start: i64, window: usize) -> Vec<f32> {
    let sample = |index: i64| usize::try_from(index).ok().and_then(|index| recording.get(index));
    (start..start + window as i64).map(|index| sample(index).copied().unwrap_or(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use burn::module::Module as _;
    use models::arch::preset;

    use super::*;

    #[test]
    fn windows_cover_the_recording() {
        assert_eq!(starts(100, 160), [-30]);
        assert_eq!(starts(160, 160), [0]);
        assert_eq!(starts(205, 160), [0, 20, 40, 45]);
        assert_eq!(cut(&[1.0, 2.0], -1, 4), [0.0, 1.0, 2.0, 0.0]);
    }

    #[test]
    fn the_surest_word_wins_over_silence() {
        let labels = ["go", "stop", SILENCE].map(str::to_owned);
        let rows = [vec![1.0, 0.0, 9.0], vec![2.0, 5.0, 0.0], vec![0.0, 3.0, 0.0]];
        let choose = |rows: &[Vec<f32>], class| {
            let (row, class, _) = super::choose(rows, &labels, Task::MultiClass, class)?;
            Some((row, class))
        };
        assert_eq!(choose(&rows, None), Some((1, 1)));
        assert_eq!(choose(&rows, Some(0)), Some((1, 0)));
        assert_eq!(choose(&rows[..1], None), Some((0, 2)));
        assert_eq!(choose(&[], None), None);
        let odds = super::choose(&rows, &labels, Task::MultiLabel, None).unwrap();
        assert_eq!(odds, (1, 1, 5.0));
    }

    #[test]
    fn the_window_is_cut_out_of_the_recording() {
        let compute = Compute::cpu();
        let arch = preset("nano", 2).unwrap();
        let net = Network::new(&arch, 1, &compute).unwrap().valid();
        let labels = ["go", "stop"].map(str::to_owned);
        let recording: Vec<f32> = (0..20_000).map(|i| (i as f32 * 0.1).sin()).collect();
        let wanted = Wanted { class: Some(1), start: Some(1000) };
        let (sound, of) = ((recording.as_slice(), 16_000), (labels.as_slice(), Task::MultiClass));
        let found = find(&net, sound, of, wanted, &compute).unwrap();
        assert_eq!((found.class, found.start), (1, 1000));
        assert_eq!(found.samples, recording[1000..17_000]);
        let found = find(&net, sound, of, Wanted::default(), &compute).unwrap();
        assert_eq!(found.samples, recording[found.start as usize..][..16_000]);
    }
}
