//! Plain loops, for every machine.

/// See [`super::dots`].
pub(super) fn dots<const P: usize>(rows: [&[u8]; 2], patch: &[i16], step: usize) -> [[i32; P]; 2] {
    rows.map(|row| core::array::from_fn(|j| dot(row, &patch[j * step..][..row.len()])))
}

/// Σ weight · input, wrapping around.
fn dot(weights: &[u8], inputs: &[i16]) -> i32 {
    weights.iter().zip(inputs).fold(0i32, |sum, (weight, input)| {
        sum.wrapping_add(i32::from(weight.cast_signed()) * i32::from(*input))
    })
}
