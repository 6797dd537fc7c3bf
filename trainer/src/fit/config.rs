//! The full configuration of a training run.
//!
//! It is put together from three layers, each over the one before: the recipe's numbers, the
//! user's TOML file, the flags ([`FitConfig::resolve`]). What results is written beside the weights and is enough to
//! train the same model again.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use super::config_toml::ConfigError;
use crate::data::{DataOptions, SplitScheme};
use crate::net::{DeviceChoice, Masks};

/// Everything that determines a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitConfig {
    /// Folder of the data set.
    pub data: PathBuf,
    /// Name of the network.
    pub preset: String,
    /// Run folder or `model.onnx` whose weights the training starts from. Empty: fresh weights.
    pub from: PathBuf,
    /// SHA-256 of the file that those weights came from, as hex.
    pub from_sha256: String,
    /// Run folders or `model.onnx` files of networks whose posteriors are a part of the targets. Empty: the labels are
    /// all.
    pub teachers: Vec<PathBuf>,
    /// SHA-256 of the files that their weights came from, as hex.
    pub teachers_sha256: Vec<String>,
    /// Share of the targets that is the mean of the teachers' posteriors.
    pub teacher_share: f32,
    /// Whether only the classifier learns: everything before it stays as it came, statistics included.
    pub freeze: bool,
    /// With `freeze`, passes that draw order and augmentation anew; later ones repeat these from memory. 0: all
    /// passes draw.
    pub freeze_passes: u32,
    /// Clips of each class in a pass, drawn evenly; few clips are repeated. 0: every clip once.
    pub clips_per_class: usize,
    /// The classes; all other folders are the unknown class. Empty: every folder is a class.
    pub words: Vec<String>,
    /// How to split the data set.
    pub split: SplitScheme,
    /// Of a data set with folds, the one to test on, from 1.
    pub fold: u8,
    /// Whether broken recordings are an error.
    pub strict: bool,
    /// Whether to add the silence class where there are background recordings.
    pub silence: bool,
    /// Folder of recordings, at any depth, of anything but the classes: what a model mistook for them, or other
    /// sounds of the place. Empty: none.
    pub hard_negatives: PathBuf,
    /// Share of them in an epoch's clips.
    pub hard_negative_share: f64,
    /// Folder of recordings of noise, at any depth, for training besides the data set's background: mixed into
    /// clips, and a source of silence. Empty: none.
    pub noise_data: PathBuf,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Seed of every random draw.
    pub seed: u64,
    /// Named set of defaults that this configuration started from.
    pub recipe: Recipe,
    /// Passes over the training clips (with the `paper` recipe: at most so many).
    pub epochs: u32,
    /// Clips a step.
    pub batch: usize,
    /// Learning rate: the peak of the one-cycle schedule, or the first stage's.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Share of features set to zero before the classifier.
    pub dropout: f64,
    /// Probability that the target spreads over all classes.
    pub label_smoothing: f32,
    /// Decay of the moving average of the weights, which is what is validated and kept; 0: no
    /// average, the weights of the last step.
    pub average: f64,
    /// Minutes between checkpoints within an epoch.
    pub checkpoint_minutes: f64,
    /// What happens to clips on their way to the network.
    pub augment: Augment,
}

