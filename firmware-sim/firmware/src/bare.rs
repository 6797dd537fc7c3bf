//! The recording through the engine and the decision core, and nothing else.

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use firmware_sim::Engine;
use models::q8::Model;
use models::stream::{Detector, Q15};

use crate::constants::{self, DETECTOR_WORDS, ENGINE_WORDS, HOP};
use crate::ring;

/// The memory of engine and detector.
pub(crate) struct Memory {
    pub engine: &'static mut [u32; ENGINE_WORDS],
    pub detector: &'static mut [Q15; DETECTOR_WORDS],
}

/// What a product would show: the detections so far, and the class of the last one.
static EVENTS: AtomicU32 = AtomicU32::new(0);
static CLASS: AtomicU32 = AtomicU32::new(0);

pub(crate) fn main(memory: Memory) -> ! {
    let _ = run(memory);
    loop {
        cortex_m::asm::wfi();
    }
}

/// Feeds the recording from the ring; `None` if the model cannot be run.
fn run(memory: Memory) -> Option<()> {
    let model = Model::parse(constants::model());
    // By reference: a model on the stack is enough.
    let model = model.as_ref().ok()?;
    let mut engine = Engine::new(model, HOP, memory.engine).ok()?;
    let decision = model.decision();
    let settings = decision.settings(model.arch().window);
    let mut detector = Detector::new(settings, decision.classes(), memory.detector).ok()?;
    let mut samples = [0; 64];
    loop {
        let count = ring::take(&mut samples);
        if count == 0 {
            return Some(());
        }
        engine.push(&samples[..count], |posteriors, end| {
            if let Some(event) = detector.push(posteriors, end) {
                EVENTS.fetch_add(1, Relaxed);
                CLASS.store(event.class.into(), Relaxed);
            }
        });
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        cortex_m::asm::bkpt();
    }
}
