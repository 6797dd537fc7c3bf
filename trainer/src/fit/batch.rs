//! From clips to batches: order, augmentation, targets.

#[cfg(test)]
mod tests;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::config::{Augment, FitConfig};
use super::{cut, room};
use crate::data::{Clip, Dataset, I16_SCALE, Part, Placement};
use crate::draw::{self, ChaCha8Rng};

/// A batch on its way to the device.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Windows, `[B, T]`.
    pub windows: Vec<f32>,
    /// Target distributions, `[B, N]`; of tags the probability of each.
    pub targets: Vec<f32>,
    /// The class that has the largest share of each target.
    pub classes: Vec<usize>,
    /// Which windows are of hard negatives, or of words that are cut off: no word, but whether that is `_unknown_` or
    /// `_silence_` is left to the network.
    pub negative: Vec<bool>,
}

impl Batch {
    /// Shares what the targets of hard negatives give to the classes `none` (which say that there is no word)
    /// as the network does: `log_posteriors` are its outputs, `[B, N]`. The gradient is then that of the
    /// logarithm of the sum of those classes' posteriors.
    pub fn share_negatives(&mut self, log_posteriors: &[f32], none: &[usize]) {
        let classes = self.targets.len() / self.negative.len().max(1);
        let rows = self.targets.chunks_exact_mut(classes).zip(log_posteriors.chunks_exact(classes));
        for ((target, log), (negative, class)) in
            rows.zip(self.negative.iter().zip(&mut self.classes))
        {
            if !negative {
                continue;
            }
            let most = none.iter().map(|&c| log[c]).fold(f32::NEG_INFINITY, f32::max);
            let weight = |c: usize| (log[c] - most).exp();
            let sum: f32 = none.iter().map(|&c| weight(c)).sum();
            let mass: f32 = none.iter().map(|&c| target[c]).sum();
            none.iter().for_each(|&c| target[c] = mass * weight(c) / sum);
            if none.contains(class) {
                *class = none.iter().copied().find(|&c| log[c] >= most).unwrap_or(*class);
            }
        }
    }
}

/// The clips of one epoch in their random order.
#[derive(Debug)]
pub struct Epoch<'a> {
    data: &'a Dataset,
    config: &'a FitConfig,
    number: u32,
    /// Silence and hard negatives of this epoch, drawn anew each time.
    drawn: Vec<Clip>,
    /// Where the hard negatives begin among the indices of `order`.
    negatives_from: usize,
    /// Indices into the training clips followed by those.
    order: Vec<usize>,
}

impl<'a> Epoch<'a> {
    /// Epoch `number` of a run: a function of the seed and the number alone.
    #[must_use]
    pub fn new(data: &'a Dataset, config: &'a FitConfig, number: u32) -> Self {
        let mut rng = draw::rng(config.seed, "epoch", &[u64::from(number)]);
        let per_class = config.clips_per_class;
        let count = match data.silence_count(Part::Training) {
            0 => 0,
            count if per_class == 0 => count,
            _ => per_class,
        };
        let mut drawn = data.silence_clips(Part::Training, count, rng.next_u64());
        let negatives_from = data.train.len() + drawn.len();
        let balanced =
            (per_class > 0).then(|| evenly(&data.train, data.labels.len(), per_class, &mut rng));
        // A long clip of a scene is looked at once a window's length.
        let times = |clip: &Clip| match data.placement {
            Placement::Centre => 1,
            Placement::Anywhere => (clip.samples.len() / data.window).max(1),
        };
        let listed: Vec<usize> = balanced.unwrap_or_else(|| {
            let clips = data.train.iter().enumerate();
            clips.flat_map(|(index, clip)| std::iter::repeat_n(index, times(clip))).collect()
        });
        if !data.negatives.is_empty() {
            let (share, others) = (config.hard_negative_share, listed.len() + drawn.len());
            drawn.extend(data.negative_clips(others, share, rng.next_u64()));
        }
        let mut order = listed;
        order.extend(data.train.len()..data.train.len() + drawn.len());
        order.shuffle(&mut rng);
        Self { data, config, number, drawn, negatives_from, order }
    }

    /// Batches of an epoch. Clips that fill no whole batch wait for the next epoch's shuffle,
    /// unless there is no other batch.
    #[must_use]
    pub fn batches(&self) -> usize {
        (self.order.len() / self.config.batch).max(1)
    }

