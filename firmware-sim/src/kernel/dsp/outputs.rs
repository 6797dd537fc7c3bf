//! From sums to outputs.

use core::arch::asm;

use models::q8::Layer;
use models::quant::HIGH_SHIFT;

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
pub(in crate::kernel) fn requantize(
    layer: &Layer<'_>,
    first: usize,
    sums: &[i32],
    out: &mut [i16],
) {
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

/// Columns of a layer whose rows are one group, one for each group of activations; otherwise as
/// [`requantize`].
///
/// # Panics
/// As [`requantize`], and if the rows are longer.
#[inline]
pub(in crate::kernel) fn singles(
    layer: &Layer<'_>,
    groups: impl Iterator<Item = [u32; 2]>,
    out: &mut [i16],
) {
    let count = layer.shape.outputs;
    let numbers = Numbers::new(layer, 0, &out[..count]);
    assert!(layer.shape.row() == 4, "rows of a group");
    for (x, out) in groups.zip(out.chunks_exact_mut(count)) {
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
                inout("r4") out.as_mut_ptr() => _, inout("r5") count => _,
                in("r8") numbers.limits, in("r9") x[0], in("r10") x[1],
                out("r11") _, out("r12") _, out("lr") _,
            );
        }
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
