//! What one listener does, without a pointer.

use firmware_sim::Engine;
use models::q8::Model;
use models::stream::{Change, Decider, Q15};

use crate::event::{AuricleEvent, Queue};
use crate::status::AuricleStatus;

/// Engine, detector and the events that wait.
///
/// `'m` is the life of the model, `'r` that of the memory of engine and detector.
#[derive(Debug)]
pub(crate) struct Listener<'m, 'r> {
    model: &'m Model<'m>,
    engine: Engine<'m, 'r>,
    decider: Decider<&'r mut [Q15]>,
    /// Those of the newest window.
    posteriors: &'r mut [Q15],
    /// Whether there was a window since the last reset.
    heard: bool,
    hop: u32,
    queue: Queue,
}

/// Memory for the parts of a listener, of exactly the lengths that the model needs.
pub(crate) struct Memory<'r> {
    /// `memory_words` of the engine.
    pub engine: &'r mut [u32],
    /// `memory_len` of the detector.
    pub detector: &'r mut [Q15],
    /// One a class.
    pub posteriors: &'r mut [Q15],
}

impl<'m, 'r> Listener<'m, 'r> {
    pub(crate) fn new(
        model: &'m Model<'m>,
        hop: u32,
        memory: Memory<'r>,
    ) -> Result<Self, AuricleStatus> {
        let Memory { engine, detector, posteriors } = memory;
        let engine = Engine::new(model, hop, engine).map_err(|_| AuricleStatus::Memory)?;
        let decision = model.decision();
        let settings = decision.settings(model.arch().window);
        let decider = Decider::new(model.arch().task, settings, decision.classes(), detector);
        let decider = decider.map_err(|_| AuricleStatus::Memory)?;
        let queue = Queue::default();
        Ok(Self { model, engine, decider, posteriors, heard: false, hop, queue })
    }

    pub(crate) fn push(&mut self, samples: &[i16]) {
        let Self { engine, decider, posteriors, heard, queue, .. } = self;
        engine.push(samples, |values, end| {
            posteriors.copy_from_slice(values);
            *heard = true;
            decider.push(values, end, |change| {
                if let Change::Detected(event) = change {
                    queue.push(event);
                }
            });
        });
    }

    pub(crate) fn poll(&mut self) -> Option<AuricleEvent> {
        self.queue.pop()
    }

    pub(crate) fn reset(&mut self) {
        self.engine.reset();
        self.decider.reset();
        self.queue.clear();
        self.heard = false;
    }

    /// The posteriors of the newest window.
    pub(crate) fn posteriors(&self) -> Result<&[Q15], AuricleStatus> {
        if self.heard { Ok(self.posteriors) } else { Err(AuricleStatus::NoWindow) }
    }

    pub(crate) const fn model(&self) -> &'m Model<'m> {
        self.model
    }

    pub(crate) const fn hop(&self) -> u32 {
        self.hop
    }
}
