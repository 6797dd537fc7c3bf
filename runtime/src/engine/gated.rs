//! A stream whose quiet windows are not computed.

use audio::to_i16;
use models::meta::ModelMeta;
use models::stream::Gate;

use super::{EngineError, Stream, Work};

/// Windows of a stream, and those of them that were quiet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quiet {
    /// All windows.
    pub windows: u64,
    /// Windows that were not computed.
    pub quiet: u64,
}

/// Holds a stream back while its windows are quiet, as [`Gate`] says: their posteriors are 0, and nothing is computed for
/// them.
///
/// The samples of a hop wait for its end. Behind silence the stream starts anew with the samples of a whole
/// window: the work that windows share is lost once.
#[derive(Debug)]
pub struct Gated<S> {
    stream: S,
    gate: Gate,
    window: usize,
    hop: usize,
    /// The newest samples: those of a window, and behind them those that wait.
    recent: Vec<f32>,
    /// Whether the stream has heard all of the window before.
    follows: bool,
    /// Samples until the next window ends.
    missing: usize,
    rounded: Vec<i16>,
    counts: Quiet,
}

impl<S: Stream> Gated<S> {
    /// A stream with a gate at this level; 0 never holds it back.
    ///
    /// # Panics
    /// If a window of the model or the stream's hop has no samples.
    pub fn new(stream: S, level: u32) -> Self {
        let (window, hop) = (stream.meta().arch.window, stream.work().hop);
        let gate = Gate::new(level, window, hop);
        let (window, hop) = (window as usize, hop as usize);
        let (recent, rounded, follows) = (Vec::new(), Vec::new(), false);
        let counts = Quiet::default();
        Self { stream, gate, window, hop, recent, follows, missing: window, rounded, counts }
    }

    /// Whether it can hold the stream back at all.
    pub const fn is_on(&self) -> bool {
        self.gate.is_on()
    }

    /// How many windows were quiet since the last reset.
    pub const fn counts(&self) -> Quiet {
        self.counts
    }

    /// The stream behind the gate.
    pub const fn inner(&self) -> &S {
        &self.stream
    }

    /// Takes samples up to the end of the next window.
    fn take(
        &mut self,
        samples: &[f32],
        out: Option<&mut [f32]>,
    ) -> Result<(usize, bool), EngineError> {
        if !self.gate.is_on() {
            let (taken, ended) = advance(&mut self.stream, samples, out)?;
            self.counts.windows += u64::from(ended);
            return Ok((taken, ended));
        }
        let taken = samples.len().min(self.missing);
        let samples = &samples[..taken];
        self.rounded.clear();
        self.rounded.extend(samples.iter().copied().map(to_i16));
        self.gate.push(&self.rounded);
        self.recent.extend_from_slice(samples);
        self.missing -= taken;
        let most = self.window + self.hop.min(self.window);
        let old = self.recent.len().saturating_sub(most);
        self.recent.drain(..old);
        let ended = self.missing == 0;
        if ended {
            self.missing = self.hop;
            self.counts.windows += 1;
            self.window(out)?;
        }
        Ok((taken, ended))
    }

    /// The posteriors of the window that has just ended, if somebody wants them.
    fn window(&mut self, out: Option<&mut [f32]>) -> Result<(), EngineError> {
        if self.gate.is_quiet() {
            self.counts.quiet += 1;
            self.follows = false;
            if let Some(out) = out {
                out.fill(0.0);
            }
        } else {
            // With gaps between windows nothing is shared that could be lost.
            let waiting = if self.follows && self.hop <= self.window {
                &self.recent[self.window..]
            } else {
                self.stream.reset();
                &self.recent[self.recent.len() - self.window..]
            };
            let (taken, ended) = advance(&mut self.stream, waiting, out)?;
            debug_assert!(ended && taken == waiting.len(), "a window ends with these samples");
            self.follows = true;
        }
        let old = self.recent.len() - self.window;
        self.recent.drain(..old);
        Ok(())
    }
}

fn advance(
    stream: &mut impl Stream,
    samples: &[f32],
    out: Option<&mut [f32]>,
) -> Result<(usize, bool), EngineError> {
    match out {
        Some(out) => stream.push(samples, out),
        None => stream.pass(samples),
    }
}

