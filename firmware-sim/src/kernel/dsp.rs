//! Inner loops in the DSP instructions of Cortex-M4, M7, M33 and later.
//!
//! A loop holds four groups and is entered in its middle when the groups are no multiple of four.
//! Every instruction of a group is 4 bytes long, so the place of entry is a product. Two outputs by three
//! positions take all 14 registers: what changes once a row waits on the stack, together with `r6` and
//! `r7`, which the compiler does not lend to assembly.
//!
//! A group of 8 products takes 11 (P = 1), of 16 products 16 (P = 2), of 24 products 22 (P = 3), of 32
//! products 26 instructions (P = 4, one output after the other), and the loop 3 in four groups.
#![allow(unsafe_code)]

use core::arch::asm;

use models::q8::Layer;
use models::quant::HIGH_SHIFT;

/// Of each row of `row` weights, `stride` apart: the largest of its dot products with `P` positions.
///
/// # Panics
/// If `rows` is shorter than that, if a row is not made of whole groups, or if there are not `2·P` words of
/// activations for each of them, or no even number of sums.
#[inline]
pub(super) fn largest<const P: usize>(
    rows: &[u8],
    stride: usize,
    row: usize,
    x: &[u32],
    count: usize,
    sums: &mut [i32],
) {
    assert!(row > 0 && row.is_multiple_of(4) && 2 * x.len() == P * row, "whole groups");
    assert!(count > 0 && rows.len() >= (count - 1) * stride + row, "all rows");
    assert!(sums.len() >= count.next_multiple_of(2), "a sum a row");
    // Bytes of code of a group, and of the groups that the first pass leaves out.
    let group = [44, 64, 88, 52][P - 1];
    let skip = (row / 4).wrapping_neg() % 4 * group;
    let (first, x, sums) = (rows.as_ptr(), x.as_ptr(), sums.as_mut_ptr());
    // SAFETY: all rows lie within `rows`, the activations are complete, and there is room for the sums of
    // whole pairs, as asserted.
    unsafe {
        if P == 4 {
            rows_from::<P>(first, Rows { row, skip, next: stride, distance: 0 }, x, count, sums);
            return;
        }
        let (pairs, last) = (count / 2, count - 1);
        if pairs > 0 {
            let rows = Rows { row, skip, next: 2 * stride, distance: stride };
            rows_from::<P>(first, rows, x, pairs, sums);
        }
        if last.is_multiple_of(2) {
            // Of an odd number of rows the last one is computed twice.
            let rows = Rows { row, skip, next: 0, distance: 0 };
            rows_from::<P>(first.wrapping_add(last * stride), rows, x, 1, sums.wrapping_add(last));
        }
    }
}

/// How rows lie in memory, in bytes.
struct Rows {
    /// Length.
    row: usize,
    /// Code of the groups that the first pass of the loop leaves out.
    skip: usize,
    /// From one step to the next.
    next: usize,
    /// From the first to the second row of a step.
    distance: usize,
}

/// Runs `$group` for each group of each step, between `$begin` and `$end`: `r0` activations, `r1` weights.
///
/// On the stack: 0 end of the row, 4 activations, 8 sums, 12 steps to go, 16 length of a row, 20 from the end
/// of a row to the next step, 24 distance of the second row behind a group of the first one, 28 code to
/// skip, `r6`, `r7`.
macro_rules! steps {
    ($begin:expr, $group:expr, $end:expr) => {
        concat!(
            "push {{r6, r7}}\n",
            "push {{r0, r2, r3, r4, r5, r8, r12}}\n",
            "sub sp, #4\n",
            "3:\n",
            "ldr r5, [sp, #16]\n",
            "add r5, r1\n",
            "str r5, [sp]\n",
            "ldr r12, [sp, #28]\n",
            "ldr r0, [sp, #4]\n",
            $begin,
            "add pc, r12\n",
            "nop\n",
            "2:\n",
            $group,
            $group,
            $group,
            $group,
            "ldr r5, [sp]\n",
            "cmp r1, r5\n",
            "bne 2b\n",
            "ldr r12, [sp, #8]\n",
            $end,
            "str r12, [sp, #8]\n",
            "ldr r5, [sp, #20]\n",
            "add r1, r5\n",
            "ldr r5, [sp, #12]\n",
            "subs r5, #1\n",
            "str r5, [sp, #12]\n",
            "bne 3b\n",
            "add sp, #32\n",
            "pop {{r6, r7}}\n",
        )
    };
}

