//! The decision core in fixed memory; the engine against its reference and its golden runs.

mod engine;
mod golden;
pub(crate) mod random;
mod reference;

use models::stream::{ClassSettings, NEVER, ONE, Settings};
use std::vec;
use std::vec::Vec;

use super::*;

const CLASSES: usize = 3;
const SMOOTHING: u16 = 3;

#[test]
fn fixed_memory_takes_the_decisions_of_the_host() {
    let settings = Settings {
        window: 16_000,
        smoothing: SMOOTHING,
        min_count: 1,
        release: ONE,
        warm_up: 1,
        suppression: 9_000,
    };
    let classes = || {
        let thresholds = [ONE / 2, ONE / 3, NEVER].into_iter();
        thresholds.map(|threshold| ClassSettings { threshold, cooldown: 0 })
    };
    const LEN: usize = memory_len(CLASSES, SMOOTHING);
    let mut fixed: FixedDetector<LEN> = Detector::new(settings, classes(), [0; LEN]).unwrap();
    let mut host = Detector::new(settings, classes(), vec![0; LEN]).unwrap();
    let (mut state, mut events): (u32, Vec<_>) = (1, Vec::new());
    for window in 0..500u64 {
        let posteriors: [Q15; CLASSES] = core::array::from_fn(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 17) as Q15
        });
        let end = 16_000 + 2187 * window;
        let event = fixed.push(&posteriors, end);
        assert_eq!(event, host.push(&posteriors, end));
        events.extend(event);
    }
    assert!(events.len() > 20, "{}", events.len());
}
