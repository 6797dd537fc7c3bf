//! Detections, and the queue in which they wait.

use models::stream::Event;

/// Events that a listener keeps for `auricle_poll`; the oldest one goes when there are more.
pub const AURICLE_EVENTS: usize = 8;

/// One detection. Times are counts of samples since the start or the last reset.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuricleEvent {
    /// First sample of the window that decided; of a tag where it begins.
    pub start: u64,
    /// The sample after that window's last one: the time of the decision; of a tag where it ends.
    pub end: u64,
    /// Events before this one that nobody polled in time.
    pub lost: u32,
    /// Index of the class; `auricle_label` has its name.
    pub class_index: u16,
    /// Averaged posterior in units of 1/32768: 32768 is certain.
    pub confidence: u16,
}

/// The newest events that nobody polled yet.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: heapless::Deque<Event, AURICLE_EVENTS>,
    lost: u32,
}

impl Queue {
    pub(crate) fn push(&mut self, event: Event) {
        if self.events.is_full() {
            self.events.pop_front();
            self.lost = self.lost.saturating_add(1);
        }
        let pushed = self.events.push_back(event);
        debug_assert!(pushed.is_ok(), "there is room for one");
    }

    pub(crate) fn pop(&mut self) -> Option<AuricleEvent> {
        let Event { class, start, end, confidence } = self.events.pop_front()?;
        let lost = core::mem::take(&mut self.lost);
        Some(AuricleEvent { start, end, lost, class_index: class, confidence })
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
