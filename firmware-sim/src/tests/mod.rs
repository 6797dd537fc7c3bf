//! The decision core in fixed memory, and the engine against its reference.

mod engine;
pub(crate) mod random;
mod reference;

use models::stream::{NEVER, ONE, Settings};
use std::vec;
use std::vec::Vec;

use super::*;

const CLASSES: usize = 3;
const SMOOTHING: u16 = 3;

#[test]
fn fixed_memory_takes_the_decisions_of_the_host() {
    let settings =
        Settings { window: 16_000, smoothing: SMOOTHING, warm_up: 1, suppression: 9_000 };
    let thresholds = [ONE / 2, ONE / 3, NEVER];
    const LEN: usize = memory_len(CLASSES, SMOOTHING);
    let mut fixed: FixedDetector<LEN> = Detector::new(settings, &thresholds, [0; LEN]).unwrap();
    let mut host = Detector::new(settings, &thresholds, vec![0; LEN]).unwrap();
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
