//! The int8 network on a stream of samples.
//!
//! Samples go in in any chunking, windows come out. Every layer keeps only the few columns that the next
//! one needs ([`level`]); a column is computed as soon as its inputs are there, so no feature map is
//! ever held whole. Columns that windows share are computed once ([`network`]); [`models::arch::Streaming`]
//! says which those are. When a window ends, its edges and what lies behind the shared levels are
//! computed from the columns that were kept ([`window`]).
//!
//! Networks with gates, shortcuts or global maxima keep the samples of a window instead ([`passes`]).

mod level;
mod network;
mod observer;
#[cfg(feature = "gates")]
mod passes;
#[cfg(not(feature = "gates"))]
#[path = "no_passes.rs"]
mod passes;
mod window;

use core::convert::Infallible;
use core::fmt;

use models::q8::{MemoryPlan, Model};
use models::stream::{Gate, Q15, RollingWindows};

pub use crate::kernel::Prepared;
use network::Network;
pub use observer::{Observer, Part};
use passes::Passes;

/// An int8 network with its memory, somewhere in a stream.
///
/// `'m` is the life of the model's bytes, `'r` that of the memory handed in.
#[derive(Debug)]
pub struct Engine<'m, 'r> {
    /// Cuts the stream into the stem's inputs, or into whole windows where nothing is shared.
    samples: RollingWindows<&'r mut [i16]>,
    network: Computation<'m, 'r>,
    gate: Gate,
    window: usize,
    hop: usize,
    /// Samples of the stem's next input, where its inputs do not overlap.
    started: usize,
    /// Samples to come until the next window ends.
    until_window: usize,
    position: u64,
}

/// How a network is computed.
#[derive(Debug)]
enum Computation<'m, 'r> {
    /// A chain, whose windows share columns.
    Columns(Network<'m, 'r>),
    /// Any other network, window by window.
    Passes(Passes<'m, 'r>),
}

/// Why an engine cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// The hop is 0.
    NoHop,
    /// The memory handed in is too short.
    Memory {
        /// 32-bit words needed.
        needed: usize,
        /// 32-bit words there are.
        given: usize,
    },
}

impl core::error::Error for EngineError {}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHop => write!(f, "the hop must be at least 1 sample"),
            Self::Memory { needed, given } => {
                let missing = (needed - given).saturating_mul(4);
                let needed = needed.saturating_mul(4);
                write!(f, "the model needs {needed} bytes of memory, {missing} more than there are")
            }
        }
    }
}

/// 32-bit words of memory that [`Engine::new`] wants at least.
///
/// # Errors
/// [`EngineError::NoHop`].
pub fn memory_words(model: &Model<'_>, hop: u32) -> Result<usize, EngineError> {
    words_within(model, hop, 0)
}

/// 32-bit words of memory with which [`Engine::new`] has the least work: with the maps of all gates kept, no convolution is
/// computed twice for a window. Of networks without gates the same as [`memory_words`].
///
/// With less, the maps of as many gates are kept as fit, those of the last ones first.
///
/// # Errors
/// [`EngineError::NoHop`].
pub fn roomy_memory_words(model: &Model<'_>, hop: u32) -> Result<usize, EngineError> {
    words_within(model, hop, usize::MAX)
}

/// The words that an engine uses of so many, or that it wants at least.
fn words_within(model: &Model<'_>, hop: u32, given: usize) -> Result<usize, EngineError> {
    if hop == 0 {
        return Err(EngineError::NoHop);
    }
    Ok(match model.arch().is_chain() {
        true => words(model, &MemoryPlan::new(model, hop)),
        false => passes::words(&passes::plan(model, given)),
    })
}

/// 32-bit words of memory that [`Engine::for_windows`] wants at least; of networks with gates the same as for
/// [`Engine::new`], with the same use for more.
#[must_use]
pub fn window_memory_words(model: &Model<'_>) -> usize {
    match model.arch().is_chain() {
        true => words(model, &MemoryPlan::for_windows(model)),
        false => passes::words(&passes::plan(model, 0)),
    }
}

/// Saturates: a network that needs more than 2^32 words needs what no machine has.
fn words(model: &Model<'_>, plan: &MemoryPlan) -> usize {
    let words = plan.words().saturating_add(network::own_words(model));
    if u32::try_from(words).is_ok() { words } else { usize::MAX }
}

impl<'m, 'r> Engine<'m, 'r> {
    /// The engine at the start of a stream, with windows every `hop` samples.
    ///
    /// Windows that are quiet by the gate of the model's decision settings have posteriors of 0; of them only the
    /// columns that others share are computed.
    ///
    /// More memory than [`memory_words`] saves networks with gates work, up to [`roomy_memory_words`].
    ///
    /// # Errors
    /// A hop of 0, or less memory than [`memory_words`].
    #[inline(never)]
    pub fn new(model: &'m Model<'m>, hop: u32, memory: &'r mut [u32]) -> Result<Self, EngineError> {
        if hop == 0 {
            return Err(EngineError::NoHop);
        }
        let gate = Gate::new(model.decision().gate, model.arch().window, hop);
        if !model.arch().is_chain() {
            return Self::with_passes(model, hop, gate, memory);
        }
        Self::with_plan(model, &MemoryPlan::new(model, hop), gate, memory)
    }

