//! From posteriors to detections: smoothing, threshold, suppression, warm-up.

use core::fmt;

use super::q15::{ONE, Q15};

/// How posteriors become detections. Lengths are in windows or samples, never in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Samples of a window, from which an event's start follows.
    pub window: u32,
    /// Windows averaged. Windows that have not arrived yet count as zero, so that a
    /// detection needs as much evidence just after a reset as at any other time.
    pub smoothing: u16,
    /// Windows after a reset in which nothing is detected.
    pub warm_up: u16,
    /// Samples after a detection in which nothing else is detected.
    pub suppression: u32,
}

/// Why a [`Detector`] cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// No windows to average.
    NoSmoothing,
    /// No classes.
    NoClasses,
    /// The memory handed in is too short.
    Memory {
        /// Elements needed.
        needed: usize,
    },
}

impl core::error::Error for SettingsError {}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSmoothing => write!(f, "smoothing must average at least 1 window"),
            Self::NoClasses => write!(f, "there are no classes to detect"),
            Self::Memory { needed } => write!(f, "the detector needs {needed} elements of memory"),
        }
    }
}

/// One detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Index of the class.
    pub class: u16,
    /// First sample of the window that decided, counted from the last reset.
    pub start: u64,
    /// The sample after that window's last one: the time of the decision.
    pub end: u64,
    /// Smoothed posterior.
    pub confidence: Q15,
}

/// Turns the posteriors of successive windows into events.
///
/// After each window the posteriors of the last [`Settings::smoothing`] windows are averaged. The
/// class with the largest average is detected if the average reaches the class's threshold, the
/// warm-up is over, [`Settings::suppression`] samples have passed since the last event, and the
/// class has been below its threshold since its own last event: one word heard in many windows
/// is one event.
///
/// `M` is the memory: [`Detector::memory_len`] elements, handed in by the caller. Averages are
/// exact integers, rounded once (halves up).
#[derive(Clone, Debug)]
pub struct Detector<M> {
    settings: Settings,
    classes: usize,
    /// `smoothing` rows of `classes` posteriors (a ring), then one row of thresholds, then one of
    /// latches (1 while the class has not been below its threshold since its last event).
    memory: M,
    /// Row of the ring that the next window overwrites.
    next: usize,
    windows: u32,
    last_event: Option<u64>,
}

impl<M: AsRef<[Q15]> + AsMut<[Q15]>> Detector<M> {
    /// Elements of memory that a detector needs.
    #[must_use]
    pub const fn memory_len(classes: usize, smoothing: u16) -> usize {
        classes * (smoothing as usize + 2)
    }

    /// A detector with one threshold a class ([`super::NEVER`] for classes that are no events,
    /// such as silence), after a reset.
    ///
    /// # Errors
    /// Settings or memory that no detector can work with.
    pub fn new(settings: Settings, thresholds: &[Q15], memory: M) -> Result<Self, SettingsError> {
        let classes = thresholds.len();
        if settings.smoothing == 0 {
            return Err(SettingsError::NoSmoothing);
        }
        if classes == 0 || classes > usize::from(u16::MAX) {
            return Err(SettingsError::NoClasses);
        }
        let needed = Self::memory_len(classes, settings.smoothing);
        if memory.as_ref().len() < needed {
            return Err(SettingsError::Memory { needed });
        }
        let (next, windows, last_event) = (0, 0, None);
        let mut detector = Self { settings, classes, memory, next, windows, last_event };
        let history = detector.history_len();
        detector.memory.as_mut()[history..history + classes].copy_from_slice(thresholds);
        detector.reset();
        Ok(detector)
    }

    /// Forgets everything heard: the state after [`Detector::new`].
    pub fn reset(&mut self) {
        let (history, classes) = (self.history_len(), self.classes);
        let memory = self.memory.as_mut();
        memory[..history].fill(0);
        memory[history + classes..history + 2 * classes].fill(0);
        (self.next, self.windows, self.last_event) = (0, 0, None);
    }

