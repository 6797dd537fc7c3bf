//! What lies where, from the linker's symbols. Only their addresses mean something.
#![allow(unsafe_code)]

// SAFETY: the linker script of cortex-m-rt defines all of them.
unsafe extern "C" {
    safe static __vector_table: u32;
    safe static __erodata: u32;
    safe static __sdata: u32;
    safe static __edata: u32;
    safe static __sbss: u32;
    safe static __ebss: u32;
    safe static _stack_start: u32;
    safe static _stack_end: u32;
}

/// Bytes of flash: code, constants and initial values.
pub(crate) fn flash_bytes() -> usize {
    let constants = (&raw const __erodata).addr() - (&raw const __vector_table).addr();
    constants + data_bytes()
}

/// Bytes of static memory.
pub(crate) fn ram_bytes() -> usize {
    data_bytes() + (&raw const __ebss).addr() - (&raw const __sbss).addr()
}

/// Addresses of the stack's two ends, the one that it can grow to first.
pub(crate) fn stack() -> (usize, usize) {
    ((&raw const _stack_end).addr(), (&raw const _stack_start).addr())
}

fn data_bytes() -> usize {
    (&raw const __edata).addr() - (&raw const __sdata).addr()
}
