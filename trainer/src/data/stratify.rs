//! A split drawn 80/10/10 within every class, whole speakers at a time.
//!
//! Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011, "On the stratification of
//! multi-label data"), with a speaker in the place of an example and its clips' classes in the
//! place of the labels: the scarcest class is distributed first, each speaker to the part that
//! lacks most of that class.

use std::collections::BTreeMap;

use rand::seq::SliceRandom as _;

use super::split::{Task, check};
use super::{DataError, Part};
use crate::draw;

/// Wanted shares of the parts, in the order of [`Part::ALL`].
const SHARES: [f64; 3] = [0.8, 0.1, 0.1];
/// Each part must have a clip of each class, first those parts that get few.
const COVERED_FIRST: [usize; 3] = [1, 2, 0];
/// Draws until it is given up that every class gets into every part.
const ATTEMPTS: u64 = 32;

const MORE_CLIPS: &str = "record at least 3, or leave the class out";
const MORE_SPEAKERS: &str =
    "record at least 3 speakers, or list clips in validation_list.txt and testing_list.txt";

/// One part an item, drawn by the task's seed.
pub(crate) fn stratified(task: &Task<'_>) -> Result<Vec<Part>, DataError> {
    let groups = Groups::new(task);
    groups.check_sizes(task)?;
    let mut result = Ok(Vec::new());
    for attempt in 0..ATTEMPTS {
        let parts = groups.draw(task, attempt);
        result = check(task, &parts, MORE_SPEAKERS).map(|()| parts);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Clips that must stay together: those of one speaker or original recording, or a clip of an unknown one.
struct Groups {
    /// Items of each group.
    members: Vec<Vec<usize>>,
    /// Clips of each group in each class.
    counts: Vec<Vec<usize>>,
    /// Clips in each class.
    totals: Vec<usize>,
}

impl Groups {
    fn new(task: &Task<'_>) -> Self {
        let mut by_key: BTreeMap<(bool, &str), Vec<usize>> = BTreeMap::new();
        for (index, item) in task.items.iter().enumerate() {
            let source = task.source(item.name);
            let key = (source.is_some(), source.unwrap_or(item.name));
            by_key.entry(key).or_default().push(index);
        }
        let members: Vec<Vec<usize>> = by_key.into_values().collect();
        let count = |items: &Vec<usize>| {
            let mut counts = vec![0; task.labels.len()];
            items.iter().for_each(|&item| counts[task.items[item].class] += 1);
            counts
        };
        let counts: Vec<Vec<usize>> = members.iter().map(count).collect();
        let totals =
            (0..task.labels.len()).map(|class| counts.iter().map(|c| c[class]).sum()).collect();
        Self { members, counts, totals }
    }

    /// Every class needs three groups, one a part.
    fn check_sizes(&self, task: &Task<'_>) -> Result<(), DataError> {
        for (class, label) in task.labels.iter().enumerate() {
            let groups = self.counts.iter().filter(|counts| counts[class] > 0).count();
            if groups >= Part::ALL.len() || task.exempt == Some(class) {
                continue;
            }
            let clips = self.totals[class];
            let (has, remedy) = if groups == clips {
                (plural(clips, "clip"), MORE_CLIPS)
            } else {
                let has = format!("{} by {}", plural(clips, "clip"), plural(groups, "speaker"));
                (has, MORE_SPEAKERS)
            };
            return Err(DataError::TooFewClips { class: label.clone(), has, remedy });
        }
        Ok(())
    }

    fn draw(&self, task: &Task<'_>, attempt: u64) -> Vec<Part> {
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        order.shuffle(&mut draw::rng(task.seed, "split", &[attempt]));
        let mut state = Assignment::new(self);
        while let Some(class) = state.scarcest(&order) {
            state.distribute(class, &order);
        }
        let mut parts = vec![Part::Training; task.items.len()];
        for (items, part) in self.members.iter().zip(&state.part_of) {
            for &item in items {
                parts[item] = part.map_or(Part::Training, |part| Part::ALL[part]);
            }
        }
        parts
    }
}

/// A split in the making.
struct Assignment<'a> {
    groups: &'a Groups,
    part_of: Vec<Option<usize>>,
    /// Clips each part has of each class.
    have: [Vec<usize>; 3],
}

impl<'a> Assignment<'a> {
    fn new(groups: &'a Groups) -> Self {
        let none = vec![0; groups.totals.len()];
        let have = [none.clone(), none.clone(), none];
        Self { groups, part_of: vec![None; groups.members.len()], have }
    }

    /// Groups with clips of `class` that have no part yet, in the order given.
    fn open(&self, class: usize, order: &[usize]) -> Vec<usize> {
        let is_open =
            |&group: &usize| self.part_of[group].is_none() && self.groups.counts[group][class] > 0;
        order.iter().copied().filter(is_open).collect()
    }

    /// The class with the fewest clips to distribute.
    fn scarcest(&self, order: &[usize]) -> Option<usize> {
        let left = |class: usize| -> usize {
            self.open(class, order).iter().map(|&group| self.groups.counts[group][class]).sum()
        };
        let classes = (0..self.groups.totals.len()).map(|class| (left(class), class));
        classes.filter(|(left, _)| *left > 0).min().map(|(_, class)| class)
    }

    fn distribute(&mut self, class: usize, order: &[usize]) {
        let mut open = self.open(class, order);
        let size = |group: usize| self.groups.counts[group][class];
        for part in COVERED_FIRST {
            if self.have[part][class] > 0 {
                continue;
            }
            let wanted = self.lack(part, class).max(1.0);
            let distance = |group: usize| (size(group) as f64 - wanted).abs();
            let best =
                (0..open.len()).min_by(|&a, &b| distance(open[a]).total_cmp(&distance(open[b])));
            if let Some(best) = best {
                self.assign(open.remove(best), part);
            }
        }
        open.sort_by_key(|&group| std::cmp::Reverse(size(group)));
        for group in open {
            let neediest = (0..3).rev().max_by(|&a, &b| {
                let lack = |part| self.lack(part, class);
                lack(a).total_cmp(&lack(b))
            });
            self.assign(group, neediest.unwrap_or(0));
        }
    }

    /// Clips of `class` that `part` should get yet.
    fn lack(&self, part: usize, class: usize) -> f64 {
        SHARES[part] * self.groups.totals[class] as f64 - self.have[part][class] as f64
    }

    fn assign(&mut self, group: usize, part: usize) {
        self.part_of[group] = Some(part);
        for (have, count) in self.have[part].iter_mut().zip(&self.groups.counts[group]) {
            *have += count;
        }
    }
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::split::Item;
    use proptest::prelude::*;
    use std::collections::{BTreeSet, HashMap};
    use std::path::Path;

    fn run(names: &[(String, usize)], classes: usize, seed: u64) -> Result<Vec<Part>, DataError> {
        let labels: Vec<String> = (0..classes).map(|class| format!("c{class}")).collect();
        let items: Vec<Item<'_>> =
            names.iter().map(|(name, class)| Item { name, class: *class }).collect();
        let found = BTreeSet::new();
        let (exempt, has_background, strict) = (None, false, false);
        let (dir, labels, items, found) = (Path::new(""), &labels, &items, &found);
        let (folds, fold) = (&BTreeMap::new(), 1);
        stratified(&Task {
            dir,
            labels,
            exempt,
            items,
            found,
            folds,
            fold,
            has_background,
            strict,
            seed,
        })
    }

    fn count(parts: &[Part], part: Part) -> usize {
        parts.iter().filter(|&&p| p == part).count()
    }

    #[test]
    fn clips_without_speakers_are_cut_80_10_10_in_every_class() {
        let names: Vec<_> = (0..150).map(|n| (format!("c{}/{n}.wav", n % 2), n % 2)).collect();
        let parts = run(&names, 2, 1).unwrap();
        for class in 0..2 {
            let parts: Vec<Part> = (0..150).filter(|n| n % 2 == class).map(|n| parts[n]).collect();
            assert!((59..=61).contains(&count(&parts, Part::Training)));
            assert!((7..=8).contains(&count(&parts, Part::Validation)));
        }
        assert_eq!(parts, run(&names, 2, 1).unwrap());
        assert_ne!(parts, run(&names, 2, 2).unwrap());
    }

    #[test]
    fn too_few_clips_or_speakers_are_named() {
        let mut names: Vec<_> = (0..9).map(|n| (format!("c0/{n}.wav"), 0)).collect();
        names.extend((0..2).map(|n| (format!("c1/{n}.wav"), 1)));
        let message = run(&names, 2, 0).unwrap_err().to_string();
        assert!(message.starts_with("class `c1` has 2 clips, too few"), "{message}");
        names.extend((0..7).map(|n| (format!("c1/x_nohash_{n}.wav"), 1)));
        names.retain(|(name, _)| name != "c1/0.wav");
        let message = run(&names, 2, 0).unwrap_err().to_string();
        assert!(message.starts_with("class `c1` has 8 clips by 2 speakers"), "{message}");
        let message = run(&names[..9], 2, 0).unwrap_err().to_string();
        assert!(message.starts_with("class `c1` has 0 clips"), "{message}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn speakers_stay_together_and_classes_are_everywhere(
            speakers in 3..40usize, classes in 1..6usize, takes in 1..4usize, seed: u64,
        ) {
            let mut names = Vec::new();
            for speaker in 0..speakers {
                for class in 0..classes {
                    for take in 0..takes {
                        names.push((format!("c{class}/s{speaker}_nohash_{take}.wav"), class));
                    }
                }
            }
            let parts = run(&names, classes, seed).unwrap();
            let mut part_of = HashMap::new();
            for ((name, _), part) in names.iter().zip(&parts) {
                let speaker = crate::data::scan::speaker(name).unwrap();
                prop_assert_eq!(part_of.entry(speaker).or_insert(*part), part);
            }
            let expected = (speakers as f64 * 0.1).round().max(1.0) as usize;
            let validation = part_of.values().filter(|&&part| part == Part::Validation).count();
            prop_assert!(validation.abs_diff(expected) <= 1, "{} of {}", validation, speakers);
        }
    }
}
