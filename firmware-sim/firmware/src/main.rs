//! The int8 engine on a bare core: a model and a recording in flash, results over semihosting.
//!
//! [`run`] feeds the recording to the engine and the decision core, from the [`ring`] that an interrupt
//! fills. Around it, [`board`] counts
//! instructions, [`stack`] finds the peak of the stack, [`layout`] tells what lies where, and [`report`]
//! prints. The build script fixes the sizes of all memory.
#![no_std]
#![no_main]

mod board;
mod constants;
mod layout;
mod report;
mod ring;
mod run;
mod stack;
mod watch;

use cortex_m_rt::entry;
use cortex_m_semihosting::debug;
use panic_semihosting as _;

use constants::{DETECTOR_WORDS, ENGINE_WORDS};

#[entry]
fn main() -> ! {
    static mut ENGINE: [u32; ENGINE_WORDS] = [0; ENGINE_WORDS];
    static mut DETECTOR: [u16; DETECTOR_WORDS] = [0; DETECTOR_WORDS];
    let counter = cortex_m::Peripherals::take().map(|core| board::Counter::new(core.SYST));
    let counter = counter.expect("nothing else takes the peripherals");
    report::image();
    let status = match run::run(&counter, run::Memory { engine: ENGINE, detector: DETECTOR }) {
        Ok(()) => debug::EXIT_SUCCESS,
        Err(report::Reported) => debug::EXIT_FAILURE,
    };
    debug::exit(status);
    panic!("the debugger lets the program go on");
}
