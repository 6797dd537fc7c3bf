//! Passes over columns side by side, `[T, C]`: what is to be done with the rows of a product.
//!
//! Rows are often shorter than what it takes to begin and to end a loop. So what is the same for every row, a bias or
//! the factors of a gate, is [`repeated`], and the loops go over several rows at a time.

/// Elements that a loop has at least, where there are as many.
const LONG: usize = 256;

/// A row of `[C]` again and again.
pub(super) fn repeated(row: &[f32]) -> Vec<f32> {
    row.repeat(LONG.div_ceil(row.len()))
}

/// `rows = relu(rows + bias)` with a repeated bias. What is no number stays none, so that a mistake shows.
pub(super) fn rectify(rows: &mut [f32], bias: &[f32]) {
    for rows in rows.chunks_mut(bias.len()) {
        for (value, bias) in rows.iter_mut().zip(bias) {
            *value = rectified(*value + bias);
        }
    }
}

/// `rows = rows · factors` with repeated factors.
pub(super) fn scale(rows: &mut [f32], factors: &[f32]) {
    for rows in rows.chunks_mut(factors.len()) {
        rows.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
    }
}

/// `rows = rows · factors + added` with repeated factors.
pub(super) fn scale_and_add(rows: &mut [f32], factors: &[f32], added: &[f32]) {
    let len = factors.len();
    for (rows, added) in rows.chunks_mut(len).zip(added.chunks(len)) {
        for ((value, factor), added) in rows.iter_mut().zip(factors).zip(added) {
            *value = *value * factor + added;
        }
    }
}

/// `out = max(rows)`, of at least one row.
pub(super) fn largest(out: &mut [f32], rows: &[f32]) {
    let (first, rest) = rows.split_at(out.len());
    out.copy_from_slice(first);
    for row in rest.chunks_exact(out.len()) {
        for (out, value) in out.iter_mut().zip(row) {
            *out = if *out > *value { *out } else { *value };
        }
    }
}

/// `out = relu(max(rows) + bias)`. What is no number stays none, so that a mistake shows.
pub(super) fn pool_and_rectify(out: &mut [f32], rows: &[f32], bias: &[f32]) {
    largest(out, rows);
    for (out, bias) in out.iter_mut().zip(bias) {
        *out = rectified(*out + bias);
    }
}

fn rectified(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

/// Sums of each channel over rows.
pub(super) struct Sums {
    channels: usize,
    /// Of several rows at a time, one after the other.
    sums: Vec<f32>,
}

impl Sums {
    /// Of no rows of so many channels.
    pub(super) fn new(channels: usize) -> Self {
        Self { channels, sums: repeated(&vec![0.0; channels]) }
    }

    pub(super) fn add(&mut self, rows: &[f32]) {
        for rows in rows.chunks(self.sums.len()) {
            self.sums.iter_mut().zip(rows).for_each(|(sum, value)| *sum += value);
        }
    }

    /// The sums by so many columns, `[C]`.
    pub(super) fn means(&self, columns: usize) -> Vec<f32> {
        let mut means = vec![0.0; self.channels];
        for sums in self.sums.chunks_exact(self.channels) {
            means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean += sum);
        }
        means.iter_mut().for_each(|mean| *mean /= columns as f32);
        means
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Small integers: every sum and product is exact.
    fn whole(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|index| ((index * 7 + seed) % 23) as f32 - 11.0).collect()
    }

    proptest! {
        // More rows than a repeated row has, less, and none.
        #[test]
        fn every_row_is_treated_alike(channels in 1..300usize, rows in 0..70usize, seed in 0..23usize) {
            let (values, added) = (whole(rows * channels, seed), whole(rows * channels, seed + 1));
            let row = whole(channels, seed + 2);
            let each = |change: &dyn Fn(f32, f32, f32) -> f32| -> Vec<f32> {
                let places = values.iter().zip(&added).enumerate();
                places.map(|(index, (value, added))| change(*value, row[index % channels], *added)).collect()
            };
            let changed = |change: &dyn Fn(&mut [f32])| {
                let mut rows = values.clone();
                change(&mut rows);
                rows
            };
            let rectified = changed(&|rows| rectify(rows, &repeated(&row)));
            prop_assert_eq!(rectified, each(&|value, bias, _| (value + bias).max(0.0)));
            let scaled = changed(&|rows| scale(rows, &repeated(&row)));
            prop_assert_eq!(scaled, each(&|value, factor, _| value * factor));
            let joined = changed(&|rows| scale_and_add(rows, &repeated(&row), &added));
            prop_assert_eq!(joined, each(&|value, factor, added| value * factor + added));
        }

        #[test]
        fn means_are_those_of_the_columns(channels in 1..300usize, rows in 1..70usize, seed in 0..23usize) {
            let values = whole(rows * channels, seed);
            let mut sums = Sums::new(channels);
            // In two parts, and with zeros around the columns.
            let (first, second) = values.split_at(rows / 2 * channels);
            sums.add(&[first, &vec![0.0; channels]].concat());
            sums.add(second);
            let column = |channel| values.iter().skip(channel).step_by(channels);
            let expected: Vec<f32> =
                (0..channels).map(|channel| column(channel).sum::<f32>() / rows as f32).collect();
            prop_assert_eq!(sums.means(rows), expected);
        }

        #[test]
        fn pools_are_the_largest_rows(channels in 1..40usize, rows in 1..9usize, seed in 0..23usize) {
            let (values, bias) = (whole(rows * channels, seed), whole(channels, seed + 1));
            let column = |channel| values.iter().skip(channel).step_by(channels);
            let peak = |channel| column(channel).copied().fold(f32::NEG_INFINITY, f32::max);
            let mut out = vec![0.0; channels];
            pool_and_rectify(&mut out, &values, &bias);
            let expected: Vec<f32> =
                (0..channels).map(|channel| (peak(channel) + bias[channel]).max(0.0)).collect();
            prop_assert_eq!(out, expected);
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let unknown = [f32::NAN, 1.0, f32::NAN, 2.0];
        let (mut pooled, mut rows) = ([0.0; 2], unknown);
        pool_and_rectify(&mut pooled, &unknown, &[0.5, 0.5]);
        assert!(pooled[0].is_nan());
        assert!((pooled[1] - 2.5).abs() < 1e-6);
        rectify(&mut rows, &[-3.0; 2]);
        assert!(rows[0].is_nan() && rows[2].is_nan());
        assert!(rows[1] + rows[3] < 1e-6);
    }
}