/// Random changes to training clips. All zero: none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Augment {
    /// Largest shift in time, either way, in milliseconds.
    pub shift_ms: f64,
    /// Largest change of speed, either way, in per cent (pitch changes along).
    pub speed_percent: f64,
    /// Lowest change of gain, in decibels: microphones far away are quiet, and the networks do
    /// not normalise their input.
    pub gain_low_db: f64,
    /// Highest change of gain, in decibels.
    pub gain_high_db: f64,
    /// Largest change of the spectrum's tilt, either way: the weight of the sample before in a
    /// two-tap filter, as another microphone would change it.
    pub tilt: f64,
    /// Largest gain of a random equaliser at any frequency, either way, in decibels, as other microphones have.
    pub equalise_db: f64,
    /// Share of clips that are made to sound in a random room.
    pub reverb: f64,
    /// Share of clips whose polarity is reversed.
    pub polarity: f64,
    /// Share of clips that background noise is mixed into.
    pub noise: f64,
    /// Lowest signal-to-noise ratio of that mix, in decibels.
    pub snr_low_db: f64,
    /// Highest signal-to-noise ratio of that mix, in decibels.
    pub snr_high_db: f64,
    /// Largest share of a second clip mixed in, with its label (mixup).
    pub mixup: f64,
    /// Share of words that the window's end cuts off, so that at most half of their sound is left: they are trained on as no
    /// word, as most windows of a stream hold parts of words.
    pub cut: f64,
    /// Of mel spectra: largest change of all frequencies, either way, in per cent, as voices of other size have
    /// (vocal tract length perturbation).
    pub stretch_percent: f64,
    /// Of mel spectra: largest share of the bands under one of two masks (`SpecAugment`).
    pub mask_bands: f64,
    /// Of mel spectra: largest share of the frames under one of two masks.
    pub mask_frames: f64,
}

/// A named set of training defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// `AdamW`, one-cycle schedule, augmentation, label smoothing.
    #[default]
    Modern,
    /// As the authors of SampleCNN trained: SGD with Nesterov momentum 0.9, batch 23, learning
    /// rate 0.01 in five stages of a fifth each, every one from the best checkpoint.
    Paper,
    /// A classifier for a handful of recordings on the features of a trained network (`from`), in seconds: as
    /// `modern`, frozen, with as many clips of every class.
    FewShot,
}

impl FitConfig {
    /// A recipe's numbers for a data set.
    #[must_use]
    pub fn of_recipe(recipe: Recipe) -> Self {
        let modern = Self {
            data: PathBuf::new(),
            preset: "small".to_owned(),
            from: PathBuf::new(),
            from_sha256: String::new(),
            teachers: Vec::new(),
            teachers_sha256: Vec::new(),
            teacher_share: 0.7,
            freeze: false,
            freeze_passes: 8,
            clips_per_class: 0,
            words: Vec::new(),
            split: SplitScheme::Auto,
            fold: 1,
            strict: false,
            silence: true,
            hard_negatives: PathBuf::new(),
            hard_negative_share: 0.2,
            noise_data: PathBuf::new(),
            device: DeviceChoice::Auto,
            seed: 0,
            recipe,
            epochs: 30,
            batch: 64,
            learning_rate: 7e-3,
            weight_decay: 0.01,
            dropout: 0.3,
            label_smoothing: 0.1,
            average: 0.995,
            checkpoint_minutes: 3.0,
            augment: Augment {
                shift_ms: 150.0,
                speed_percent: 12.0,
                gain_low_db: -26.0,
                gain_high_db: 6.0,
                tilt: 0.4,
                equalise_db: 0.0,
                reverb: 0.0,
                polarity: 0.5,
                noise: 0.6,
                snr_low_db: 3.0,
                snr_high_db: 40.0,
                mixup: 0.0,
                cut: 0.0,
                stretch_percent: 0.0,
                mask_bands: 0.0,
                mask_frames: 0.0,
            },
        };
        match recipe {
            Recipe::Modern => modern,
            Recipe::FewShot => Self {
                freeze: true,
                freeze_passes: 4,
                clips_per_class: 128,
                epochs: 60,
                batch: 16,
                label_smoothing: 0.05,
                average: 0.98,
                ..modern
            },
            Recipe::Paper => Self {
                epochs: 100,
                batch: 23,
                learning_rate: 0.01,
                weight_decay: 0.0,
                dropout: 0.5,
                label_smoothing: 0.0,
                average: 0.0,
                augment: Augment::none(),
                ..modern
            },
        }
    }

    /// How to load the data set for a network's input, without hard negatives and further noise: they are for
    /// training alone.
    #[must_use]
    pub fn data_options(&self, rate_hz: u32, window: usize) -> DataOptions {
        DataOptions {
            words: (!self.words.is_empty()).then(|| self.words.clone()),
            split: self.split,
            fold: self.fold,
            seed: self.seed,
            strict: self.strict,
            silence: self.silence,
            ..DataOptions::new(&self.data, rate_hz, window)
        }
    }

