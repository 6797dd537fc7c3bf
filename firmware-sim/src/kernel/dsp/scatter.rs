//! Copies of a column for the positions of a block.

use core::arch::asm;

/// `$load` for each group, and a store for each `$to`.
macro_rules! scatter {
    ($load:literal, $from:ident, $to:ident, $jump:ident, $count:ident, $($copy:ident)*) => {
        asm!(
            "2:",
            $load,
            $(concat!("strd {a}, {b}, [{", stringify!($copy), "}], #{step}"),)*
            "subs {count}, #1",
            "bne 2b",
            from = inout(reg) $from => _, count = inout(reg) $count => _,
            $($copy = inout(reg) { let at = $to; $to = at.wrapping_add($jump); at } => _,)*
            a = out(reg) _, b = out(reg) _, t = out(reg) _,
            step = const { 8 * P },
            options(nostack),
        )
    };
}

/// See [`scatter_narrow`] and [`scatter_wide`].
macro_rules! scatters {
    ($load:literal, $column:ident, $groups:ident, $copies:ident, $to:ident) => {{
        let (count, jump) = ($groups, $groups * P - 1);
        assert!($copies > 0 && count > 0, "something to do");
        let last = ($copies - 1) * jump + (count - 1) * P;
        assert!(last < $to.len(), "all copies lie in the patch");
        let (from, mut to) = ($column.as_ptr(), $to.as_mut_ptr());
        // SAFETY: reads as many groups as the column has, and writes up to the last copy of the last
        // group, which is there, as asserted.
        unsafe {
            match $copies {
                1 => scatter!($load, from, to, jump, count, c),
                2 => scatter!($load, from, to, jump, count, c d),
                3 => scatter!($load, from, to, jump, count, c d e),
                4 => scatter!($load, from, to, jump, count, c d e f),
                _ => unreachable!("a block has 1 to 4 positions"),
            }
        }
        let _ = to;
    }};
}

/// Puts copies of a column's groups, the groups `P` apart, the copies one group less than a column: for
/// each position that reads it. 8-bit values, none of them negative.
#[inline(never)]
pub(in crate::kernel) fn scatter_narrow<const P: usize>(
    column: &[u32],
    copies: usize,
    to: &mut [[u32; 2]],
) {
    let groups = column.len();
    scatters!(
        "ldr {t}, [{from}], #4\nuxtb16 {a}, {t}\nuxtb16 {b}, {t}, ror #8",
        column,
        groups,
        copies,
        to
    );
}

/// The same of 16-bit values.
#[inline(never)]
pub(in crate::kernel) fn scatter_wide<const P: usize>(
    column: &[u32],
    copies: usize,
    to: &mut [[u32; 2]],
) {
    let groups = column.len() / 2;
    scatters!(
        "ldrd {a}, {t}, [{from}], #8\npkhtb {b}, {t}, {a}, asr #16\npkhbt {a}, {a}, {t}, lsl #16",
        column,
        groups,
        copies,
        to
    );
}
