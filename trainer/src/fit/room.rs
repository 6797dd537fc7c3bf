//! Rooms and microphones that a clip could have been recorded in and with.
//!
//! A random equaliser stands for the microphone; reverberation, noise that decays exponentially behind the direct
//! sound (Polack's model of a late room response), stands for the room. Both are one product in the frequency
//! domain.

use std::cell::RefCell;

use rand::{Rng, RngExt as _};
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::config::Augment;
use crate::data::level;
use crate::draw::ChaCha8Rng;

/// Lowest frequency of an equaliser's points; they lie an octave apart up to half the sample rate.
const LOWEST_HZ: f32 = 125.0;
/// Time in which reverberation decays by 60 dB, in seconds.
const DECAY_SECONDS: std::ops::Range<f32> = 0.1..0.7;
/// Level of the direct sound above the reverberation, in decibels.
const DIRECT_DB: std::ops::Range<f32> = 0.0..15.0;

thread_local! {
    static PLANNER: RefCell<RealFftPlanner<f32>> = RefCell::new(RealFftPlanner::new());
}

/// Changes a window as a random microphone and, for a share of windows, a random room would. Its level stays.
pub(super) fn record(window: &mut [f32], rate_hz: u32, augment: &Augment, rng: &mut ChaCha8Rng) {
    let before = level::rms(window);
    if before == 0.0 {
        return;
    }
    let points = (rate_hz as f32 / 2.0 / LOWEST_HZ).log2().ceil().max(0.0) as usize + 1;
    let gains_db: Vec<f32> = (0..points)
        .map(|_| ((2.0 * rng.random::<f64>() - 1.0) * augment.equalise_db) as f32)
        .collect();
    let reverberant = rng.random::<f64>() < augment.reverb;
    // What is behind the window's end must not come back at its start.
    let length = (2 * window.len()).next_power_of_two();
    PLANNER.with_borrow_mut(|planner| {
        let (forward, inverse) =
            (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
        let mut spectrum = transform(&*forward, window);
        let step_hz = rate_hz as f32 / length as f32;
        for (bin, value) in spectrum.iter_mut().enumerate() {
            *value *= level::factor(curve(&gains_db, bin as f32 * step_hz));
        }
        if reverberant {
            let room = transform(&*forward, &response(window.len(), rate_hz, rng));
            spectrum.iter_mut().zip(room).for_each(|(value, room)| *value *= room);
        }
        // The first and the last bin of a real signal are real.
        let last = spectrum.len() - 1;
        spectrum[0].im = 0.0;
        spectrum[last].im = 0.0;
        let mut samples = inverse.make_output_vec();
        inverse.process(&mut spectrum, &mut samples).expect("buffers are of the plan's lengths");
        window.copy_from_slice(&samples[..window.len()]);
    });
    level::set_rms(window, before);
}

/// The spectrum of samples with zeros behind them.
fn transform(forward: &dyn RealToComplex<f32>, samples: &[f32]) -> Vec<Complex<f32>> {
    let (mut input, mut spectrum) = (forward.make_input_vec(), forward.make_output_vec());
    input[..samples.len()].copy_from_slice(samples);
    forward.process(&mut input, &mut spectrum).expect("buffers are of the plan's lengths");
    spectrum
}

/// The gain at a frequency, in decibels: between the points linear in the logarithm of the frequency.
fn curve(gains_db: &[f32], hz: f32) -> f32 {
    let place = (hz / LOWEST_HZ).max(1.0).log2().min((gains_db.len() - 1) as f32);
    let (below, fraction) = (place as usize, place.fract());
    let above = gains_db.get(below + 1).copied().unwrap_or(gains_db[below]);
    gains_db[below] + fraction * (above - gains_db[below])
}

/// The impulse response of a random room: direct sound and an exponentially decaying tail.
fn response(longest: usize, rate_hz: u32, rng: &mut impl Rng) -> Vec<f32> {
    let decay = rng.random_range(DECAY_SECONDS) * rate_hz as f32;
    let direct_db = rng.random_range(DIRECT_DB);
    let tail = (0..longest.min(decay as usize))
        .map(|at| level::factor(-60.0 * at as f32 / decay) * rng.random_range(-1.0f32..1.0));
    let mut response: Vec<f32> = tail.collect();
    let energy: f32 = response.iter().map(|sample| sample * sample).sum();
    let gain = level::factor(-direct_db) / energy.sqrt().max(f32::MIN_POSITIVE);
    level::scale(&mut response, gain);
    if let Some(first) = response.first_mut() {
        *first = 1.0;
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw;
    use proptest::prelude::*;

    const RATE_HZ: u32 = 16_000;

    fn recorded(window: &[f32], augment: &Augment, index: u64) -> Vec<f32> {
        let mut window = window.to_vec();
        record(&mut window, RATE_HZ, augment, &mut draw::rng(1, "room test", &[index]));
        window
    }

    fn tone(hz: f32, length: usize) -> Vec<f32> {
        let step = std::f32::consts::TAU * hz / RATE_HZ as f32;
        (0..length).map(|at| (at as f32 * step).sin()).collect()
    }

    #[test]
    fn nothing_wanted_changes_nothing() {
        let window = tone(440.0, 4000);
        for (had, has) in window.iter().zip(recorded(&window, &Augment::none(), 0)) {
            assert!((had - has).abs() < 1e-5, "{had} {has}");
        }
    }

    #[test]
    fn a_microphone_weighs_frequencies_within_its_range() {
        let low = tone(250.0, 16_000);
        let high = tone(4000.0, 16_000);
        let both: Vec<f32> = low.iter().zip(&high).map(|(low, high)| low + high).collect();
        let share = |window: &[f32], tone: &[f32]| {
            window.iter().zip(tone).map(|(sample, tone)| sample * tone).sum::<f32>()
        };
        let augment = Augment { equalise_db: 12.0, ..Augment::none() };
        let mut seen = [0, 0];
        for index in 0..40 {
            let window = recorded(&both, &augment, index);
            let balance_db = 20.0 * (share(&window, &high) / share(&window, &low)).log10();
            assert!(balance_db.abs() < 24.5, "{balance_db}");
            seen[usize::from(balance_db > 0.0)] += usize::from(balance_db.abs() > 3.0);
        }
        assert!(seen.iter().all(|&count| count > 5), "{seen:?}");
    }

    #[test]
    fn a_room_sounds_on_after_the_sound() {
        let mut click = vec![0.0; 16_000];
        click[4000] = 1.0;
        let augment = Augment { reverb: 1.0, ..Augment::none() };
        let window = recorded(&click, &augment, 3);
        assert!(window[..3999].iter().all(|sample| sample.abs() < 1e-4), "nothing comes before");
        let energy = |range: std::ops::Range<usize>| -> f32 {
            window[range].iter().map(|sample| sample * sample).sum()
        };
        let (early, late) = (energy(4001..5000), energy(5000..6000));
        assert!(early > 2.0 * late && late > 0.0, "{early} {late}");
        let dry = recorded(&click, &Augment { reverb: 0.0, ..augment }, 3);
        assert!(dry[4100..].iter().all(|sample| sample.abs() < 1e-4));
    }

    proptest! {
        #[test]
        fn the_level_stays(index: u64, length in 1..5000usize, reverb in 0.0..1.0, equalise_db in 0.0..30.0) {
            let window = tone(700.0, length + 1);
            let augment = Augment { reverb, equalise_db, ..Augment::none() };
            let after = recorded(&window, &augment, index);
            prop_assert!(after.iter().all(|sample| sample.is_finite()));
            prop_assert!((level::rms(&after) / level::rms(&window) - 1.0).abs() < 1e-3);
        }
    }
}