    /// Checks that all values are within their ranges, and fit one another.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let check = |holds: bool, what: &str| match holds {
            true => Ok(()),
            false => Err(ConfigError::Value(what.to_owned())),
        };
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let augment = &self.augment;
        check(
            !self.freeze || !self.from.as_os_str().is_empty(),
            "freeze: fresh weights are of no use frozen; name a trained network with `--from`",
        )?;
        check(
            !self.freeze || self.teachers.is_empty(),
            "teachers: a classifier that learns alone has no use for them; leave them out, or `freeze`",
        )?;
        check((0.0..=1.0).contains(&self.teacher_share), "teacher_share: must be in 0 to 1")?;
        check(self.epochs > 0, "epochs: must be at least 1")?;
        check(
            (2..=4096).contains(&self.batch),
            "batch: must be in 2 to 4096 (batch norm needs two)",
        )?;
        let rate = self.learning_rate;
        check(rate.is_finite() && rate > 0.0, "learning_rate: must be above 0")?;
        check((0.0..1.0).contains(&self.weight_decay), "weight_decay: must be in 0 to 1")?;
        check((0.0..1.0).contains(&self.dropout), "dropout: must be at least 0 and below 1")?;
        check(
            (0.0..1.0).contains(&self.label_smoothing),
            "label_smoothing: must be at least 0 and below 1",
        )?;
        check(
            (0.0..=0.9).contains(&self.hard_negative_share),
            "hard_negative_share: must be in 0 to 0.9",
        )?;
        check((0.0..1.0).contains(&self.average), "average: must be at least 0 and below 1")?;
        let minutes = self.checkpoint_minutes;
        check(
            minutes > 0.0 && minutes <= 10_000.0,
            "checkpoint_minutes: must be above 0 and at most 10000",
        )?;
        check(
            (0.0..=1000.0).contains(&augment.shift_ms),
            "augment.shift_ms: must be in 0 to 1000",
        )?;
        check(
            (0.0..=50.0).contains(&augment.speed_percent),
            "augment.speed_percent: must be in 0 to 50",
        )?;
        let gains = augment.gain_low_db..=augment.gain_high_db;
        check(
            gains.start() <= gains.end() && *gains.start() >= -60.0 && *gains.end() <= 60.0,
            "augment.gain_low_db, augment.gain_high_db: must be in -60 to 60, the low one first",
        )?;
        check((0.0..=0.9).contains(&augment.tilt), "augment.tilt: must be in 0 to 0.9")?;
        check(
            (0.0..=30.0).contains(&augment.equalise_db),
            "augment.equalise_db: must be in 0 to 30",
        )?;
        check(share(augment.reverb), "augment.reverb: must be in 0 to 1")?;
        check(share(augment.polarity), "augment.polarity: must be in 0 to 1")?;
        check(share(augment.noise), "augment.noise: must be in 0 to 1")?;
        check((0.0..=0.5).contains(&augment.mixup), "augment.mixup: must be in 0 to 0.5")?;
        check((0.0..=0.5).contains(&augment.cut), "augment.cut: must be in 0 to 0.5")?;
        check(
            (0.0..=50.0).contains(&augment.stretch_percent),
            "augment.stretch_percent: must be in 0 to 50",
        )?;
        let half = |value: f64| (0.0..=0.5).contains(&value);
        check(half(augment.mask_bands), "augment.mask_bands: must be in 0 to 0.5")?;
        check(half(augment.mask_frames), "augment.mask_frames: must be in 0 to 0.5")?;
        let snr = -60.0 <= augment.snr_low_db
            && augment.snr_low_db <= augment.snr_high_db
            && augment.snr_high_db <= 100.0;
        check(snr, "augment.snr_low_db, snr_high_db: must be in −60 to 100 and in this order")
    }
}