    /// Takes the posteriors of the window that ends just before sample `end` and returns the
    /// event that they complete, if any.
    ///
    /// # Panics
    /// If there is not one posterior a class.
    pub fn push(&mut self, posteriors: &[Q15], end: u64) -> Option<Event> {
        assert_eq!(posteriors.len(), self.classes, "one posterior a class");
        let row = self.next * self.classes;
        let slots = &mut self.memory.as_mut()[row..row + self.classes];
        for (slot, posterior) in slots.iter_mut().zip(posteriors) {
            *slot = (*posterior).min(ONE);
        }
        self.next = (self.next + 1) % usize::from(self.settings.smoothing);
        self.windows = self.windows.saturating_add(1);
        self.decide(end)
    }

    /// The smoothed posterior of a class.
    ///
    /// # Panics
    /// If there is no such class.
    #[must_use]
    pub fn smoothed(&self, class: usize) -> Q15 {
        assert!(class < self.classes, "there are {} classes", self.classes);
        let history = &self.memory.as_ref()[..self.history_len()];
        let sum: u32 =
            history.iter().skip(class).step_by(self.classes).map(|p| u32::from(*p)).sum();
        let count = u32::from(self.settings.smoothing);
        // At most ONE, because every term is.
        ((sum + count / 2) / count) as Q15
    }

    fn decide(&mut self, end: u64) -> Option<Event> {
        let thresholds = self.history_len();
        let latches = thresholds + self.classes;
        let mut best: Option<(usize, Q15)> = None;
        for class in 0..self.classes {
            let value = self.smoothed(class);
            let memory = self.memory.as_mut();
            if value < memory[thresholds + class] {
                memory[latches + class] = 0;
            }
            if best.is_none_or(|(_, largest)| value > largest) {
                best = Some((class, value));
            }
        }
        let (class, confidence) = best?;
        let memory = self.memory.as_mut();
        let quiet = self
            .last_event
            .is_none_or(|last| end.saturating_sub(last) >= u64::from(self.settings.suppression));
        let warm = self.windows > u32::from(self.settings.warm_up);
        let reached = confidence >= memory[thresholds + class] && memory[latches + class] == 0;
        if !(quiet && warm && reached) {
            return None;
        }
        memory[latches + class] = 1;
        self.last_event = Some(end);
        let start = end.saturating_sub(u64::from(self.settings.window));
        Some(Event { class: class as u16, start, end, confidence })
    }

    fn history_len(&self) -> usize {
        self.classes * usize::from(self.settings.smoothing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NEVER, from_f32};
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    const HOP: u64 = 10;

    fn settings() -> Settings {
        Settings { window: 40, smoothing: 2, warm_up: 0, suppression: 30 }
    }

    fn detector(settings: Settings) -> Detector<Vec<Q15>> {
        let thresholds = [from_f32(0.6), from_f32(0.6), NEVER];
        let memory = vec![77; Detector::<Vec<Q15>>::memory_len(3, settings.smoothing)];
        Detector::new(settings, &thresholds, memory).unwrap()
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
    fn impossible_settings_are_refused() {
        let make = |settings, thresholds: &[Q15], len| {
            Detector::new(settings, thresholds, vec![0; len]).err()
        };
        let no_smoothing = Settings { smoothing: 0, ..settings() };
        assert_eq!(make(no_smoothing, &[1], 9), Some(SettingsError::NoSmoothing));
        assert_eq!(make(settings(), &[], 9), Some(SettingsError::NoClasses));
        assert_eq!(make(settings(), &[1, 2], 7), Some(SettingsError::Memory { needed: 8 }));
        assert_eq!(make(settings(), &[1, 2], 8), None);
    }

    proptest! {
        #[test]
        fn never_panics_never_fires_twice_in_suppression(
            posteriors in prop::collection::vec(prop::array::uniform3(any::<u16>()), 0..100),
            smoothing in 1..6u16, suppression in 0..100u32, warm_up in 0..5u16,
        ) {
            let settings = Settings { window: 40, smoothing, warm_up, suppression };
            let mut detector = detector(settings);
            let mut last: Option<u64> = None;
            for (index, values) in posteriors.iter().enumerate() {
                let end = 40 + HOP * index as u64;
                if let Some(event) = detector.push(values, end) {
                    prop_assert!(index >= usize::from(warm_up));
                    prop_assert!(event.confidence <= ONE && event.class != 2);
                    prop_assert!(last.is_none_or(|l| end - l >= u64::from(suppression)));
                    last = Some(end);
                }
            }
        }
    }
}
