//! Counts instructions.
//!
//! QEMU with `-icount shift=6` lets 64 ns pass with every instruction, so that a timer of known frequency
//! tells their number. They are instructions, not cycles: a real core takes several for some.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::{SCB, SYST, syst::SystClkSource};
use cortex_m_rt::exception;

use crate::constants::CLOCK_HZ;

const NS_PER_INSTRUCTION: u64 = 64;
/// SysTick counts down from here to 0: 24 bits.
const RELOAD: u32 = 0xff_ffff;
const PROBES: u64 = 64;

static WRAPS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    WRAPS.fetch_add(1, Ordering::Relaxed);
}

/// A count of the timer, which only goes up.
#[derive(Clone, Copy)]
pub(crate) struct Instant {
    ticks: u64,
    wraps: u32,
}

/// Counts the instructions between two instants, without its own.
pub(crate) struct Counter {
    /// Ticks of the exception at each wrap, times [`PROBES`].
    wrap_ticks: u64,
    /// Ticks of looking at the timer, times [`PROBES`].
    look_ticks: u64,
}

impl Counter {
    /// Starts the timer and measures what counting takes.
    pub(crate) fn new(mut timer: SYST) -> Self {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(RELOAD);
        timer.clear_current();
        timer.enable_counter();
        timer.enable_interrupt();
        let mut counter = Self { wrap_ticks: 0, look_ticks: 0 };
        let without = counter.probe(SCB::clear_pendst);
        counter.wrap_ticks = counter.probe(SCB::set_pendst).saturating_sub(without);
        WRAPS.store(0, Ordering::Relaxed);
        timer.clear_current();
        let mut spent = 0;
        for _ in 0..PROBES {
            let start = now();
            spent += now().ticks - start.ticks;
        }
        counter.look_ticks = spent;
        counter
    }

    fn probe(&self, action: fn()) -> u64 {
        let start = SYST::get_current();
        for _ in 0..PROBES {
            action();
            cortex_m::asm::isb();
        }
        u64::from(start.wrapping_sub(SYST::get_current()) & RELOAD)
    }

    /// The instructions between two instants.
    pub(crate) fn between(&self, start: Instant, end: Instant) -> u64 {
        let wraps = u64::from(end.wraps - start.wraps);
        let own = (wraps * self.wrap_ticks + self.look_ticks) / PROBES;
        let ticks = (end.ticks - start.ticks).saturating_sub(own);
        // Rounded, since a tick and an instruction are not the same time.
        let ns_by_clock = ticks * 1_000_000_000;
        let instruction = NS_PER_INSTRUCTION * u64::from(CLOCK_HZ);
        (ns_by_clock + instruction / 2) / instruction
    }

    /// The instructions of an action, and what it returns.
    pub(crate) fn count<T>(&self, action: impl FnOnce() -> T) -> (T, u64) {
        let start = now();
        let result = action();
        (result, self.between(start, now()))
    }
}

/// The present count.
#[inline(never)]
pub(crate) fn now() -> Instant {
    cortex_m::interrupt::free(|_| {
        let (mut left, mut wraps) = (SYST::get_current(), WRAPS.load(Ordering::Relaxed));
        if SCB::is_pendst_pending() {
            // It wrapped, but the exception has not been taken.
            (left, wraps) = (SYST::get_current(), wraps + 1);
        }
        let ticks = u64::from(wraps) * u64::from(RELOAD + 1) + u64::from(RELOAD - left);
        Instant { ticks, wraps }
    })
}
