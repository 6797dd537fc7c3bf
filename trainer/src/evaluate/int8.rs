//! Posteriors of clips by the int8 engine.

use firmware_sim::{Engine, Observer, Prepared, roomy_memory_words, window_memory_words};
use models::q8::Model;
use models::stream::{Q15, to_f32};
use rayon::prelude::*;

use super::predict::{Predictions, empty};
use crate::data::Clip;
use crate::fit::batch::centre_i16;

/// 32-bit words of memory that an engine may take to save work: 64 MiB.
const MOST_WORDS: usize = 1 << 24;

/// The engine on single windows, one after the other.
pub struct Int8<'m> {
    model: &'m Model<'m>,
    prepared: Option<&'m Prepared>,
    memory: Vec<u32>,
}

impl<'m> Int8<'m> {
    /// An engine for a model, and its weights as this machine likes them best.
    #[must_use]
    pub fn new(model: &'m Model<'m>, prepared: Option<&'m Prepared>) -> Self {
        let roomy = roomy_memory_words(model, model.arch().window);
        let roomy = roomy.expect("a window has at least one sample").min(MOST_WORDS);
        Self { model, prepared, memory: vec![0; roomy.max(window_memory_words(model))] }
    }

    /// Runs one window.
    pub fn observe(&mut self, window: &[i16], observer: &mut impl Observer) {
        let engine = Engine::for_windows(self.model, &mut self.memory);
        let mut engine = engine.expect("the memory has the size asked for");
        if let Some(prepared) = self.prepared {
            engine = engine.with_prepared(prepared);
        }
        engine.push_observed(window, observer);
    }

    /// The posteriors of one window.
    pub fn posteriors(&mut self, window: &[i16]) -> Vec<f32> {
        let mut row = Vec::new();
        self.observe(window, &mut |posteriors: &[Q15], _| {
            row = posteriors.iter().map(|posterior| to_f32(*posterior)).collect();
        });
        row
    }
}

/// The window of a clip: its middle, or all of it between zeros.
#[must_use]
pub fn window_i16(clip: &Clip, window: usize) -> Vec<i16> {
    let mut out = vec![0; window];
    centre_i16(&clip.samples, &mut out);
    out
}

/// Posteriors of clips.
#[must_use]
pub fn predict(model: &Model<'_>, clips: &[Clip]) -> Predictions {
    let window = model.arch().window as usize;
    let prepared = Prepared::new(model);
    let posteriors = clips.par_iter().map_init(
        || Int8::new(model, prepared.as_ref()),
        |engine, clip| engine.posteriors(&window_i16(clip, window)),
    );
    Predictions { posteriors: posteriors.collect(), ..empty(clips) }
}
