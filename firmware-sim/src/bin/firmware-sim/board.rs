//! A board: driver, ring, engine and decision core.

use std::io;

use anyhow::{Result, bail};
use firmware_sim::{Engine, Observer, Part, memory_len, memory_words};
use models::q8::Model;
use models::stream::{Change, Decider, Event, Q15};

use crate::cli::Stream;
use crate::print::no_output;
use crate::recording::Interrupt;
use crate::ring::Ring;
use crate::sequence::{Gap, Sequence};

/// What the simulator has, in bytes.
const MOST_BYTES: usize = 1 << 30;
/// Zeros that are handed over at a time.
const ZEROS: [i16; 256] = [0; 256];

/// Takes what happens on a board, in the order in which it does.
pub(crate) trait Results {
    /// A column of layer `layer`.
    fn column(&mut self, layer: usize, part: Part, values: &[i16]);

    /// A window's posteriors, and the position just after its last sample.
    fn window(&mut self, posteriors: &[Q15], end: u64) -> io::Result<()>;

    /// A detection.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// Samples that are missing or were discarded.
    fn gap(&mut self, gap: &Gap) -> io::Result<()>;
}

/// Bytes of memory that a board needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) engine: usize,
    pub(crate) detector: usize,
    pub(crate) ring: usize,
}

impl Memory {
    /// The memory for a model and a stream.
    ///
    /// # Errors
    /// A stream that cannot be, or more than there is.
    pub(crate) fn plan(model: &Model<'_>, stream: &Stream) -> Result<Self> {
        let Stream { dma, ring, .. } = *stream;
        if dma == 0 {
            bail!("an interrupt must have at least 1 sample");
        }
        if dma > ring {
            bail!(
                "an interrupt of {dma} samples does not fit into the ring of {ring}; give a smaller --dma or a larger --ring"
            );
        }
        let engine = memory_words(model, hop(model, stream))?.saturating_mul(size_of::<u32>());
        let classes = usize::from(model.arch().classes);
        let detector = memory_len(classes, model.decision().smoothing) * size_of::<Q15>();
        let memory = Self { engine, detector, ring: ring.saturating_mul(size_of::<i16>()) };
        memory.fit(MOST_BYTES)?;
        Ok(memory)
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.engine.saturating_add(self.detector).saturating_add(self.ring)
    }

    /// Whether there is enough.
    pub(crate) fn fit(&self, bytes: usize) -> Result<()> {
        let (needed, Self { engine, detector, ring }) = (self.bytes(), self);
        if needed > bytes {
            let missing = needed - bytes;
            bail!(
                "the model needs {needed} bytes of memory (engine {engine}, detector {detector}, ring {ring}), {missing} more than the {bytes} there are"
            );
        }
        Ok(())
    }

    /// The engine's memory, full of rubbish as after power-on.
    pub(crate) fn engine_words(&self) -> Vec<u32> {
        vec![0xDEAD_BEEF; self.engine / size_of::<u32>()]
    }
}

fn hop(model: &Model<'_>, stream: &Stream) -> u32 {
    stream.hop.unwrap_or(model.decision().hop)
}

/// A board that listens.
#[derive(Debug)]
pub(crate) struct Board<'m, 'r> {
    sequence: Sequence,
    ring: Ring,
    engine: Engine<'m, 'r>,
    decider: Decider<Vec<Q15>>,
}

impl<'m, 'r> Board<'m, 'r> {
    /// A board after power-on.
    pub(crate) fn new(model: &'m Model<'m>, stream: &Stream, words: &'r mut [u32]) -> Result<Self> {
        let engine = Engine::new(model, hop(model, stream), words)?;
        let decision = model.decision();
        let memory = vec![0; memory_len(model.arch().classes.into(), decision.smoothing)];
        let settings = decision.settings(model.arch().window);
        let decider = Decider::new(model.arch().task, settings, decision.classes(), memory)?;
        Ok(Self { sequence: Sequence::default(), ring: Ring::new(stream.ring), engine, decider })
    }

    /// The state after power-on.
    pub(crate) fn reset(&mut self) {
        self.sequence = Sequence::default();
        self.ring.clear();
        self.engine.reset();
        self.decider.reset();
    }

    /// Takes an interrupt, and computes all that it makes possible.
    pub(crate) fn interrupt(
        &mut self,
        interrupt: &Interrupt,
        results: &mut dyn Results,
    ) -> Result<()> {
        let arrival = self.sequence.arrive(interrupt.sample, interrupt.samples.len());
        if let Some(gap) = arrival.gap {
            results.gap(&gap).map_err(no_output)?;
        }
        let mut zeros = arrival.zeros;
        while zeros > 0 {
            let now = zeros.min(ZEROS.len() as u64);
            self.feed(&ZEROS[..now as usize], results)?;
            zeros -= now;
        }
        self.feed(&interrupt.samples[arrival.discarded..], results)
    }

    /// Stops listening after so many samples: those at the end may be missing, too. Tags that are heard end here.
    pub(crate) fn stop(&mut self, samples: u64, results: &mut dyn Results) -> Result<()> {
        if samples > self.sequence.expected() {
            self.interrupt(&Interrupt { sample: samples, samples: Vec::new() }, results)?;
        }
        let mut told = Ok(());
        self.decider.finish(|change| tell(change, results, &mut told));
        told.map_err(no_output)
    }

    /// From the interrupt into the ring, from there into the engine.
    fn feed(&mut self, mut samples: &[i16], results: &mut dyn Results) -> Result<()> {
        let Self { ring, engine, decider, .. } = self;
        let mut tap = Tap { results, decider, failed: None };
        while !samples.is_empty() {
            let taken = ring.write(samples);
            samples = &samples[taken..];
            loop {
                let ready = ring.read();
                if ready.is_empty() {
                    break;
                }
                engine.push_observed(ready, &mut tap);
            }
        }
        tap.failed.map_or(Ok(()), |error| Err(no_output(error)))
    }
}

/// Sees the engine's columns and windows, and decides.
struct Tap<'a> {
    results: &'a mut dyn Results,
    decider: &'a mut Decider<Vec<Q15>>,
    failed: Option<io::Error>,
}

impl Tap<'_> {
    fn decide(&mut self, posteriors: &[Q15], end: u64) -> io::Result<()> {
        self.results.window(posteriors, end)?;
        let Self { decider, results, .. } = self;
        let mut told = Ok(());
        decider.push(posteriors, end, |change| tell(change, &mut **results, &mut told));
        told
    }
}

/// Hands on a detection, or a tag that is over, unless that has failed before.
fn tell(change: Change, results: &mut dyn Results, told: &mut io::Result<()>) {
    if let (Change::Detected(event), Ok(())) = (change, &told) {
        *told = results.event(&event);
    }
}

impl Observer for Tap<'_> {
    fn column(&mut self, layer: usize, part: Part, values: &[i16]) {
        self.results.column(layer, part, values);
    }

    fn window(&mut self, posteriors: &[Q15], end: u64) {
        let done = if self.failed.is_none() { self.decide(posteriors, end) } else { Ok(()) };
        self.failed = self.failed.take().or(done.err());
    }
}