/// Begins the sums at zero.
macro_rules! zero {
    ($($sum:literal)*) => {
        concat!($("mov ", $sum, ", #0\n"),*)
    };
}

/// The larger of two sums, in the first.
macro_rules! larger {
    ($($sum:literal $other:literal)*) => {
        concat!($("cmp ", $other, ", ", $sum, "\nit gt\nmovgt ", $sum, ", ", $other, "\n"),*)
    };
}

/// The weights of a group: output 0 in `r7` (t0, t2) and `r5` (t1, t3), output 1 in `r11` and `r6`. The
/// second row lies `$distance` behind what follows the group in the first one.
macro_rules! weights {
    ($distance:literal) => {
        concat!(
            "ldr r5, [r1], #4\n",
            "ldr.w r6, [r1, ",
            $distance,
            "]\n",
            "sxtb16 r7, r5\n",
            "sxtb16 r5, r5, ror #8\n",
            "sxtb16 r11, r6\n",
            "sxtb16 r6, r6, ror #8\n",
        )
    };
    () => {
        concat!("ldr r12, [sp, #24]\n", weights!("r12"))
    };
}

/// One position: adds both pairs of activations to the sums of both outputs.
macro_rules! position {
    ($pair0:literal, $pair1:literal, $sum0:literal, $sum1:literal) => {
        concat!(
            "smlad ", $sum0, ", r7, ", $pair0, ", ", $sum0, "\n", "smlad ", $sum1, ", r11, ",
            $pair0, ", ", $sum1, "\n", "smlad ", $sum0, ", r5, ", $pair1, ", ", $sum0, "\n",
            "smlad ", $sum1, ", r6, ", $pair1, ", ", $sum1, "\n",
        )
    };
}

/// `$step` for each step; see [`rows_from`].
macro_rules! run {
    ($step:expr, $first:ident, $rows:ident, $x:ident, $steps:ident, $sums:ident) => {
        asm!(
            $step,
            inout("r0") $x => _, inout("r1") $first => _, inout("r2") $sums => _,
            inout("r3") $steps => _, inout("r4") $rows.row => _,
            inout("r5") $rows.next.wrapping_sub($rows.row) => _,
            inout("r8") $rows.distance.wrapping_sub(4) => _, inout("r12") $rows.skip => _,
            out("r9") _, out("r10") _, out("r11") _, out("lr") _,
        )
    };
}

