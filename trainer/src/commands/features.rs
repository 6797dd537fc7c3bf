//! `trainer features`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use models::arch::Task;

use super::data_common::{self, number, print};
use crate::data::{Placement, SplitScheme};
use crate::features::{About, Extractor, extract};
use crate::fit::FitConfig;
use crate::fit::config::Recipe;
use crate::net::{Compute, DeviceChoice};

/// Write the features that trained networks make of clips: of each network's last three blocks the largest values over
/// time within a segment, averaged over the segments of a clip.
#[derive(Clone, Debug, Args)]
pub struct FeaturesArgs {
    /// Training runs or exported models (`model.onnx`), of the same sample rate; their windows may differ
    #[arg(value_name = "RUN|MODEL", required = true)]
    networks: Vec<PathBuf>,
    /// Folder of the data set
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// File to write (NumPy `.npz`)
    #[arg(long, value_name = "FILE.npz")]
    out: PathBuf,
    /// The classes, separated by commas; all other folders become the class `_unknown_` [default: every folder
    /// is a class]. Of a data set with tags, the tags
    #[arg(long, value_delimiter = ',', value_name = "WORDS")]
    words: Option<Vec<String>>,
    /// How to split the data set into training, validation and test
    #[arg(long, value_enum, default_value_t)]
    split: SplitScheme,
    /// Of a data set with folds (ESC-50), the one to test on
    #[arg(long, value_name = "N", default_value_t = 1)]
    fold: u8,
    /// Seed of a drawn split and of silence
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// Length that clips are cut or padded to, their middle in the middle [default: the longest window; of scenes the
    /// longest clip]
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<f64>,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
}

fn seconds(text: &str) -> Result<f64, String> {
    number(text, 0.01, 120.0, "seconds")
}

/// Loads networks and clips, and writes the features.
///
/// # Errors
/// Networks or data that cannot be loaded or do not fit one another, an unwritable file.
pub fn run(args: &FeaturesArgs) -> anyhow::Result<()> {
    let compute = Compute::choose(args.device)?;
    let load = |path: &PathBuf| Extractor::load(path, &compute);
    let networks = args.networks.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let rates = networks.iter().map(|network| network.source.arch.sample_rate_hz);
    let windows = networks.iter().map(|network| network.source.arch.window as usize);
    let (Some(rate_hz), Some(window)) = (rates.clone().next(), windows.max()) else {
        bail!("no network named");
    };
    if let Some(other) = rates.clone().find(|rate| *rate != rate_hz) {
        bail!("the networks have different sample rates ({rate_hz} Hz and {other} Hz)");
    }
    let config = FitConfig {
        data: args.data.clone(),
        words: args.words.clone().unwrap_or_default(),
        split: args.split,
        fold: args.fold,
        seed: args.seed.into(),
        ..FitConfig::of_recipe(Recipe::Modern)
    };
    let data = data_common::load(&config.data_options(rate_hz, window))?;
    let longest = data.train.iter().chain(&data.validation).chain(&data.test);
    let longest = longest.map(|clip| clip.samples.len()).max().unwrap_or(0);
    let length = match (args.seconds, data.placement) {
        (Some(seconds), _) => (seconds * f64::from(rate_hz)).round() as usize,
        (None, Placement::Centre) => window,
        (None, Placement::Anywhere) => longest.max(window),
    };
    if length < window {
        bail!(
            "clips of {length} samples are shorter than a network's window ({window}); make `--seconds` longer"
        );
    }
    let bar = data_common::progress_bar("computing");
    let features = extract(&networks, &data, length, config.seed, &compute, &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let about = About {
        networks: networks.iter().map(Extractor::origin).collect(),
        labels: data.labels.clone(),
        rate_hz,
        length,
        data_sha256: data.data_sha256.clone(),
        split_sha256: data.split_sha256.clone(),
        config: config.to_toml(),
    };
    features.write(&args.out, &about).context("features")?;
    print(&format!(
        "{}: {} clips of {:.2} s, {} features, {} {}. Next: trainer fit-head {} --out MODEL_DIR\n",
        args.out.display(),
        features.len(),
        length as f64 / f64::from(rate_hz),
        features.width,
        about.labels.len(),
        match data.task {
            Task::MultiClass => "classes",
            Task::MultiLabel => "tags",
        },
        args.out.display(),
    ))
}
