//! What happens instead of a panic where there is no operating system.

use core::panic::PanicInfo;

unsafe extern "C" {
    /// Defined by the program.
    fn auricle_panic();
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: a function of the program without arguments and result.
    unsafe { auricle_panic() };
    loop {}
}
