//! Dot products of rows of weights with the positions of a block.
//!
//! A loop holds four groups and is entered in its middle when the groups are no multiple of four.
//! Every instruction of a group is 4 bytes long, so the place of entry is a product. Two outputs by three
//! positions take all 14 registers: what changes once a row waits on the stack.
//!
//! A group of 8 products takes 11 (P = 1), of 16 products 16 (P = 2), of 24 products 22 (P = 3), of 32
//! products 26 instructions (P = 4, one output after the other), and the loop 3 in four groups.

use core::arch::asm;

/// Of each row of `row` weights, `stride` apart: the largest of its dot products with `P` positions.
///
/// # Panics
/// If `rows` is shorter than that, if a row is not made of whole groups, or if there are not `2·P` words of
/// activations for each of them, or no even number of sums.
#[inline]
pub(in crate::kernel) fn largest<const P: usize>(
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