/// The largest dot products, modulo 2³², of `steps` pairs of rows with `P` positions; of single rows where
/// `P` is 4, as the sums of two would not fit the registers.
///
/// # Safety
/// From `first` on, all rows can be read; there are `2·P` words of activations for every 4 bytes of a row,
/// and two sums a step can be written, or one where `P` is 4. Steps, and bytes of a row, are not 0.
#[inline(always)]
unsafe fn rows_from<const P: usize>(
    first: *const u8,
    rows: Rows,
    x: *const u32,
    steps: usize,
    sums: *mut i32,
) {
    // SAFETY, of each of the four: the assembly reads the rows to their ends and `2·P` words of
    // activations for every 4 bytes of them, as the caller promises. Besides registers and the stack, it
    // writes the sums. It restores `r6`, `r7` and the stack pointer.
    match P {
        1 => unsafe {
            run!(
                steps!(
                    concat!("ldr r3, [sp, #24]\n", zero!("r2" "r8")),
                    concat!(
                        weights!("r3"),
                        "ldrd r12, lr, [r0], #8\n",
                        position!("r12", "lr", "r2", "r8"),
                    ),
                    "strd r2, r8, [r12], #8\n"
                ),
                first,
                rows,
                x,
                steps,
                sums
            );
        },
        2 => unsafe {
            run!(
                steps!(
                    zero!("r2" "r3" "r8" "r9"),
                    concat!(
                        weights!(),
                        "ldm r0!, {{r4, r10, r12, lr}}\n",
                        position!("r4", "r10", "r2", "r8"),
                        position!("r12", "lr", "r3", "r9"),
                    ),
                    concat!(larger!("r2" "r3" "r8" "r9"), "strd r2, r8, [r12], #8\n")
                ),
                first,
                rows,
                x,
                steps,
                sums
            );
        },
        3 => unsafe {
            run!(
                steps!(
                    zero!("r2" "r3" "r4" "r8" "r9" "r10"),
                    concat!(
                        weights!(),
                        "ldrd r12, lr, [r0], #8\n",
                        position!("r12", "lr", "r2", "r8"),
                        "ldrd r12, lr, [r0], #8\n",
                        position!("r12", "lr", "r3", "r9"),
                        "ldrd r12, lr, [r0], #8\n",
                        position!("r12", "lr", "r4", "r10"),
                    ),
                    concat!(
                        larger!("r2" "r3" "r2" "r4" "r8" "r9" "r8" "r10"),
                        "strd r2, r8, [r12], #8\n"
                    )
                ),
                first,
                rows,
                x,
                steps,
                sums
            );
        },
        4 => unsafe {
            run!(
                steps!(
                    zero!("r2" "r3" "r4" "r8"),
                    "ldr r5, [r1], #4
                    sxtb16 r7, r5
                    sxtb16 r5, r5, ror #8
                    ldm r0!, {{r10, r11, r12, lr}}
                    smlad r2, r7, r10, r2
                    smlad r3, r7, r12, r3
                    smlad r2, r5, r11, r2
                    smlad r3, r5, lr, r3
                    ldm r0!, {{r10, r11, r12, lr}}
                    smlad r4, r7, r10, r4
                    smlad r8, r7, r12, r8
                    smlad r4, r5, r11, r4
                    smlad r8, r5, lr, r8
                    ",
                    concat!(larger!("r2" "r3" "r4" "r8" "r2" "r4"), "str r2, [r12], #4\n")
                ),
                first,
                rows,
                x,
                steps,
                sums
            );
        },
        _ => unreachable!("a block has 1 to 4 positions"),
    }
}

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
pub(super) fn scatter_narrow<const P: usize>(column: &[u32], copies: usize, to: &mut [[u32; 2]]) {
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
pub(super) fn scatter_wide<const P: usize>(column: &[u32], copies: usize, to: &mut [[u32; 2]]) {
    let groups = column.len() / 2;
    scatters!(
        "ldrd {a}, {t}, [{from}], #8\npkhtb {b}, {t}, {a}, asr #16\npkhbt {a}, {a}, {t}, lsl #16",
        column,
        groups,
        copies,
        to
    );
}

/// Four outputs at a time, from `$sums`, which leaves the sums of two in `r12` and `lr`. `r1` biases, `r2`
/// multipliers, `r3` shifts, `r4` outputs, `r5` their number, `r8` the limit in both halves.
///
/// The high word of sum · multiplier, shifted until half a unit is its last bit, plus one, halved: the
/// nearest integer for every shift of 33 and more. `ASR` looks at the low byte of a shift, and `USAT` is the
/// ReLU. The smaller of output and limit is chosen in both halves by `SEL`.
macro_rules! four_outputs {
    ($sums:expr) => {
        concat!(
            "push {{r6, r7}}\n",
            "2:\n",
            "ldr r11, [r3], #4\n",
            "sub r11, r11, #0x21212121\n",
            $sums,
            four_outputs!(),
            $sums,
            four_outputs!(),
            "subs r5, r5, #4\n",
            "bne 2b\n",
            "pop {{r6, r7}}\n",
        )
    };
    () => {
        "ldrd r6, r7, [r2], #8
        smmul r12, r12, r6
        smmul lr, lr, r7
        asr r12, r12, r11
        lsr r11, r11, #8
        asr lr, lr, r11
        lsr r11, r11, #8
        add r12, r12, #1
        add lr, lr, #1
        usat r12, #15, r12, asr #1
        usat lr, #15, lr, asr #1
        pkhbt r12, r12, lr, lsl #16
        usub16 lr, r12, r8
        sel r12, r8, r12
        str r12, [r4], #4
        "
    };
}

/// Outputs from `first` on, of sums without bias. All shifts are at least [`HIGH_SHIFT`].
///
/// # Panics
/// If `first` or the number of outputs is no multiple of 4, if there are fewer in the layer, or if its numbers
/// or the outputs do not lie on word borders.
#[inline]
pub(super) fn requantize(layer: &Layer<'_>, first: usize, sums: &[i32], out: &mut [i16]) {
    let numbers = Numbers::new(layer, first, out);
    assert!(sums.len() == out.len(), "a sum for each output");
    // SAFETY: reads a sum, a bias, a multiplier and a shift for each output and writes it. All are there,
    // on word borders, as asserted; the number is a positive multiple of 4.
    unsafe {
        asm!(
            four_outputs!(
                "ldrd r12, lr, [r0], #8
                ldrd r6, r7, [r1], #8
                add r12, r12, r6
                add lr, lr, r7
                "
            ),
            inout("r0") sums.as_ptr() => _, inout("r1") numbers.biases => _,
            inout("r2") numbers.multipliers => _, inout("r3") numbers.shifts => _,
            inout("r4") out.as_mut_ptr() => _, inout("r5") out.len() => _,
            in("r8") numbers.limits,
            out("r11") _, out("r12") _, out("lr") _,
        );
    }
}

/// All outputs of a layer whose rows are one group; otherwise as [`requantize`].
///
/// # Panics
/// As [`requantize`], and if the rows are longer.
#[inline(always)]
pub(super) fn single(layer: &Layer<'_>, x: [u32; 2], out: &mut [i16]) {
    let numbers = Numbers::new(layer, 0, out);
    assert!(layer.shape.row() == 4, "rows of a group");
    // SAFETY: reads four weights, a bias, a multiplier and a shift for each output and writes it; as in
    // `requantize`.
    unsafe {
        asm!(
            four_outputs!(
                "ldrd r12, lr, [r1], #8
                ldr r6, [r0], #4
                sxtb16 r7, r6
                sxtb16 r6, r6, ror #8
                smlad r12, r7, r9, r12
                smlad r12, r6, r10, r12
                ldr r6, [r0], #4
                sxtb16 r7, r6
                sxtb16 r6, r6, ror #8
                smlad lr, r7, r9, lr
                smlad lr, r6, r10, lr
                "
            ),
            inout("r0") layer.data().as_ptr() => _, inout("r1") numbers.biases => _,
            inout("r2") numbers.multipliers => _, inout("r3") numbers.shifts => _,
            inout("r4") out.as_mut_ptr() => _, inout("r5") out.len() => _,
            in("r8") numbers.limits, in("r9") x[0], in("r10") x[1],
            out("r11") _, out("r12") _, out("lr") _,
        );
    }
}

/// The numbers of a layer from an output on.
struct Numbers {
    biases: *const u8,
    multipliers: *const u8,
    shifts: *const u8,
    /// The limit in both halves.
    limits: u32,
}

impl Numbers {
    /// Checks that all of them are there for the outputs from `first` on.
    #[inline(always)]
    fn new(layer: &Layer<'_>, first: usize, out: &[i16]) -> Self {
        let (data, outputs, count) = (layer.data(), layer.shape.outputs, out.len());
        assert!(count > 0 && (first | count).is_multiple_of(4), "whole groups");
        assert!(first + count <= outputs, "there are such outputs");
        assert!((data.as_ptr().addr() | out.as_ptr().addr()).is_multiple_of(4), "word borders");
        debug_assert!(layer.least_shift() >= HIGH_SHIFT);
        // The layer was cut from the model's data so that its numbers follow the rows in this order.
        let biases = data.as_ptr().wrapping_add(outputs * layer.shape.row());
        let multipliers = biases.wrapping_add(4 * outputs);
        let shifts = multipliers.wrapping_add(4 * outputs + first);
        let [biases, multipliers] = [biases, multipliers].map(|p| p.wrapping_add(4 * first));
        Self { biases, multipliers, shifts, limits: u32::from(layer.limit) * 0x1_0001 }
    }
}
