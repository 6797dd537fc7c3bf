//! The recording through the engine and the decision core.

use firmware_sim::Engine;
use models::q8::Model;
use models::stream::{Detector, Q15};

use crate::board::Counter;
use crate::constants::{self, CLASSES, HOP};
use crate::report::{self, Reported};
use crate::stack::Paint;
use crate::watch::Watch;

/// Feeds the recording hop by hop, and prints each window and event.
pub(crate) fn run(
    counter: &Counter,
    engine_memory: &mut [u32],
    detector_memory: &mut [Q15],
) -> Result<(), Reported> {
    let paint = Paint::fresh();
    let model = Model::parse(constants::model()).map_err(report::error)?;
    let mut engine = Engine::new(&model, HOP, engine_memory).map_err(report::error)?;
    let mut thresholds = [0; CLASSES];
    thresholds.iter_mut().zip(model.decision().thresholds()).for_each(|(to, from)| *to = from);
    let settings = model.decision().settings(model.arch().window);
    let mut detector =
        Detector::new(settings, &thresholds, detector_memory).map_err(report::error)?;
    let mut watch = Watch::new(counter);
    let mut total = Total { stack_start: paint.peak(), ..Total::default() };
    let mut since_window = 0;
    for samples in constants::recording().chunks(HOP as usize) {
        let paint = Paint::fresh();
        watch.start();
        let ((), spent) = counter.count(|| engine.push_observed(samples, &mut watch));
        since_window += spent;
        total.engine += spent;
        total.stack_run = total.stack_run.max(paint.peak());
        // A hop of samples completes one window at most.
        let Some((posteriors, end)) = watch.take() else { continue };
        report::window(end, &posteriors, since_window);
        since_window = 0;
        total.windows += 1;
        let (event, spent) = counter.count(|| detector.push(&posteriors, end));
        total.detector += spent;
        if let Some(event) = event {
            let label = model.labels().nth(event.class.into()).unwrap_or_default();
            report::event(&event, label);
        }
    }
    report::total(&total);
    watch.report(&model);
    Ok(())
}

/// What the whole run took.
#[derive(Default)]
pub(crate) struct Total {
    pub windows: u32,
    /// Instructions of the engine.
    pub engine: u64,
    /// Instructions of the detector.
    pub detector: u64,
    /// Peak of the stack in bytes until the engine was ready.
    pub stack_start: usize,
    /// Peak of the stack in bytes while the engine worked.
    pub stack_run: usize,
}