impl Augment {
    /// Clips as they are.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            shift_ms: 0.0,
            speed_percent: 0.0,
            gain_low_db: 0.0,
            gain_high_db: 0.0,
            tilt: 0.0,
            equalise_db: 0.0,
            reverb: 0.0,
            polarity: 0.0,
            noise: 0.0,
            snr_low_db: 0.0,
            snr_high_db: 0.0,
            mixup: 0.0,
            cut: 0.0,
            stretch_percent: 0.0,
            mask_bands: 0.0,
            mask_frames: 0.0,
        }
    }

    /// What is changed in mel spectra.
    #[must_use]
    pub const fn masks(&self) -> Masks {
        let Self { stretch_percent, mask_bands: bands, mask_frames: frames, .. } = *self;
        Masks { stretch: stretch_percent / 100.0, bands, frames }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn from_text(text: &str, flags: &str) -> Result<FitConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fit.toml");
        std::fs::write(&path, text).unwrap();
        let flags = flags.parse().unwrap();
        FitConfig::resolve(Some(&path), flags)
            .map_err(|error| error.to_string().replace(&path.display().to_string(), "fit.toml"))
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_recipe() {
        let config = from_text(
            "recipe = 'paper'\nepochs = 7\nseed = 3\n[augment]\nnoise = 0.5\nsnr_high_db = 9.0",
            "seed = 4",
        )
        .unwrap();
        assert_eq!((config.epochs, config.seed, config.batch), (7, 4, 23));
        assert_eq!((config.augment.noise, config.augment.mixup), (0.5, 0.0));
    }

    #[test]
    fn a_written_configuration_reads_back() {
        for recipe in [Recipe::Modern, Recipe::Paper, Recipe::FewShot] {
            let (words, from, noise_data) = (vec!["a".into()], "run".into(), "place".into());
            let config = FitConfig { words, from, noise_data, ..FitConfig::of_recipe(recipe) };
            assert_eq!(from_text(&config.to_toml(), "").unwrap(), config);
            assert_eq!(FitConfig::parse(&config.to_toml(), Path::new("a")).unwrap(), config);
        }
    }

    #[test]
    fn the_files_of_settings_that_documents_name_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
        let files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() >= 3, "{files:?}");
        for file in files {
            let config = FitConfig::read(&file).unwrap();
            assert_ne!(config, FitConfig::of_recipe(config.recipe), "{}", file.display());
        }
    }

    #[test]
    fn trained_weights_learn_slowly_unless_they_are_frozen() {
        let rate = |text: &str, flags: &str| from_text(text, flags).unwrap().learning_rate;
        let usual = rate("", "");
        assert!((rate("from = 'run'", "") - 0.2 * usual).abs() < 1e-12);
        assert!((rate("", "from = 'run'") - 0.2 * usual).abs() < 1e-12);
        assert_eq!(rate("from = 'run'", "freeze = true"), usual);
        assert_eq!(rate("from = 'run'\nrecipe = 'few-shot'", ""), usual);
        assert_eq!(rate("from = 'run'\nlearning_rate = 0.5", ""), 0.5);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, message) in [
            ("epoch = 3", "fit.toml: unknown key `epoch`; did you mean `epochs`?"),
            (
                "[augment]\nnoize = 1",
                "fit.toml: unknown key `augment.noize`; did you mean `augment.noise`?",
            ),
            ("zzz = 1", "fit.toml: unknown key `zzz`"),
            ("freeze = true", "freeze: fresh weights"),
            ("recipe = 'few-shot'", "freeze: fresh weights"),
            ("epochs = 0", "epochs: must be at least 1"),
            ("checkpoint_minutes = inf", "checkpoint_minutes: must be above 0 and at most 10000"),
            ("checkpoint_minutes = 1e30", "checkpoint_minutes: must be above 0 and at most 10000"),
            ("a = \n", "fit.toml: not valid TOML: line 1: "),
        ] {
            let error = from_text(text, "").unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
        assert!(from_text("epochs = 'many'", "").unwrap_err().contains("epochs"));
        let carried = |text: &str| FitConfig::parse(text, Path::new("model.onnx")).unwrap_err();
        assert!(carried("epoch = 3").to_string().starts_with("model.onnx: unknown key `epoch`"));
        assert!(carried("a = \n").to_string().starts_with("model.onnx: not valid TOML: line 1"));
    }
}
