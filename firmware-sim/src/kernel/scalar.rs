//! Plain loops, for every machine.

#[cfg(feature = "dsp")]
pub(super) use packed::{largest, requantize, scatter_narrow, scatter_wide, single};

/// See `natural::dots`.
#[cfg(not(feature = "dsp"))]
pub(super) fn dots<const P: usize>(rows: [&[u8]; 2], patch: &[i16], step: usize) -> [[i32; P]; 2] {
    rows.map(|row| core::array::from_fn(|j| dot(row, &patch[j * step..][..row.len()])))
}

/// Σ weight · input, wrapping around.
#[cfg(not(feature = "dsp"))]
fn dot(weights: &[u8], inputs: &[i16]) -> i32 {
    weights.iter().zip(inputs).fold(0i32, |sum, (weight, input)| {
        sum.wrapping_add(i32::from(weight.cast_signed()) * i32::from(*input))
    })
}

/// What `super::dsp` computes.
#[cfg(feature = "dsp")]
mod packed {
    use models::q8::Layer;
    use models::quant::requantize_relu;

    /// Of each row of `row` weights, `stride` apart: the largest of its dot products with `P` positions.
    pub(crate) fn largest<const P: usize>(
        rows: &[u8],
        stride: usize,
        row: usize,
        x: &[u32],
        count: usize,
        sums: &mut [i32],
    ) {
        assert_eq!(2 * x.len(), P * row);
        for (output, sum) in sums[..count].iter_mut().enumerate() {
            let weights = &rows[output * stride..][..row];
            let dot = |position: usize| {
                let groups = weights.as_chunks::<4>().0.iter().enumerate();
                groups.fold(0i32, |sum, (group, weights)| {
                    let at = 2 * (group * P + position);
                    sum.wrapping_add(four(*weights, [x[at], x[at + 1]]))
                })
            };
            *sum = (0..P).map(dot).fold(i32::MIN, i32::max);
        }
    }

    /// Puts copies of a column's groups, the groups `P` apart, the copies one group less than a column.
    pub(crate) fn scatter_narrow<const P: usize>(
        column: &[u32],
        copies: usize,
        to: &mut [[u32; 2]],
    ) {
        for copy in 0..copies {
            for (group, word) in column.iter().enumerate() {
                let at = copy * (column.len() * P - 1) + group * P;
                to[at] = [word & 0x00ff_00ff, word >> 8 & 0x00ff_00ff];
            }
        }
    }

    /// The same of 16-bit values.
    pub(crate) fn scatter_wide<const P: usize>(column: &[u32], copies: usize, to: &mut [[u32; 2]]) {
        let groups = column.as_chunks::<2>().0;
        for copy in 0..copies {
            for (group, [a, b]) in groups.iter().enumerate() {
                let at = copy * (groups.len() * P - 1) + group * P;
                to[at] = [a & 0xffff | b << 16, a >> 16 | b & 0xffff_0000];
            }
        }
    }

    fn four(weights: [u8; 4], [even, odd]: [u32; 2]) -> i32 {
        let inputs = [even as i16, odd as i16, (even >> 16) as i16, (odd >> 16) as i16];
        let products = weights.into_iter().zip(inputs);
        products.fold(0, |sum, (weight, input)| {
            sum.wrapping_add(i32::from(weight.cast_signed()) * i32::from(input))
        })
    }

    /// Outputs from `first` on, of sums without bias.
    pub(crate) fn requantize(layer: &Layer<'_>, first: usize, sums: &[i32], out: &mut [i16]) {
        for (output, (sum, out)) in (first..).zip(sums.iter().zip(out)) {
            let sum = sum.wrapping_add(layer.bias(output));
            *out = requantize_relu(sum, layer.factor(output), layer.limit);
        }
    }

    /// All outputs of a layer whose rows are one group.
    pub(crate) fn single(layer: &Layer<'_>, x: [u32; 2], out: &mut [i16]) {
        for (output, out) in out.iter_mut().enumerate() {
            let mut sum = [0];
            largest::<1>(layer.row(output), 4, 4, &x, 1, &mut sum);
            requantize(layer, output, &sum, core::slice::from_mut(out));
        }
    }
}
