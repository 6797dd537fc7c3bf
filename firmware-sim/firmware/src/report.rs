//! What the image prints: lines of `key=value`.

use core::fmt::{self, Display};

use cortex_m_semihosting::hprintln;
use models::stream::{Event, Q15};

use crate::constants::{self, CORE, ENGINE_WORDS, NAME};
use crate::layout;
use crate::run::Total;

/// What the image consists of, in bytes.
pub(crate) fn image() {
    let model = constants::model().len();
    let recording = size_of_val(constants::recording());
    hprintln!("board={}", NAME);
    hprintln!("core={}", CORE);
    hprintln!("flash_code_bytes={}", layout::flash_bytes() - model - recording);
    hprintln!("flash_model_bytes={}", model);
    hprintln!("flash_recording_bytes={}", recording);
    hprintln!("ram_engine_bytes={}", ENGINE_WORDS * size_of::<u32>());
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
    hprintln!("windows={}", total.windows);
    hprintln!("engine_instructions={}", total.engine);
    hprintln!("detector_instructions={}", total.detector);
    hprintln!("stack_start_bytes={}", total.stack_start);
    hprintln!("stack_run_bytes={}", total.stack_run);
}

/// What a layer took in all, looking included.
pub(crate) fn layer(name: impl Display, columns: u32, instructions: u64) {
    hprintln!("layer={} columns={} instructions={}", name, columns, instructions);
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
