//! What the image prints: lines of `key=value`.

use core::fmt::{self, Display};

use cortex_m_semihosting::hprintln;
use models::stream::{Event, Q15};

use crate::constants::{self, CORE, DETECTOR_WORDS, DMA, ENGINE_WORDS, HOP, MACS, NAME};
use crate::layout;
use crate::run::Total;

/// What the image consists of, in bytes.
pub(crate) fn image() {
    let model = constants::model().len();
    let recording = size_of_val(constants::recording());
    hprintln!("board={}", NAME);
    hprintln!("core={}", CORE);
    hprintln!("hop={}", HOP);
    hprintln!("flash_code_bytes={}", layout::flash_bytes() - model - recording);
    hprintln!("flash_model_bytes={}", model);
    hprintln!("flash_recording_bytes={}", recording);
    hprintln!("ram_engine_bytes={}", ENGINE_WORDS * size_of::<u32>());
    hprintln!("ram_detector_bytes={}", DETECTOR_WORDS * size_of::<u16>());
    hprintln!("ram_ring_bytes={}", DMA * size_of::<i16>());
    hprintln!("ram_static_bytes={}", layout::ram_bytes());
}

/// A window: the position just after its last sample, its posteriors (Q15, hexadecimal), and the
/// instructions since the last window.
pub(crate) fn window(end: u64, posteriors: &[Q15], instructions: u64) {
    hprintln!(
        "window={} posteriors={} instructions={}",
        end,
        Hexadecimal(posteriors),
        instructions
    );
}

/// A detection.
pub(crate) fn event(event: &Event, label: &str) {
    let Event { start, end, confidence, .. } = event;
    hprintln!("event={} start={} end={} confidence={:04x}", label, start, end, confidence);
}

/// What the whole run took.
pub(crate) fn total(total: &Total) {
    let Total { windows, first, later, detector, stack_start, stack_run } = total;
    let macs = MACS.iter().sum::<u64>();
    hprintln!("windows={}", windows);
    hprintln!("engine_instructions={}", first + later);
    hprintln!("detector_instructions={}", detector);
    hprintln!("stack_start_bytes={}", stack_start);
    hprintln!("stack_run_bytes={}", stack_run);
    hprintln!("ram_total_bytes={}", layout::ram_bytes() + stack_start.max(stack_run));
    hprintln!("macs_per_hop={}", macs);
    if total.hops() > 0 {
        hprintln!("instructions_per_hop={}", later / total.hops());
        hprintln!("instructions_per_mac={}", Ratio(*later, macs * total.hops()));
    }
}

/// What a layer took in all hops after the first window, looking included, and its multiply-accumulates of
/// one.
pub(crate) fn layer(name: &str, columns: u32, instructions: u64, hops: u64, macs: u64) {
    if hops > 0 {
        hprintln!(
            "layer={} columns={} instructions={} macs={} instructions_per_mac={}",
            name,
            Ratio(columns.into(), hops),
            instructions / hops,
            macs,
            Ratio(instructions, macs * hops)
        );
    }
}

/// A quotient with three decimals.
struct Ratio(u64, u64);

impl Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = (self.0 * 1000 + self.1 / 2) / self.1.max(1);
        write!(f, "{}.{:03}", thousandths / 1000, thousandths % 1000)
    }
}

/// The run failed, and the reason has been printed.
pub(crate) struct Reported;

/// Why there is no result.
pub(crate) fn error(message: impl Display) -> Reported {
    hprintln!("error={}", message);
    Reported
}

struct Hexadecimal<'a>(&'a [Q15]);

impl Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{value:04x}")?;
        }
        Ok(())
    }
}