    // A plan takes stack that networks without passes should not pay for.
    #[inline(never)]
    fn with_passes(
        model: &'m Model<'m>,
        hop: u32,
        gate: Gate,
        memory: &'r mut [u32],
    ) -> Result<Self, EngineError> {
        let plan = passes::plan(model, memory.len());
        let (needed, given) = (passes::words(&plan), memory.len());
        if given < needed {
            return Err(EngineError::Memory { needed, given });
        }
        let (window, hop) = (plan.samples, hop as usize);
        let (samples, memory) = level::take::<i16>(memory, window);
        let samples = RollingWindows::new(samples, window, hop);
        let network = Computation::Passes(Passes::new(model, &plan, memory));
        Ok(Self {
            samples,
            network,
            gate,
            window,
            hop,
            started: 0,
            until_window: window,
            position: 0,
        })
    }

    fn with_plan(
        model: &'m Model<'m>,
        plan: &MemoryPlan,
        gate: Gate,
        memory: &'r mut [u32],
    ) -> Result<Self, EngineError> {
        let (needed, given) = (words(model, plan), memory.len());
        if given < needed {
            return Err(EngineError::Memory { needed, given });
        }
        let window = model.arch().window as usize;
        let hop = plan.streaming.hop;
        let (samples, memory) = level::take::<i16>(memory, plan.samples);
        let stem = &model.arch().stem;
        let shares = !plan.streaming.shared.is_empty();
        let (len, step) = if shares { (plan.samples, stem.stride.into()) } else { (window, hop) };
        let samples = RollingWindows::new(samples, len, step);
        let network = Computation::Columns(Network::new(model, plan, memory));
        let until_window = window;
        Ok(Self { samples, network, gate, window, hop, started: 0, until_window, position: 0 })
    }

    /// An engine for windows that follow each other without overlap: nothing is shared, no window is quiet, and
    /// columns come in their order. For measuring on single windows, with a [`Engine::reset`] in between.
    ///
    /// # Errors
    /// Less memory than [`window_memory_words`].
    pub fn for_windows(model: &'m Model<'m>, memory: &'r mut [u32]) -> Result<Self, EngineError> {
        let window = model.arch().window;
        let gate = Gate::new(0, window, window);
        if !model.arch().is_chain() {
            return Self::with_passes(model, window, gate, memory);
        }
        Self::with_plan(model, &MemoryPlan::for_windows(model), gate, memory)
    }

    /// Reads the weights from where a host prepared them for its vector instructions. The results
    /// stay the same.
    ///
    /// # Panics
    /// Later, if they were prepared from another model.
    #[must_use]
    pub const fn with_prepared(mut self, prepared: &'m Prepared) -> Self {
        if let Computation::Columns(network) = &mut self.network {
            network.prepared = Some(prepared);
        }
        self
    }

    /// The state after [`Engine::new`]: forgets all samples and starts the grid of windows anew.
    pub fn reset(&mut self) {
        self.samples.reset();
        if let Computation::Columns(network) = &mut self.network {
            network.reset();
        }
        self.gate.reset();
        (self.started, self.until_window, self.position) = (0, self.window, 0);
    }

    /// Samples since the last reset.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Takes samples and calls `each(posteriors, end)` for every window that they complete: one
    /// posterior a class, and the position just after the window's last sample.
    pub fn push(&mut self, samples: &[i16], mut each: impl FnMut(&[Q15], u64)) {
        self.push_observed(samples, &mut |posteriors: &[Q15], end| each(posteriors, end));
    }

    /// The same for an [`Observer`], which also sees every column on its way.
    pub fn push_observed(&mut self, mut samples: &[i16], observer: &mut impl Observer) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(self.until_window));
            samples = later;
            self.gate.push(now);
            self.feed(now, observer);
            self.until_window -= now.len();
            self.position += now.len() as u64;
            if self.until_window == 0 {
                self.until_window = self.hop;
                let quiet = self.gate.is_quiet();
                let posteriors = match &mut self.network {
                    Computation::Columns(network) => network.finish(quiet, observer),
                    Computation::Passes(network) => network.finish(quiet),
                };
                observer.window(posteriors, self.position);
            }
        }
    }

    fn feed(&mut self, samples: &[i16], observer: &mut impl Observer) {
        if let Computation::Columns(network) = &self.network {
            let stem = network.stem_shape();
            if network.shares() && stem.kernel == stem.stride {
                return self.feed_stem(samples, stem.stride.into(), observer);
            }
        }
        self.feed_windows(samples, observer);
    }

    /// Samples for a stem whose inputs of `len` samples do not overlap: inputs that are whole need not be
    /// kept.
    fn feed_stem(&mut self, mut samples: &[i16], len: usize, observer: &mut impl Observer) {
        if self.started > 0 {
            let (end, rest) = samples.split_at(samples.len().min(len - self.started));
            self.feed_windows(end, observer);
            self.started += end.len();
            if self.started < len {
                return;
            }
            samples = rest;
        }
        let (inputs, start) = samples.split_at(samples.len() / len * len);
        if let Computation::Columns(network) = &mut self.network {
            network.stem(inputs, observer);
        }
        self.feed_windows(start, observer);
        self.started = start.len();
    }

    fn feed_windows(&mut self, samples: &[i16], observer: &mut impl Observer) {
        let network = &mut self.network;
        let quiet = self.gate.is_quiet();
        let fed = self.samples.push(samples, |samples, _| {
            match network {
                Computation::Columns(network) if network.shares() => {
                    network.stem(samples, observer);
                }
                _ if quiet => {}
                Computation::Columns(network) => network.whole(samples, observer),
                Computation::Passes(network) => network.whole(samples, observer),
            }
            Ok::<_, Infallible>(())
        });
        match fed {
            Ok(()) => {}
        }
    }
}
