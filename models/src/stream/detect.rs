//! From posteriors to detections: smoothing, threshold, minimum count, hysteresis, suppression, cooldown,
//! warm-up.

use core::fmt;

use super::q15::{ONE, Q15};
use super::smooth::Smoothing;

/// How posteriors become detections. Lengths are in windows or samples, never in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Samples of a window, from which an event's start follows.
    pub window: u32,
    /// Windows averaged. Windows that have not arrived yet count as zero, so that a
    /// detection needs as much evidence just after a reset as at any other time.
    pub smoothing: u16,
    /// Windows in succession whose average reaches the class's threshold before the class is detected.
    pub min_count: u16,
    /// The share of its threshold below which the average of a detected class must fall before the class can be
    /// detected again (hysteresis). [`ONE`]: the threshold itself.
    pub release: Q15,
    /// Windows after a reset in which nothing is detected.
    pub warm_up: u16,
    /// Samples after a detection in which nothing else is detected.
    pub suppression: u32,
}

/// What is a class's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassSettings {
    /// Smallest average of a detection; [`super::NEVER`] for classes that are no events, such as silence.
    pub threshold: Q15,
    /// Samples after a detection of the class in which it is not detected again. What is shorter than
    /// [`Settings::suppression`] makes no difference.
    pub cooldown: u32,
}

/// Why a [`Detector`] cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// No windows to average.
    NoSmoothing,
    /// No windows to count.
    NoCount,
    /// A release at which a class is never free again, or one above its threshold.
    Release,
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
            Self::NoCount => write!(f, "a detection needs at least 1 window"),
            Self::Release => write!(f, "the release must be more than 0 and at most 1"),
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
    /// First sample of the window that decided, counted from the last reset; of a tag the sample at which it begins.
    pub start: u64,
    /// The sample after that window's last one: the time of the decision; of a tag the sample at which it ends.
    pub end: u64,
    /// Smoothed posterior.
    pub confidence: Q15,
}

/// Turns the posteriors of successive windows into events.
///
/// After each window the posteriors of the last [`Settings::smoothing`] windows are averaged. The
/// class with the largest average is detected if
///
/// - its average has reached its threshold in each of the last [`Settings::min_count`] windows,
/// - the warm-up is over, and [`Settings::suppression`] samples have passed since the last event,
/// - since its own last event [`ClassSettings::cooldown`] samples have passed and its average has once been below
///   [`Settings::release`] of its threshold: one word heard in many windows is one event.
///
/// Averages and counts go on in the warm-up, the suppression and the cooldown: what is still there when they
/// end is detected then. After a reset all of them are zero.
///
/// `M` is the memory: [`Detector::memory_len`] elements, handed in by the caller. Averages are
/// exact integers, rounded once (halves up).
#[derive(Clone, Debug)]
pub struct Detector<M> {
    settings: Settings,
    classes: usize,
    /// `smoothing` rows of `classes` posteriors (a ring), then the rows of [`Row`].
    memory: M,
    smoothing: Smoothing,
    windows: u32,
    /// End of the newest window.
    end: u64,
    /// Samples of the suppression that are left.
    suppressed: u32,
}

/// Rows of one element a class, behind the posteriors.
#[derive(Clone, Copy)]
enum Row {
    Threshold,
    /// Windows in succession, up to the newest one, whose average reached the threshold.
    Run,
    /// 1 while the class has not been released since its last event.
    Latch,
    /// The lower half of the cooldown; the upper one is in the row behind it.
    Cooldown,
    /// The same of what is left of it.
    Left = Self::Cooldown as isize + 2,
}

/// Rows behind the posteriors.
pub(super) const ROWS: usize = Row::Left as usize + 2;

impl Settings {
    /// Whether a detector of so many classes can work with them and with so many elements of memory.
    pub(super) const fn check(&self, classes: usize, memory: usize) -> Result<(), SettingsError> {
        if self.smoothing == 0 {
            return Err(SettingsError::NoSmoothing);
        }
        if self.min_count == 0 {
            return Err(SettingsError::NoCount);
        }
        if self.release == 0 || self.release > ONE {
            return Err(SettingsError::Release);
        }
        if classes == 0 || classes > u16::MAX as usize {
            return Err(SettingsError::NoClasses);
        }
        let needed = classes * (self.smoothing as usize + ROWS);
        if memory < needed {
            return Err(SettingsError::Memory { needed });
        }
        Ok(())
    }
}

impl<M: AsRef<[Q15]> + AsMut<[Q15]>> Detector<M> {
    /// Elements of memory that a detector needs.
    #[must_use]
    pub const fn memory_len(classes: usize, smoothing: u16) -> usize {
        classes * (smoothing as usize + ROWS)
    }

