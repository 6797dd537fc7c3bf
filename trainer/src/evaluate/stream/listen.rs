//! Runs the network over a track, once.

use anyhow::{Context as _, bail};
use models::meta::DecisionDefaults;
use models::stream::{Q15, from_f32};
use runtime::engine::{Gated, Quiet, Stream};

use super::track::Track;
use crate::data::I16_SCALE;
use crate::evaluate::model::AnyModel;

/// Samples handed to an engine at a time.
const BLOCK: usize = 1 << 16;

/// An exported model, ready for streams: the runtime's engine, whose windows share their work, behind the gate.
pub struct Listener(Gated<Box<dyn Stream>>);

/// The posteriors of every window of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posteriors {
    /// Samples of a window, and from one to the next.
    window: u32,
    hop: u32,
    classes: usize,
    /// `[windows, classes]`; of quiet windows 0.
    rows: Vec<Q15>,
    /// Quiet windows.
    quiet: u64,
}

impl Listener {
    /// A model with the hop and the gate of these settings.
    ///
    /// # Errors
    /// A training run, which is no model for streams yet, or what the engine says.
    pub fn new(model: AnyModel, decision: &DecisionDefaults) -> anyhow::Result<Self> {
        let hop = decision.hop;
        let stream = match model {
            AnyModel::Run(_) => {
                bail!("streams are for exported models; write one with `trainer export`")
            }
            AnyModel::Onnx(engine, _) => engine.into_stream(hop)?,
            AnyModel::Int8(file) => file.engine()?.into_stream(hop),
        };
        Ok(Self(Gated::new(stream, decision.gate)))
    }

    /// The posteriors of a track, heard from its beginning.
    ///
    /// # Errors
    /// What the engine says.
    pub fn listen(&mut self, track: &Track) -> anyhow::Result<Posteriors> {
        let stream = &mut self.0;
        stream.reset();
        let (window, hop) = (stream.meta().arch.window, stream.work().hop);
        let classes = usize::from(stream.meta().arch.classes);
        let (mut rows, mut row) = (Vec::new(), vec![0.0; classes]);
        for block in track.samples.chunks(BLOCK) {
            let block: Vec<f32> = block.iter().map(|&s| f32::from(s) / I16_SCALE).collect();
            let mut rest = block.as_slice();
            while !rest.is_empty() {
                let (taken, ended) = stream.push(rest, &mut row)?;
                rest = &rest[taken..];
                if ended {
                    rows.extend(row.iter().map(|posterior| from_f32(*posterior)));
                }
            }
        }
        let Quiet { quiet, .. } = stream.counts();
        Ok(Posteriors { window, hop, classes, rows, quiet })
    }
}

impl Posteriors {
    /// Posteriors `[windows, classes]` of windows of `window` samples, one every `hop`.
    #[must_use]
    pub const fn new(window: u32, hop: u32, classes: usize, rows: Vec<Q15>) -> Self {
        Self { window, hop, classes, rows, quiet: 0 }
    }

    /// Number of windows that were too quiet to be computed.
    #[must_use]
    pub const fn quiet(&self) -> u64 {
        self.quiet
    }

    /// Number of windows.
    #[must_use]
    pub fn windows(&self) -> usize {
        self.rows.len() / self.classes.max(1)
    }

    /// Samples of a window.
    #[must_use]
    pub const fn window(&self) -> u32 {
        self.window
    }

    /// Samples from one window to the next.
    #[must_use]
    pub const fn hop(&self) -> u32 {
        self.hop
    }

    /// Number of classes.
    #[must_use]
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// The posteriors of one window after the other.
    pub fn rows(&self) -> impl Iterator<Item = &[Q15]> {
        self.rows.chunks_exact(self.classes.max(1))
    }
}

/// Checks that a model's own hop can be one.
///
/// # Errors
/// A hop of more than an hour.
pub fn check_hop(hop: u32, rate_hz: u32) -> anyhow::Result<()> {
    let longest = rate_hz.saturating_mul(3600);
    (1..=longest)
        .contains(&hop)
        .then_some(())
        .with_context(|| format!("the model's hop of {hop} samples is absurd; export it again"))
}
