//! The detector for whatever a network finds.

use super::detect::{ClassSettings, Detector, Settings, SettingsError};
use super::q15::Q15;
use super::tags::{Change, TagDetector};
use crate::arch::Task;

/// Decides for networks of either task, on the memory of a [`Detector`].
#[derive(Clone, Debug)]
pub enum Decider<M> {
    /// One class at a time.
    Classes(Detector<M>),
    /// Any number of tags.
    Tags(TagDetector<M>),
}

impl<M: AsRef<[Q15]> + AsMut<[Q15]>> Decider<M> {
    /// Elements of memory that it needs.
    #[must_use]
    pub const fn memory_len(classes: usize, smoothing: u16) -> usize {
        Detector::<M>::memory_len(classes, smoothing)
    }

    /// A decider for these classes or tags, after a reset.
    ///
    /// # Errors
    /// Settings or memory that no detector can work with.
    pub fn new(
        task: Task,
        settings: Settings,
        classes: impl ExactSizeIterator<Item = ClassSettings>,
        memory: M,
    ) -> Result<Self, SettingsError> {
        Ok(match task {
            Task::MultiClass => Self::Classes(Detector::new(settings, classes, memory)?),
            Task::MultiLabel => Self::Tags(TagDetector::new(settings, classes, memory)?),
        })
    }

    /// Forgets everything heard.
    pub fn reset(&mut self) {
        match self {
            Self::Classes(detector) => detector.reset(),
            Self::Tags(detector) => detector.reset(),
        }
    }

    /// Takes the posteriors of the window that ends just before sample `end` and tells `each` what they bring about.
    ///
    /// # Panics
    /// If there is not one posterior a class.
    pub fn push(&mut self, posteriors: &[Q15], end: u64, mut each: impl FnMut(Change)) {
        match self {
            Self::Classes(detector) => {
                if let Some(event) = detector.push(posteriors, end) {
                    each(Change::Detected(event));
                }
            }
            Self::Tags(detector) => detector.push(posteriors, end, each),
        }
    }

    /// Takes the end of the stream, at which all tags end.
    pub fn finish(&mut self, each: impl FnMut(Change)) {
        match self {
            Self::Classes(_) => {}
            Self::Tags(detector) => detector.finish(each),
        }
    }
}