    /// Batch `index`: a function of seed, epoch and index alone.
    #[must_use]
    pub fn batch(&self, index: usize) -> Batch {
        let size = self.config.batch.min(self.order.len());
        let places = index * size..(index + 1) * size;
        let (window, classes) = (self.data.window, self.data.labels.len());
        let mut batch = Batch {
            windows: vec![0.0; size * window],
            targets: vec![0.0; size * classes],
            classes: places
                .clone()
                .map(|place| self.cut_class(place).unwrap_or_else(|| self.clip(place).class))
                .collect(),
            negative: places
                .clone()
                .map(|place| {
                    self.order[place] >= self.negatives_from || self.cut_class(place).is_some()
                })
                .collect(),
        };
        batch
            .windows
            .par_chunks_exact_mut(window)
            .zip(batch.targets.par_chunks_exact_mut(classes))
            .zip(places)
            .for_each(|((window, target), place)| self.example(place, window, target));
        batch
    }

    fn clip(&self, place: usize) -> &Clip {
        let index = self.order[place];
        let listed = &self.data.train;
        listed.get(index).unwrap_or_else(|| &self.drawn[index - listed.len()])
    }

    /// The class that the word at `place` becomes, if it is cut off.
    fn cut_class(&self, place: usize) -> Option<usize> {
        let share = self.config.augment.cut;
        if share == 0.0 || self.order[place] >= self.data.train.len() {
            return None;
        }
        let none = self.data.none_classes();
        let is_word = !none.contains(&self.clip(place).class);
        let mut rng = draw::rng(self.config.seed, "cut", &[u64::from(self.number), place as u64]);
        let is_cut = is_word && rng.random::<f64>() < share;
        none.first().copied().filter(|_| is_cut)
    }

    /// Writes the window and target of the clip at `place`.
    fn example(&self, place: usize, window: &mut [f32], target: &mut [f32]) {
        let index = [u64::from(self.number), place as u64];
        let mut rng = draw::rng(self.config.seed, "augment", &index);
        let augment = &self.config.augment;
        let clip = self.clip(place);
        let cut_class = self.cut_class(place);
        self.load(clip, window, cut_class.is_some(), &mut rng);
        // A class spreads over all of them, a tag over having it and not having it.
        let spread = if clip.tags.is_empty() { target.len() } else { 2 };
        let smoothing = self.config.label_smoothing / spread as f32;
        let certain = 1.0 - self.config.label_smoothing;
        let mut share = 0.0;
        if augment.mixup > 0.0 {
            share = rng.random_range(0.0..augment.mixup) as f32;
            let other = self.clip(rng.random_range(0..self.order.len()));
            let mut second = vec![0.0; window.len()];
            self.load(other, &mut second, false, &mut rng);
            for (own, other) in window.iter_mut().zip(&second) {
                *own = *own * (1.0 - share) + other * share;
            }
            add(other, share * certain, target);
        }
        match cut_class {
            Some(class) => target[class] += (1.0 - share) * certain,
            None => add(clip, (1.0 - share) * certain, target),
        }
        target.iter_mut().for_each(|value| *value += smoothing);
        tilt(window, symmetric(&mut rng, augment.tilt) as f32);
        if augment.equalise_db > 0.0 || augment.reverb > 0.0 {
            room::record(window, self.data.rate_hz, augment, &mut rng);
        }
        self.add_noise(window, &mut rng);
        if rng.random::<f64>() < augment.polarity {
            scale(window, -1.0);
        }
        let gain = between(&mut rng, augment.gain_low_db, augment.gain_high_db);
        scale(window, decibels(gain));
    }

    /// The clip, or of a scene any part of it, at a random speed and place in the window, which may cut it off.
    fn load(&self, clip: &Clip, window: &mut [f32], is_cut: bool, rng: &mut ChaCha8Rng) {
        let Augment { shift_ms, speed_percent, .. } = self.config.augment;
        let speed = 1.0 + symmetric(rng, speed_percent) / 100.0;
        let shift = symmetric(rng, shift_ms) / 1000.0 * f64::from(self.data.rate_hz);
        let mut samples = &clip.samples[..];
        if self.data.placement == Placement::Anywhere {
            let length = samples.len().min((speed * window.len() as f64).ceil() as usize);
            let start = rng.random_range(0..=samples.len() - length);
            samples = &samples[start..start + length];
        }
        let shift = match is_cut {
            true => cut::shift(samples, self.data.rate_hz, window.len(), speed, rng),
            false => shift,
        };
        place(samples, window, speed, shift);
    }

