//! The int8 engine on a bare core: a model and a recording in flash, results over semihosting.
//!
//! [`run`] feeds the recording to the engine and the decision core, from the [`ring`] that an interrupt
//! fills. Around it, [`board`] counts
//! instructions, [`stack`] finds the peak of the stack, [`layout`] tells what lies where, and [`report`]
//! prints. The build script fixes the sizes of all memory.
#![no_std]
#![no_main]

#[cfg(not(feature = "bare"))]
mod board;
mod constants;
#[cfg(not(feature = "bare"))]
mod layout;
#[cfg(not(feature = "bare"))]
mod report;
mod ring;
#[cfg_attr(feature = "bare", path = "bare.rs")]
mod run;
#[cfg(not(feature = "bare"))]
mod stack;
#[cfg(not(feature = "bare"))]
mod watch;

use cortex_m_rt::entry;
#[cfg(not(feature = "bare"))]
use panic_semihosting as _;

use constants::{DETECTOR_WORDS, ENGINE_WORDS};

#[entry]
fn main() -> ! {
    static mut ENGINE: [u32; ENGINE_WORDS] = [0; ENGINE_WORDS];
    static mut DETECTOR: [u16; DETECTOR_WORDS] = [0; DETECTOR_WORDS];
    run::main(run::Memory { engine: ENGINE, detector: DETECTOR })
}