impl<S: Stream> Stream for Gated<S> {
    fn meta(&self) -> &ModelMeta {
        self.stream.meta()
    }

    fn work(&self) -> Work {
        self.stream.work()
    }

    fn reset(&mut self) {
        self.stream.reset();
        self.gate.reset();
        self.recent.clear();
        (self.follows, self.missing, self.counts) = (false, self.window, Quiet::default());
    }

    fn push(&mut self, samples: &[f32], out: &mut [f32]) -> Result<(usize, bool), EngineError> {
        self.take(samples, Some(out))
    }

    fn pass(&mut self, samples: &[f32]) -> Result<(usize, bool), EngineError> {
        self.take(samples, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, Rolling};
    use crate::tiny_model::tiny_meta;
    use proptest::prelude::*;

    /// Tells the sum of a window; counts the windows that it computes.
    #[derive(Debug)]
    struct Counted(ModelMeta, u64);

    impl Engine for Counted {
        fn meta(&self) -> &ModelMeta {
            &self.0
        }

        fn posteriors(&mut self, window: &[f32], out: &mut [f32]) -> Result<(), EngineError> {
            self.1 += 1;
            out.fill(window.iter().sum());
            Ok(())
        }
    }

    fn stream(window: u32, hop: u32) -> Rolling<Counted> {
        let mut meta = tiny_meta();
        meta.arch.window = window;
        Rolling::new(Counted(meta, 0), hop)
    }

    fn windows(stream: &mut dyn Stream, pieces: &[&[f32]]) -> Vec<Vec<f32>> {
        let mut found = Vec::new();
        for piece in pieces {
            let mut piece = *piece;
            while !piece.is_empty() {
                let mut out = vec![7.0; 3];
                let (taken, ended) = stream.push(piece, &mut out).unwrap();
                piece = &piece[taken..];
                found.extend(ended.then_some(out));
            }
        }
        found
    }

    #[test]
    fn an_open_gate_is_no_gate() {
        let samples = [0.0; 50];
        let mut gated = Gated::new(stream(10, 4), 0);
        assert_eq!(windows(&mut gated, &[&samples]), windows(&mut stream(10, 4), &[&samples]));
        assert_eq!(gated.counts(), Quiet { windows: 11, quiet: 0 });
    }

    proptest! {
        #[test]
        fn quiet_windows_are_skipped_and_no_other(
            parts in prop::collection::vec((any::<bool>(), 0..120usize), 0..10),
            window in 1..60u32, hop in 1..90u32, cut in 0..400usize,
        ) {
            // Sixteenths and 65536ths add up exactly, in any order.
            let level = |loud| if loud { 0.0625 } else { 1.0 / 65_536.0 };
            let samples: Vec<f32> =
                parts.iter().flat_map(|(loud, length)| vec![level(*loud); *length]).collect();
            let gate = 1 << 10;
            let mut gated = Gated::new(stream(window, hop), gate);
            let (first, second) = samples.split_at(cut.min(samples.len()));
            let found = windows(&mut gated, &[first, second]);
            let all = windows(&mut stream(window, hop), &[&samples]);
            prop_assert_eq!(found.len(), all.len());
            let (mut reference, mut start, mut computed) = (Gate::new(gate, window, hop), 0, 0);
            for (index, (found, all)) in found.iter().zip(&all).enumerate() {
                let end = window as usize + index * hop as usize;
                let rounded: Vec<i16> = samples[start..end].iter().copied().map(to_i16).collect();
                reference.push(&rounded);
                start = end;
                if reference.is_quiet() {
                    prop_assert_eq!(found, &[0.0; 3]);
                } else {
                    computed += 1;
                    prop_assert_eq!(found, all);
                }
            }
            let quiet = all.len() as u64 - computed;
            prop_assert_eq!(gated.counts(), Quiet { windows: all.len() as u64, quiet });
            prop_assert_eq!(gated.inner().engine().1, computed);
            gated.reset();
            prop_assert_eq!(windows(&mut gated, &[&samples]), found);
        }
    }
}
