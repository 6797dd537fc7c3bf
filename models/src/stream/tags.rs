//! From posteriors to tags that begin and end, any number of them at once.

use super::detect::{ClassSettings, Event, ROWS, Settings, SettingsError};
use super::q15::{ONE, Q15};
use super::smooth::Smoothing;

/// Turns the posteriors of successive windows into stretches of tags.
///
/// After each window the posteriors of the last [`Settings::smoothing`] windows are averaged. The stretch of a tag
/// begins with the first window whose average has reached the tag's threshold, once the averages of
/// [`Settings::min_count`] windows in succession have; none begins before the warm-up is over. It ends with the first window whose
/// average is below [`Settings::release`] of the threshold. Tags do not exclude each other: suppression and
/// cooldowns do not apply.
///
/// A window stands for the sample in its middle: a sound is heard by all windows that overlap it, of which as many
/// lie before it as behind it.
///
/// `M` is the memory, as of [`super::Detector`].
#[derive(Clone, Debug)]
pub struct TagDetector<M> {
    settings: Settings,
    tags: usize,
    /// The rows of the smoothing, then those of [`Row`].
    memory: M,
    smoothing: Smoothing,
    windows: u32,
    /// End of the newest window.
    end: u64,
}

/// Rows of one element a tag, behind the posteriors.
#[derive(Clone, Copy)]
enum Row {
    Threshold,
    /// Windows in succession, up to the newest one, whose average reached the threshold.
    Run,
    /// Largest average of the stretch that is under way, at least 1; 0 for none.
    Peak,
    /// The first quarter of the sample at which the run or the stretch began; the others are in the rows behind it.
    Start,
}

const QUARTERS: usize = 4;
const _: () = assert!(Row::Start as usize + QUARTERS <= ROWS);

/// What a window brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A tag has begun at [`Event::start`]; [`Event::end`] is the time of the decision.
    Begun(Event),
    /// A class was detected, or the stretch of a tag is over.
    Detected(Event),
}

impl<M: AsRef<[Q15]> + AsMut<[Q15]>> TagDetector<M> {
    /// A detector of these tags, after a reset.
    ///
    /// # Errors
    /// Settings or memory that no detector can work with.
    pub fn new(
        settings: Settings,
        tags: impl ExactSizeIterator<Item = ClassSettings>,
        memory: M,
    ) -> Result<Self, SettingsError> {
        let count = tags.len();
        settings.check(count, memory.as_ref().len())?;
        let smoothing = Smoothing::new(count, settings.smoothing);
        let (windows, end) = (0, 0);
        let mut detector = Self { settings, tags: count, memory, smoothing, windows, end };
        for (tag, ClassSettings { threshold, .. }) in tags.take(count).enumerate() {
            *detector.at(Row::Threshold, tag) = threshold;
        }
        detector.reset();
        Ok(detector)
    }

    /// Forgets everything heard: the state after [`TagDetector::new`]. Stretches under way are not told.
    pub fn reset(&mut self) {
        self.smoothing.clear(self.memory.as_mut());
        for tag in 0..self.tags {
            *self.at(Row::Run, tag) = 0;
            *self.at(Row::Peak, tag) = 0;
        }
        (self.windows, self.end) = (0, 0);
    }

    /// Takes the posteriors of the window that ends just before sample `end` and tells `each` what begins or ends
    /// with it, in the order of the tags.
    ///
    /// # Panics
    /// If there is not one posterior a tag.
    pub fn push(&mut self, posteriors: &[Q15], end: u64, mut each: impl FnMut(Change)) {
        assert_eq!(posteriors.len(), self.tags, "one posterior a tag");
        self.smoothing.push(self.memory.as_mut(), posteriors);
        self.windows = self.windows.saturating_add(1);
        self.end = end;
        let middle = end.saturating_sub(u64::from(self.settings.window / 2));
        let warm = self.windows > u32::from(self.settings.warm_up);
        for tag in 0..self.tags {
            let value = self.smoothing.mean(self.memory.as_ref(), tag);
            let threshold = *self.at(Row::Threshold, tag);
            if *self.at(Row::Run, tag) == 0 && *self.at(Row::Peak, tag) == 0 {
                self.set_start(tag, middle);
            }
            let run = self.at(Row::Run, tag);
            *run = if value >= threshold { run.saturating_add(1) } else { 0 };
            let reached = *run >= self.settings.min_count;
            let peak = *self.at(Row::Peak, tag);
            let start = self.start(tag);
            let event = |end, confidence| Event { class: tag as u16, start, end, confidence };
            if peak > 0 && value < self.settings.released(threshold) {
                *self.at(Row::Peak, tag) = 0;
                each(Change::Detected(event(middle, peak)));
            } else if peak > 0 {
                *self.at(Row::Peak, tag) = peak.max(value);
            } else if warm && reached {
                *self.at(Row::Peak, tag) = value.max(1);
                each(Change::Begun(event(end, value)));
            }
        }
    }

    /// Takes the end of the stream: tells `each` of the stretches that are under way, which end with the newest
    /// window.
    pub fn finish(&mut self, mut each: impl FnMut(Change)) {
        for tag in 0..self.tags {
            let confidence = core::mem::take(self.at(Row::Peak, tag));
            if confidence > 0 {
                let (class, start, end) = (tag as u16, self.start(tag), self.end);
                each(Change::Detected(Event { class, start, end, confidence }));
            }
        }
        self.reset();
    }

    fn at(&mut self, row: Row, tag: usize) -> &mut Q15 {
        let place = self.place(row, tag);
        &mut self.memory.as_mut()[place]
    }

    const fn place(&self, row: Row, tag: usize) -> usize {
        self.smoothing.len() + row as usize * self.tags + tag
    }

    fn start(&self, tag: usize) -> u64 {
        let rows = self.memory.as_ref()[self.place(Row::Start, tag)..].iter().step_by(self.tags);
        let quarters = rows.take(QUARTERS).enumerate();
        quarters.fold(0, |start, (at, quarter)| start | u64::from(*quarter) << (16 * at))
    }

    fn set_start(&mut self, tag: usize, start: u64) {
        let (place, tags) = (self.place(Row::Start, tag), self.tags);
        let rows = self.memory.as_mut()[place..].iter_mut().step_by(tags);
        for (at, quarter) in rows.take(QUARTERS).enumerate() {
            *quarter = (start >> (16 * at)) as u16;
        }
    }
}

impl Settings {
    /// The average below which a class that was detected is free again.
    pub(super) fn released(&self, threshold: Q15) -> Q15 {
        let half = u32::from(ONE / 2);
        let release = u32::from(threshold) * u32::from(self.release) + half;
        // The release is at most ONE, so this is at most the threshold.
        (release / u32::from(ONE)) as Q15
    }
}

#[cfg(test)]
#[path = "tags_tests.rs"]
mod tests;
