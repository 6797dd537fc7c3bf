//! What was told last, for a pipeline that takes over from another one: its detector does not know of that.

use models::meta::DecisionDefaults;
use models::stream::Event;

/// Remembers the last detection.
#[derive(Debug)]
pub(super) struct Told {
    decision: DecisionDefaults,
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    class: usize,
    end: u64,
    /// Whether every window since then has heard the class.
    lasts: bool,
    /// Whether a pipeline before this one has told it.
    inherited: bool,
}

impl Told {
    pub(super) fn new(decision: &DecisionDefaults) -> Self {
        Self { decision: decision.clone(), last: None }
    }

    /// Takes over what another pipeline has told; `class_here` says which class its own are here, `scale` how many samples
    /// one of its own is.
    pub(super) fn inherit(
        &mut self,
        other: &Self,
        class_here: impl Fn(usize) -> Option<usize>,
        scale: f64,
    ) {
        self.last = other.last.and_then(|last| {
            let class = class_here(last.class)?;
            let end = (last.end as f64 * scale).round() as u64;
            Some(Last { class, end, inherited: true, ..last })
        });
    }

    /// Takes the posteriors of the newest window.
    pub(super) fn hear(&mut self, posteriors: &[f32]) {
        let Some(last) = &mut self.last else { return };
        let threshold = self.decision.thresholds.get(last.class).copied().flatten();
        let least = threshold.map_or(f32::INFINITY, |threshold| threshold * self.decision.release);
        last.lasts &= posteriors.get(last.class).is_some_and(|value| *value >= least);
    }

    /// Takes a detection; tells whether it is of a sound that no pipeline before this one has told.
    pub(super) fn is_news(&mut self, event: &Event) -> bool {
        if self.last.is_some_and(|last| last.inherited && self.covers(last, event)) {
            return false;
        }
        let (class, end) = (usize::from(event.class), event.end);
        self.last = Some(Last { class, end, lasts: true, inherited: false });
        true
    }

    /// Whether the detector that has told the last detection would not tell this one.
    fn covers(&self, last: Last, event: &Event) -> bool {
        let class = usize::from(event.class);
        let cooldown = self.decision.cooldowns.get(class).copied().unwrap_or(0);
        let within = |samples: u32| event.end < last.end + u64::from(samples);
        let same_sound = last.lasts || event.start < last.end || within(cooldown);
        within(self.decision.suppression) || (class == last.class && same_sound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny_model::tiny_meta;

    const WINDOW: u64 = 1024;

    fn event(class: u16, end: u64) -> Event {
        Event { class, start: end - WINDOW, end, confidence: 1 << 15 }
    }

    /// What takes over from a pipeline that has told class 0 at sample 10 000.
    fn heir(cooldowns: Vec<u32>) -> Told {
        let decision = DecisionDefaults { suppression: 500, cooldowns, ..tiny_meta().decision };
        let mut before = Told::new(&decision);
        assert!(before.is_news(&event(0, 10_000)));
        assert!(before.is_news(&event(0, 10_100)), "its own detector has decided so");
        assert!(before.is_news(&event(0, 10_000)));
        let mut told = Told::new(&decision);
        told.inherit(&before, Some, 1.0);
        told
    }

    #[test]
    fn a_sound_that_lasts_is_told_once() {
        let mut told = heir(Vec::new());
        for end in [11_000, 30_000] {
            told.hear(&[0.9, 0.05, 0.05]);
            assert!(!told.is_news(&event(0, end)));
        }
        told.hear(&[0.1, 0.1, 0.8]);
        told.hear(&[0.9, 0.05, 0.05]);
        assert!(told.is_news(&event(0, 31_000)), "it has ended and begun again");
        assert!(told.is_news(&event(0, 31_001)), "from here on its own detector decides");
    }

    #[test]
    fn a_word_that_windows_still_hold_is_not_told_again() {
        let mut told = heir(Vec::new());
        told.hear(&[0.1, 0.1, 0.8]);
        assert!(!told.is_news(&event(0, 10_000 + WINDOW - 1)));
        assert!(told.is_news(&event(0, 10_000 + WINDOW)));
    }

    #[test]
    fn suppression_and_cooldown_go_on() {
        let mut told = heir(vec![2000, 0, 0]);
        told.hear(&[0.1, 0.1, 0.8]);
        assert!(!told.is_news(&event(1, 10_499)));
        assert!(!told.is_news(&event(0, 11_999)));
        assert!(told.is_news(&event(1, 10_500)));
        assert!(heir(Vec::new()).is_news(&event(1, 10_500)));
    }

    #[test]
    fn classes_and_rates_may_be_others() {
        let (before, decision) = (heir(Vec::new()), tiny_meta().decision);
        let mut told = Told::new(&decision);
        told.inherit(&before, |class| (class == 0).then_some(1), 0.5);
        assert!(!told.is_news(&event(1, 5500)));
        told.inherit(&before, |_| None, 0.5);
        assert!(told.is_news(&event(1, 5500)));
    }
}