    /// Background noise at a random signal-to-noise ratio, for some clips.
    fn add_noise(&self, window: &mut [f32], rng: &mut ChaCha8Rng) {
        let augment = &self.config.augment;
        let (chance, draw) = (rng.random::<f64>(), rng.next_u64());
        let snr = between(rng, augment.snr_low_db, augment.snr_high_db);
        let crop = self.data.background.crop(Part::Training, draw, window.len());
        let Some(noise) = crop.filter(|_| chance < augment.noise) else { return };
        let noise: Vec<f32> = noise.iter().map(|sample| f32::from(*sample) / I16_SCALE).collect();
        let (signal, level) = (rms(window), rms(&noise));
        if signal < 1e-5 || level < 1e-5 {
            return;
        }
        let gain = signal / level * decibels(-snr);
        window.iter_mut().zip(&noise).for_each(|(sample, noise)| *sample += gain * noise);
    }
}

/// Adds a weight at the clip's class, or at all of its tags.
fn add(clip: &Clip, weight: f32, target: &mut [f32]) {
    if clip.tags.is_empty() {
        target[clip.class] += weight;
    }
    let tags = target.iter_mut().zip(clip.tags.iter()).filter(|(_, has)| **has);
    tags.for_each(|(target, _)| *target += weight);
}

/// Indices of `count` clips of each class that has any, drawn without repetition as far as there are so many.
fn evenly(clips: &[Clip], classes: usize, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut drawn = Vec::with_capacity(classes * count);
    for class in 0..classes {
        let of_class = clips.iter().enumerate().filter(|(_, clip)| clip.has(class));
        let mut of_class: Vec<usize> = of_class.map(|(index, _)| index).collect();
        of_class.shuffle(rng);
        drawn.extend(of_class.iter().cycle().take(count));
    }
    drawn
}

/// The window of a clip as evaluation and training without augmentation see it: the middle of a
/// longer clip, a shorter one between zeros.
pub fn centre(samples: &[i16], window: &mut [f32]) {
    place(samples, window, 1.0, 0.0);
}

/// The same without a change of scale.
pub fn centre_i16(samples: &[i16], window: &mut [i16]) {
    let start = ((samples.len() as f64 - window.len() as f64) / 2.0).round() as isize;
    for (index, out) in (start..).zip(window) {
        let sample = usize::try_from(index).ok().and_then(|index| samples.get(index));
        *out = sample.copied().unwrap_or(0);
    }
}

/// Puts a clip, `speed` times as fast, into the middle of a window moved by `shift` samples.
/// Between samples it is interpolated linearly.
pub(super) fn place(samples: &[i16], window: &mut [f32], speed: f64, shift: f64) {
    let centre = (samples.len() as f64 - speed * window.len() as f64) / 2.0;
    let start = (centre - shift * speed).round();
    let at = |index: f64| -> f32 {
        if index < 0.0 || index >= samples.len() as f64 {
            return 0.0;
        }
        f32::from(samples[index as usize]) / I16_SCALE
    };
    for (index, out) in window.iter_mut().enumerate() {
        let position = start + speed * index as f64;
        let whole = position.floor();
        let fraction = (position - whole) as f32;
        *out = at(whole);
        if fraction > 0.0 {
            *out += fraction * (at(whole + 1.0) - *out);
        }
    }
}

fn symmetric(rng: &mut ChaCha8Rng, largest: f64) -> f64 {
    (2.0 * rng.random::<f64>() - 1.0) * largest
}

fn between(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    low + rng.random::<f64>() * (high - low)
}

/// Adds `weight` times the sample before to every sample.
fn tilt(window: &mut [f32], weight: f32) {
    let mut before = 0.0;
    for sample in window {
        let now = *sample;
        *sample += weight * before;
        before = now;
    }
}

fn decibels(db: f64) -> f32 {
    10.0f64.powf(db / 20.0) as f32
}

fn scale(window: &mut [f32], gain: f32) {
    window.iter_mut().for_each(|sample| *sample *= gain);
}

fn rms(samples: &[f32]) -> f32 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (sum / samples.len().max(1) as f64).sqrt() as f32
}
