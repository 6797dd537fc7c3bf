//! The recording through the engine and the decision core.

use cortex_m_semihosting::debug;
use firmware_sim::Engine;
use models::q8::Model;
use models::stream::{Detector, Q15};

use crate::board::Counter;
use crate::constants::{DETECTOR_WORDS, ENGINE_WORDS, HOP};
use crate::report::{self, Reported};
use crate::stack::Paint;
use crate::watch::Watch;
use crate::{constants, ring};

/// Samples that the engine is given at a time.
const CHUNK: usize = 64;

/// The memory of engine and detector.
pub(crate) struct Memory {
    pub engine: &'static mut [u32; ENGINE_WORDS],
    pub detector: &'static mut [Q15; DETECTOR_WORDS],
}

pub(crate) fn main(memory: Memory) -> ! {
    let counter = cortex_m::Peripherals::take().map(|core| Counter::new(core.SYST));
    let counter = counter.expect("nothing else takes the peripherals");
    report::image();
    let status = match run(&counter, memory) {
        Ok(()) => debug::EXIT_SUCCESS,
        Err(Reported) => debug::EXIT_FAILURE,
    };
    debug::exit(status);
    panic!("the debugger lets the program go on");
}

/// Feeds the recording from the ring, and prints each window and event.
fn run(counter: &Counter, memory: Memory) -> Result<(), Reported> {
    let paint = Paint::fresh();
    let model = Model::parse(constants::model());
    // By reference: a model on the stack is enough.
    let model = model.as_ref().map_err(report::error)?;
    let mut engine = Engine::new(model, HOP, memory.engine).map_err(report::error)?;
    let decision = model.decision();
    let settings = decision.settings(model.arch().window);
    let detector = Detector::new(settings, decision.classes(), memory.detector);
    let mut detector = detector.map_err(report::error)?;
    let mut watch = Watch::new(counter);
    let mut total = Total { stack_start: paint.peak(), ..Total::default() };
    let mut since_window = 0;
    let mut samples = [0; if (HOP as usize) < CHUNK { HOP as usize } else { CHUNK }];
    loop {
        let count = ring::take(&mut samples);
        if count == 0 {
            break;
        }
        let paint = Paint::fresh();
        watch.start();
        let ((), spent) = counter.count(|| engine.push_observed(&samples[..count], &mut watch));
        since_window += spent;
        total.stack_run = total.stack_run.max(paint.peak());
        // So few samples complete one window at most.
        let Some((posteriors, end)) = watch.take() else { continue };
        report::window(end, &posteriors, since_window);
        let (event, spent) = counter.count(|| detector.push(&posteriors, end));
        total.add_window(since_window, spent);
        since_window = 0;
        if let Some(event) = event {
            let label = model.labels().nth(event.class.into()).unwrap_or_default();
            report::event(&event, label);
        }
    }
    report::total(&total);
    watch.report(total.hops());
    Ok(())
}

/// What the whole run took.
#[derive(Default)]
pub(crate) struct Total {
    pub windows: u32,
    /// Instructions of the engine for the first window.
    pub first: u64,
    /// Instructions of the engine for all later ones.
    pub later: u64,
    /// Instructions of the detector.
    pub detector: u64,
    /// Peak of the stack in bytes until the engine was ready.
    pub stack_start: usize,
    /// Peak of the stack in bytes while the engine worked.
    pub stack_run: usize,
}

impl Total {
    fn add_window(&mut self, engine: u64, detector: u64) {
        *(if self.windows == 0 { &mut self.first } else { &mut self.later }) += engine;
        self.windows += 1;
        self.detector += detector;
    }

    /// Hops after the first window: all of them cost the same.
    pub(crate) fn hops(&self) -> u64 {
        u64::from(self.windows.saturating_sub(1))
    }
}
