//! Runs the network over a track, once, with all processors.
//!
//! A track is cut into pieces of many windows, and each piece is listened to by itself. The posteriors of a window are the
//! same as in one go, bit for bit: pieces begin on the windows' grid, on which whatever windows share is computed a hop at a
//! time, and nothing else of what was heard before a window takes part in it. Only the gate hears further back, up to a hop
//! before the window. So a piece is heard from one window earlier on, whose posteriors are left out.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, bail};
use models::meta::DecisionDefaults;
use models::stream::{Q15, from_f32};
use runtime::engine::{EngineError, Gated, Stream};

use super::track::Track;
use crate::data::I16_SCALE;
use crate::evaluate::model::{AnyModel, Int8File, OnnxFile};

/// Samples handed to an engine at a time.
const BLOCK: usize = 1 << 16;
/// Lengths of a window in a piece. One of them is heard twice, which hardly counts; an hour makes many pieces.
const PIECE: usize = 64;

/// An exported model, ready for streams: the runtime's engine, whose windows share their work, behind the gate.
pub struct Listener {
    file: File,
    /// Samples of a window, and from one to the next.
    window: u32,
    hop: u32,
    gate: u32,
    classes: usize,
}

/// What engines are made from, one for each thread.
enum File {
    Onnx(OnnxFile),
    Int8(Box<Int8File>),
}

/// An engine at work.
type Ears = Gated<Box<dyn Stream>>;

