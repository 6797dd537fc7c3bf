//! Large arrays that are used again from step to step.
//!
//! Zeroing fresh memory is serial work between the parallel parts of a step. Arrays that live within the
//! kernels keep their old contents instead; those handed to Burn are zeroed by all threads.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// Arrays that nobody uses at the moment.
static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// The most arrays that are kept.
const KEPT: usize = 64;

/// An array of arbitrary contents that goes back to the pool when dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    data: Vec<f32>,
    len: usize,
}

impl Buffer {
    /// An array of `len` elements. Its contents are whatever its last user left.
    pub(super) fn new(len: usize) -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |(_, data): &(usize, &Vec<f32>)| data.len() >= len;
        let best = free.iter().enumerate().filter(fits).min_by_key(|(_, data)| data.len());
        // A much larger array is left for a larger need.
        let best = best.filter(|(_, data)| data.len() <= 2 * len).map(|(index, _)| index);
        let reused = best.map(|index| free.swap_remove(index));
        drop(free);
        Self { data: reused.unwrap_or_else(|| zeros(len)), len }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() >= KEPT {
            free.remove(0);
        }
        free.push(std::mem::take(&mut self.data));
    }
}

/// Zeros, written by all threads.
pub(super) fn zeros<T: Copy + Default + Send + Sync>(len: usize) -> Vec<T> {
    let mut data = Vec::new();
    rayon::iter::repeat_n(T::default(), len).with_min_len(1 << 14).collect_into_vec(&mut data);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again() {
        // Other tests use the same arrays, and may take this one in between.
        let again = (0..100).any(|_| {
            let mut first = Buffer::new(123_457);
            first.fill(7.0);
            drop(first);
            let second = Buffer::new(123_450);
            assert_eq!(second.len(), 123_450);
            second[99] == 7.0
        });
        assert!(again);
    }

    #[test]
    fn zeros_are_zero() {
        assert!(zeros::<f32>(100_001).iter().all(|value| *value == 0.0));
        assert_eq!(zeros::<u8>(0), [0u8; 0]);
    }
}
