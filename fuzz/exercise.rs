//! Whatever the reader lets through can be run.

use firmware_sim::{Engine, memory_words, window_memory_words};
use models::q8::Model;
use models::stream::Gate;

/// 32-bit words of memory up to which a model is run: 1 MiB.
const MOST_WORDS: usize = 1 << 18;
/// Multiply-accumulates of a window up to which a model is run.
const MOST_MACS: u64 = 200_000;

/// Posteriors of a window and the sample after it.
pub(crate) type Window = (Vec<u16>, u64);

/// Reads a model; if it is small, runs it on a few windows of noise, as a stream and window by
/// window. Tells whether it ran.
///
/// # Panics
/// If the reader, the memory plan or an engine does, or if the two engines differ.
pub(crate) fn exercise(bytes: &[u8]) -> bool {
    let Ok(model) = Model::parse(bytes) else { return false };
    let table = model.arch().layers().expect("a parsed model's network was checked");
    if table.macs() > MOST_MACS {
        return false;
    }
    // The stride of a level in the middle: some levels are shared by windows, and some are not.
    let stride = table.layers[model.arch().blocks.len().div_ceil(2)].stride as u32;
    let hops = [model.decision().hop, stride, model.arch().window.div_ceil(3)];
    hops.into_iter().filter(|hop| run(&model, *hop)).count() > 0
}

/// The same of a model that was read, with windows every `hop` samples.
///
/// # Panics
/// As [`exercise`], and if `hop` is 0.
pub(crate) fn run(model: &Model<'_>, hop: u32) -> bool {
    let words = memory_words(model, hop).expect("a hop above 0");
    if words > MOST_WORDS || window_memory_words(model) > MOST_WORDS {
        return false;
    }
    let window = model.arch().window as usize;
    let samples = noise(window + 2 * window.min(hop as usize));
    let mut memory = vec![0xDEAD_BEEF; words];
    let mut engine = Engine::new(model, hop, &mut memory).expect("the memory that it asked for");
    let mut found: Vec<Window> = Vec::new();
    for chunk in samples.chunks(37) {
        engine.push(chunk, |posteriors, end| found.push((posteriors.to_vec(), end)));
    }
    assert_eq!(found, alone(model, hop as usize, &samples), "a hop of {hop}");
    true
}

/// The same windows, each for itself; those that the model's gate finds quiet have posteriors of 0.
fn alone(model: &Model<'_>, hop: usize, samples: &[i16]) -> Vec<Window> {
    let window = model.arch().window as usize;
    let mut memory = vec![0xDEAD_BEEF; window_memory_words(model)];
    let mut engine = Engine::for_windows(model, &mut memory).expect("the memory that it asked for");
    let mut gate = Gate::new(model.decision().gate, model.arch().window, hop as u32);
    let (mut found, mut heard) = (Vec::new(), 0);
    for start in (0..=samples.len() - window).step_by(hop) {
        engine.reset();
        let end = start + window;
        gate.push(&samples[heard..end]);
        heard = end;
        engine.push(&samples[start..end], |posteriors, _| {
            let mut posteriors = posteriors.to_vec();
            if gate.is_quiet() {
                posteriors.fill(0);
            }
            found.push((posteriors, end as u64));
        });
    }
    found
}

/// Loud noise, always the same.
pub(crate) fn noise(count: usize) -> Vec<i16> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u16
    };
    (0..count).map(|_| next().cast_signed()).collect()
}