/// What was heard in a piece.
struct Piece {
    rows: Vec<Q15>,
    quiet: u64,
}

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
        let (file, stream) = match model {
            AnyModel::Run(_) => {
                bail!("streams are for exported models; write one with `trainer export`")
            }
            AnyModel::Onnx(engine, file) => (File::Onnx(file), engine.into_stream(decision.hop)?),
            AnyModel::Int8(file) => {
                let stream = file.engine()?.into_stream(decision.hop);
                (File::Int8(file), stream)
            }
        };
        let (arch, hop) = (&stream.meta().arch, stream.work().hop);
        let (window, classes) = (arch.window, usize::from(arch.classes));
        Ok(Self { file, window, hop, gate: decision.gate, classes })
    }

    /// The posteriors of a track, heard from its beginning.
    ///
    /// # Errors
    /// What the engine says.
    pub fn listen(&self, track: &Track) -> anyhow::Result<Posteriors> {
        let piece = PIECE * self.window as usize / self.hop as usize;
        Ok(self.in_pieces(&track.samples, piece.max(1))?)
    }

    /// The same by pieces of so many windows. Every thread takes the next one as soon as it is done with another.
    fn in_pieces(&self, samples: &[i16], piece: usize) -> Result<Posteriors, EngineError> {
        let Self { window, hop, classes, .. } = *self;
        let behind_first = samples.len().checked_sub(window as usize);
        let windows = behind_first.map_or(0, |behind| behind / hop as usize + 1);
        let starts = (0..windows).step_by(piece);
        let pieces: Vec<Range<usize>> =
            starts.map(|start| start..windows.min(start + piece)).collect();
        let next = AtomicUsize::new(0);
        let heard = rayon::broadcast(|_| self.take_pieces(samples, &pieces, &next));
        let mut heard: Vec<(usize, Result<Piece, EngineError>)> =
            heard.into_iter().flatten().collect();
        heard.sort_unstable_by_key(|(number, _)| *number);
        let (mut rows, mut quiet) = (Vec::with_capacity(windows * classes), 0);
        for (_, piece) in heard {
            let piece = piece?;
            rows.extend(piece.rows);
            quiet += piece.quiet;
        }
        Ok(Posteriors { window, hop, classes, rows, quiet })
    }

    /// Listens to one piece after the other as long as any is left. Tells the number of each along.
    fn take_pieces(
        &self,
        samples: &[i16],
        pieces: &[Range<usize>],
        next: &AtomicUsize,
    ) -> Vec<(usize, Result<Piece, EngineError>)> {
        let (mut ears, mut heard) = (None, Vec::new());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(windows) = pieces.get(number) else { return heard };
            let piece = self.hear(&mut ears, samples, windows);
            if piece.is_err() {
                // Those before it are in other hands already; those behind it nobody needs.
                next.store(pieces.len(), Ordering::Relaxed);
            }
            heard.push((number, piece));
        }
    }

    /// The posteriors of these windows, at least one, by an engine that is made if there is none yet.
    fn hear(
        &self,
        ears: &mut Option<Ears>,
        samples: &[i16],
        windows: &Range<usize>,
    ) -> Result<Piece, EngineError> {
        let mut stream = match ears.take() {
            Some(stream) => stream,
            None => self.ears()?,
        };
        stream.reset();
        let (window, hop) = (self.window as usize, self.hop as usize);
        let left_out = usize::from(windows.start > 0);
        let start = (windows.start - left_out) * hop;
        let wanted = start + left_out * window;
        let end = (windows.end - 1) * hop + window;
        self.play(&mut stream, &samples[start..wanted], |_| ())?;
        let before = stream.counts().quiet;
        let mut rows = Vec::with_capacity(windows.len() * self.classes);
        self.play(&mut stream, &samples[wanted..end], |row| {
            rows.extend(row.iter().map(|posterior| from_f32(*posterior)));
        })?;
        let quiet = stream.counts().quiet - before;
        *ears = Some(stream);
        Ok(Piece { rows, quiet })
    }

    fn ears(&self) -> Result<Ears, EngineError> {
        let stream = match &self.file {
            File::Onnx(file) => file.engine()?.into_stream(self.hop)?,
            File::Int8(file) => file.engine()?.into_stream(self.hop),
        };
        Ok(Gated::new(stream, self.gate))
    }

    /// Has the engine hear samples, and calls `each` with the posteriors of every window that ends in them.
    fn play(
        &self,
        stream: &mut Ears,
        samples: &[i16],
        mut each: impl FnMut(&[f32]),
    ) -> Result<(), EngineError> {
        let mut row = vec![0.0; self.classes];
        for block in samples.chunks(BLOCK) {
            let block: Vec<f32> = block.iter().map(|&s| f32::from(s) / I16_SCALE).collect();
            let mut rest = block.as_slice();
            while !rest.is_empty() {
                let (taken, ended) = stream.push(rest, &mut row)?;
                rest = &rest[taken..];
                if ended {
                    each(&row);
                }
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use burn::module::Module as _;
    use models::arch::{Alpha, ArchSpec, BlockKind, preset};
    use models::meta::{ModelMeta, Provenance};
    use models::q8::Parts;
    use rand::RngExt as _;

    use super::*;
    use crate::data::Clip;
    use crate::draw;
    use crate::export::{fold, onnx};
    use crate::net::{Compute, Network};
    use crate::quantize::{Method, Ranges, scale};

    /// White noise, now louder and now softer, at most seven times this loud.
    fn noise(samples: usize, amplitude: i16) -> Vec<i16> {
        let mut rng = draw::rng(1, "listen", &[]);
        let sample =
            |at: usize| rng.random_range(-amplitude..amplitude) * (1 + at / 5000 % 7) as i16;
        (0..samples).map(sample).collect()
    }

    /// A network with random weights, exported in both ways.
    fn models(folder: &Path, arch: &ArchSpec) -> [AnyModel; 2] {
        let compute = Compute::cpu();
        let net = Network::new(arch, 1, &compute).unwrap().valid();
        let (name, tags) = Default::default();
        let samples = noise(arch.window as usize, 4000).into();
        let clip = Clip { name, class: 0, tags, speaker: None, samples };
        let ranges = Ranges::watch(&net, &[clip], arch.window as usize, &compute);
        let (folded, preset) = (fold::fold(&net), "test".to_owned());
        let layers = scale::layers(&folded, &scale::activations(arch, &ranges, Method::MinMax, 1));
        let labels: Vec<String> = (0..arch.classes).map(|class| class.to_string()).collect();
        let decision = DecisionDefaults::for_labels(&labels, arch.sample_rate_hz);
        let (arch, provenance) = (arch.clone(), Provenance::default());
        let meta = ModelMeta { preset, arch, labels, decision, provenance };
        std::fs::write(folder.join("model.onnx"), onnx::encode(&folded, &meta)).unwrap();
        let ModelMeta { preset, arch, labels, decision, .. } = meta;
        let parts = Parts { preset, arch, labels, decision, seed: 1, layers };
        std::fs::write(folder.join("model.q8"), parts.encode()).unwrap();
        ["model.onnx", "model.q8"].map(|name| AnyModel::load(&folder.join(name)).unwrap())
    }

    /// One engine hears all of it.
    fn in_one_go(listener: &Listener, samples: &[i16]) -> Posteriors {
        let (mut stream, mut rows) = (listener.ears().unwrap(), Vec::new());
        let each = |row: &[f32]| rows.extend(row.iter().map(|posterior| from_f32(*posterior)));
        listener.play(&mut stream, samples, each).unwrap();
        let Listener { window, hop, classes, .. } = *listener;
        Posteriors { window, hop, classes, rows, quiet: stream.counts().quiet }
    }

    #[test]
    fn pieces_are_heard_as_in_one_go() {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        // Loud, quiet but for a click, and loud again.
        let (mut samples, quiet) = (noise(100_000, 4000), noise(100_000, 20));
        for range in [20_000..60_000, 60_400..80_000] {
            samples[range.clone()].copy_from_slice(&quiet[range]);
        }
        // Windows share columns, those of convolutions and of residual blocks, or nothing; they overlap or do not.
        for (kind, hop) in [
            (BlockKind::Basic, 2187),
            (BlockKind::Basic, 1000),
            (BlockKind::Basic, 20_000),
            (BlockKind::Se(Alpha::Over(8)), 2187),
            (BlockKind::Res2, 2187),
        ] {
            let mut arch = preset("nano", 5).unwrap();
            arch.blocks.iter_mut().for_each(|block| block.kind = kind);
            for gate in [0, 10_000] {
                let folder = tempfile::tempdir().unwrap();
                for model in models(folder.path(), &arch) {
                    let decision = DecisionDefaults { hop, gate, ..model.decision() };
                    let listener = Listener::new(model, &decision).unwrap();
                    let whole = in_one_go(&listener, &samples);
                    assert!(whole.rows().collect::<BTreeSet<_>>().len() > 2, "windows differ");
                    assert_eq!(whole.quiet() > 0, gate > 0);
                    for piece in [2, 5] {
                        let heard = threads.install(|| listener.in_pieces(&samples, piece));
                        assert_eq!(heard.unwrap(), whole, "{kind:?}, hop {hop}, {piece} windows");
                    }
                    assert_eq!(listener.in_pieces(&samples[..15_999], 5).unwrap().windows(), 0);
                }
            }
        }
    }
}
