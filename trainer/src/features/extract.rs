//! From clips to features.

use std::path::{Path, PathBuf};

use burn::tensor::{Tensor, TensorData};
use models::arch::{LayerName, Node};

use crate::data::{Clip, Dataset, Part};
use crate::evaluate::predict::windows;
use crate::fit::source::{Source, SourceError};
use crate::net::{Compute, Network};
use models::stream::segment_starts;

use super::table::{Features, Origin};

/// How many of the last blocks give features.
const LEVELS: usize = 3;
/// About so many windows a forward pass.
const BATCH: usize = 32;

/// The nodes whose outputs are features: those of the last three blocks (of all where there are fewer), the first block
/// first.
#[must_use]
pub fn levels(nodes: &[Node]) -> Vec<usize> {
    let last_of = |number| nodes.iter().rposition(|node| node.layer == LayerName::Block(number));
    let ends: Vec<usize> = (1..).map_while(last_of).collect();
    ends[ends.len().saturating_sub(LEVELS)..].to_vec()
}

/// A trained network that gives features.
#[derive(Debug)]
pub struct Extractor {
    /// Where it came from.
    pub source: Source,
    net: Network,
    path: PathBuf,
}

impl Extractor {
    /// Loads a run folder or a `model.onnx`.
    ///
    /// # Errors
    /// There is no such network.
    pub fn load(path: &Path, compute: &Compute) -> Result<Self, SourceError> {
        let source = Source::load(path, compute)?;
        let net = source.trained();
        Ok(Self { source, net, path: path.to_owned() })
    }

    /// The network, for inference.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.net
    }

    /// What is remembered of it beside its features.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let Source { sha256, preset, arch, .. } = &self.source;
        let (path, window) = (self.path.clone(), arch.window as usize);
        Origin { path, sha256: sha256.clone(), preset: preset.clone(), window }
    }

    /// Features of clips that are `length` samples long, one row a clip.
    fn rows(&self, clips: &[f32], length: usize, compute: &Compute) -> Vec<Vec<f32>> {
        pooled(&self.net, clips, length, self.source.arch.window as usize, compute)
    }
}

/// What a network gives of clips that are `length` samples long, one after the other in `clips`: one row a clip, of each
/// of the last three blocks (the first one first) the mean over the segments of the maximum over time.
#[must_use]
pub fn pooled(
    net: &Network,
    clips: &[f32],
    length: usize,
    window: usize,
    compute: &Compute,
) -> Vec<Vec<f32>> {
    let cut = |clip| segment_starts(length, window).flat_map(move |at| segment(clip, at, window));
    let segments: Vec<f32> = clips.chunks_exact(length).flat_map(cut).collect();
    let count = segments.len() / window;
    let each = count / (clips.len() / length).max(1);
    let x = TensorData::new(segments, [count, window]);
    let x = Tensor::<2>::from_data(x, compute.inference_device());
    let mean = |values: &[f32], channels: usize| -> Vec<f32> {
        let sum = |channel| -> f32 { values[channel..].iter().step_by(channels).sum() };
        (0..channels).map(|channel| sum(channel) / each as f32).collect()
    };
    let mut rows = vec![Vec::new(); clips.len() / length];
    for level in net.peaks(x, &levels(net.nodes()), compute) {
        let channels = level.len() / count;
        for (row, values) in rows.iter_mut().zip(level.chunks_exact(channels * each)) {
            row.extend(mean(values, channels));
        }
    }
    rows
}

/// Samples of a clip from `start` on; behind its end zeros.
fn segment(clip: &[f32], start: usize, window: usize) -> impl Iterator<Item = f32> {
    (start..start + window).map(|index| clip.get(index).copied().unwrap_or(0.0))
}

/// The features of all clips of a data set, with generated silence where it has that class. Every clip is cut or padded to
/// `length` samples, its middle in the middle. `progress` is told how many clips are done.
#[must_use]
pub fn extract(
    networks: &[Extractor],
    data: &Dataset,
    length: usize,
    seed: u64,
    compute: &Compute,
    progress: &mut dyn FnMut(usize, usize),
) -> Features {
    let mut parts: Vec<(Part, Vec<Clip>)> = Vec::new();
    for part in Part::ALL {
        parts.push((part, crate::evaluate::predict::with_silence(data, part, seed)));
    }
    let total = parts.iter().map(|(_, clips)| clips.len()).sum();
    let mut features = Features::default();
    let fewest = networks.iter().map(|network| network.source.arch.window as usize).min();
    let at_once = (BATCH / length.div_ceil(fewest.unwrap_or(length)).max(1)).max(1);
    for (part, clips) in parts {
        for clips in clips.chunks(at_once) {
            let samples = windows(clips, length);
            let mut rows = vec![Vec::new(); clips.len()];
            for network in networks {
                let more = network.rows(&samples, length, compute);
                rows.iter_mut().zip(more).for_each(|(row, more)| row.extend(more));
            }
            for (clip, row) in clips.iter().zip(rows) {
                features.push(&row, (clip.class, &clip.tags), part, &clip.name);
            }
            progress(features.len(), total);
        }
    }
    features
}