    /// A detector of these classes, after a reset.
    ///
    /// # Errors
    /// Settings or memory that no detector can work with.
    pub fn new(
        settings: Settings,
        classes: impl ExactSizeIterator<Item = ClassSettings>,
        memory: M,
    ) -> Result<Self, SettingsError> {
        let count = classes.len();
        settings.check(count, memory.as_ref().len())?;
        let smoothing = Smoothing::new(count, settings.smoothing);
        let (windows, end, suppressed) = (0, 0, 0);
        let mut detector =
            Self { settings, classes: count, memory, smoothing, windows, end, suppressed };
        for (class, ClassSettings { threshold, cooldown }) in classes.take(count).enumerate() {
            *detector.at(Row::Threshold, class) = threshold;
            detector.set_long(Row::Cooldown, class, cooldown);
        }
        detector.reset();
        Ok(detector)
    }

    /// Forgets everything heard: the state after [`Detector::new`].
    pub fn reset(&mut self) {
        self.smoothing.clear(self.memory.as_mut());
        for class in 0..self.classes {
            *self.at(Row::Run, class) = 0;
            *self.at(Row::Latch, class) = 0;
            self.set_long(Row::Left, class, 0);
        }
        (self.windows, self.end, self.suppressed) = (0, 0, 0);
    }

    /// Takes the posteriors of the window that ends just before sample `end` and returns the
    /// event that they complete, if any. A window that nobody computed, because it is quiet
    /// ([`super::Gate`]), counts as one whose posteriors are all 0.
    ///
    /// # Panics
    /// If there is not one posterior a class.
    pub fn push(&mut self, posteriors: &[Q15], end: u64) -> Option<Event> {
        assert_eq!(posteriors.len(), self.classes, "one posterior a class");
        self.smoothing.push(self.memory.as_mut(), posteriors);
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
        self.smoothing.mean(self.memory.as_ref(), class)
    }

    fn decide(&mut self, end: u64) -> Option<Event> {
        let passed = u32::try_from(end.saturating_sub(self.end)).unwrap_or(u32::MAX);
        self.end = end;
        self.suppressed = self.suppressed.saturating_sub(passed);
        let mut best: Option<(usize, Q15)> = None;
        for class in 0..self.classes {
            let value = self.smoothed(class);
            self.follow(class, value, passed);
            if best.is_none_or(|(_, largest)| value > largest) {
                best = Some((class, value));
            }
        }
        let (class, confidence) = best?;
        let warm = self.windows > u32::from(self.settings.warm_up);
        let free = *self.at(Row::Latch, class) == 0 && self.long(Row::Left, class) == 0;
        let reached = *self.at(Row::Run, class) >= self.settings.min_count;
        if !(warm && self.suppressed == 0 && free && reached) {
            return None;
        }
        *self.at(Row::Latch, class) = 1;
        let cooldown = self.long(Row::Cooldown, class);
        self.set_long(Row::Left, class, cooldown);
        self.suppressed = self.settings.suppression;
        let start = end.saturating_sub(u64::from(self.settings.window));
        Some(Event { class: class as u16, start, end, confidence })
    }

    /// Counts on for a class whose average is now `value`, so many samples after the last window.
    fn follow(&mut self, class: usize, value: Q15, passed: u32) {
        let threshold = *self.at(Row::Threshold, class);
        let run = self.at(Row::Run, class);
        *run = if value >= threshold { run.saturating_add(1) } else { 0 };
        if value < self.settings.released(threshold) {
            *self.at(Row::Latch, class) = 0;
        }
        let left = self.long(Row::Left, class).saturating_sub(passed);
        self.set_long(Row::Left, class, left);
    }

    fn at(&mut self, row: Row, class: usize) -> &mut Q15 {
        let place = self.smoothing.len() + row as usize * self.classes + class;
        &mut self.memory.as_mut()[place]
    }

    /// A number of which `row` and the row behind it hold the halves.
    fn long(&self, row: Row, class: usize) -> u32 {
        let place = self.smoothing.len() + row as usize * self.classes + class;
        let memory = self.memory.as_ref();
        u32::from(memory[place]) | u32::from(memory[place + self.classes]) << 16
    }

    fn set_long(&mut self, row: Row, class: usize, value: u32) {
        let place = self.smoothing.len() + row as usize * self.classes + class;
        let classes = self.classes;
        let memory = self.memory.as_mut();
        memory[place] = value as u16;
        memory[place + classes] = (value >> 16) as u16;
    }
}

#[cfg(test)]
#[path = "detect_tests.rs"]
mod tests;
