//! Posteriors averaged once, for all the thresholds that are tried with one smoothing.

use models::meta::DecisionDefaults;
use models::stream::{ClassSettings, Detector, Event, NEVER, ONE, Q15, SettingsError};

use super::listen::Posteriors;

/// The averages of every window, in which the classes that are never detected are one.
///
/// Of those classes only one thing matters: whether the largest of them is larger than any other. So a decision
/// costs as much as there are classes to be detected, however many more the network knows.
#[derive(Clone, Debug)]
pub struct Averages {
    window: u32,
    hop: u32,
    smoothing: u16,
    /// Classes that are detected.
    detected: Vec<u16>,
    /// `[windows, detected + 1]`; last what the others hold against them.
    rows: Vec<Q15>,
}

impl Averages {
    /// Averages with the smoothing of these settings; the classes with a threshold are those to be detected.
    ///
    /// # Errors
    /// Settings that no detector can work with.
    pub fn new(
        posteriors: &Posteriors,
        decision: &DecisionDefaults,
    ) -> Result<Self, SettingsError> {
        let (window, hop, classes) = (posteriors.window(), posteriors.hop(), posteriors.classes());
        let settings = decision.settings(window);
        let silent = ClassSettings { threshold: NEVER, cooldown: 0 };
        let memory = Detector::<Vec<Q15>>::memory_len(classes, settings.smoothing);
        let mut detector =
            Detector::new(settings, std::iter::repeat_n(silent, classes), vec![0; memory])?;
        let is_detected =
            |class: usize| decision.thresholds.get(class).copied().flatten().is_some();
        let detected: Vec<usize> = (0..classes).filter(|class| is_detected(*class)).collect();
        let mut rows = Vec::with_capacity(posteriors.windows() * (detected.len() + 1));
        for row in posteriors.rows() {
            detector.push(row, 0);
            rows.extend(detected.iter().map(|class| detector.smoothed(*class)));
            // Of equals the first is the largest, as the detector has it.
            let largest = (0..classes).rev().max_by_key(|class| detector.smoothed(*class));
            let other = largest.filter(|class| !is_detected(*class));
            rows.push(other.map_or(0, |class| (detector.smoothed(class) + 1).min(ONE)));
        }
        let detected = detected.into_iter().map(|class| class as u16).collect();
        Ok(Self { window, hop, smoothing: settings.smoothing, detected, rows })
    }

    /// What the decision core makes of them with thresholds, suppression, counts and release of these settings,
    /// whose smoothing and classes are those of [`Averages::new`].
    ///
    /// # Errors
    /// Settings that no detector can work with.
    pub fn events(&self, decision: &DecisionDefaults) -> Result<Vec<Event>, SettingsError> {
        debug_assert_eq!(decision.smoothing, self.smoothing, "averaged over as many windows");
        let settings = models::stream::Settings { smoothing: 1, ..decision.settings(self.window) };
        let columns = self.detected.len() + 1;
        let all: Vec<ClassSettings> = decision.classes().collect();
        let own = self.detected.iter().map(|class| all[usize::from(*class)]);
        let others = ClassSettings { threshold: NEVER, cooldown: 0 };
        let classes: Vec<ClassSettings> = own.chain([others]).collect();
        let memory = vec![0; Detector::<Vec<Q15>>::memory_len(columns, 1)];
        let mut detector = Detector::new(settings, classes.into_iter(), memory)?;
        let ends = (u64::from(self.window)..).step_by(self.hop.max(1) as usize);
        let rows = self.rows.chunks_exact(columns).zip(ends);
        let events = rows.filter_map(|(row, end)| detector.push(row, end));
        let named =
            |event: Event| Event { class: self.detected[usize::from(event.class)], ..event };
        Ok(events.map(named).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a detector of all classes makes of all posteriors.
    fn plain(posteriors: &Posteriors, decision: &DecisionDefaults) -> Vec<Event> {
        let settings = decision.settings(posteriors.window());
        let len = Detector::<Vec<Q15>>::memory_len(posteriors.classes(), settings.smoothing);
        let mut detector = Detector::new(settings, decision.classes(), vec![0; len]).unwrap();
        let ends = (u64::from(posteriors.window())..).step_by(posteriors.hop() as usize);
        let rows = posteriors.rows().zip(ends);
        rows.filter_map(|(row, end)| detector.push(row, end)).collect()
    }

    proptest! {
        /// Few values, so that many are equal.
        #[test]
        fn events_are_those_of_all_classes(
            values in prop::collection::vec(0..8_u16, 5 * 60),
            thresholds in prop::collection::vec(prop::option::of(0.05_f32..0.5), 5),
            (smoothing, min_count) in (1..4_u16, 1..3_u16),
            (suppression, cooldown, release) in (0..400_u32, 0..900_u32, 0.5_f32..1.0),
        ) {
            let rows = values.iter().map(|value| value * 2300).collect();
            let posteriors = Posteriors::new(1000, 100, 5, rows);
            let cooldowns = vec![cooldown; 5];
            let warm_up = 2;
            let decision = DecisionDefaults {
                hop: 100, smoothing, min_count, release, warm_up, suppression, cooldowns, gate: 0, thresholds,
            };
            let averages = Averages::new(&posteriors, &decision).unwrap();
            prop_assert_eq!(averages.events(&decision).unwrap(), plain(&posteriors, &decision));
        }
    }
}
