//! `trainer fit`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use models::arch::{ArchSpec, Task};
use toml::{Table, Value};

use super::presets::architecture;
use super::{data_common, qat, teachers, transfer};
use crate::data::{Placement, SplitScheme};
use crate::evaluate::predict::score_name;
use crate::fit::config::Recipe;
use crate::fit::run::ModelInfo;
use crate::fit::train::Options;
use crate::fit::{FitConfig, Run, Stop, Teachers, fit, progress};
use crate::net::{Compute, DeviceChoice, Masks};

/// Arguments of `trainer fit`. What is not given comes from the configuration file, then from the
/// recipe.
#[derive(Clone, Debug, clap::Args)]
pub struct FitArgs {
    /// Folder of the data set: one folder of recordings a class, or the layout of ESC-50, `MagnaTagATune` or DCASE 2017 task 4.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Network: nano, mcu, micro, small, samplecnn-speech, …, or M^N such as 3^9.
    #[arg(long)]
    preset: Option<String>,
    /// Start from the weights of this run or exported model (`model.onnx`); outputs of classes that it does not
    /// know are fresh. The network is its network, the learning rate a fifth of the recipe's.
    #[arg(long, value_name = "RUN|MODEL", conflicts_with = "preset")]
    from: Option<PathBuf>,
    /// With `--from`: only the classifier learns; all else, batch norm statistics too, stays as it came.
    #[arg(long)]
    freeze: bool,
    /// Draw so many clips of each class in an epoch, however few or many there are.
    #[arg(long, value_name = "N")]
    clips_per_class: Option<u32>,
    /// Folder of the run, made if it is not there.
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// The classes, separated by commas; all other folders become the class `_unknown_`. Without
    /// this every folder is a class.
    #[arg(long, value_delimiter = ',', value_name = "WORDS")]
    words: Option<Vec<String>>,
    /// Folder of recordings of anything but the classes, at any depth, such as what `runtime --save-triggers`
    /// kept (after the true detections were removed): a fifth of an epoch's clips are cut from it.
    #[arg(long, value_name = "DIR")]
    hard_negatives: Option<PathBuf>,
    /// Folder of recordings of noise, at any depth, such as that of the place where the model will listen: mixed into
    /// training clips besides `_background_noise_`, and where the data set has that, a source of `_silence_` as well.
    #[arg(long, value_name = "DIR")]
    noise_data: Option<PathBuf>,
    /// Learn from the posteriors of this run or exported model (`model.onnx`) as well, which has the same classes;
    /// may be repeated, then from the mean.
    #[arg(long, value_name = "RUN|MODEL")]
    teacher: Vec<PathBuf>,
    /// Set of training defaults.
    #[arg(long, value_enum)]
    recipe: Option<Recipe>,
    /// Passes over the training clips.
    #[arg(long)]
    epochs: Option<u32>,
    /// Clips a step.
    #[arg(long)]
    batch: Option<u32>,
    /// Seed of every random draw.
    #[arg(long)]
    seed: Option<u32>,
    /// Where to compute.
    #[arg(long, value_enum)]
    device: Option<DeviceChoice>,
    /// How to split the data set into training, validation and test.
    #[arg(long, value_enum)]
    split: Option<SplitScheme>,
    /// Of a data set with folds (ESC-50), the one to test on.
    #[arg(long, value_name = "N")]
    fold: Option<u8>,
    /// Make broken recordings an error instead of leaving them out.
    #[arg(long)]
    strict: bool,
    /// TOML file with any of the configuration's keys; flags win over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Fine-tune the network of this finished run for int8: train on with the rounding of the int8
    /// model (5 epochs at a twentieth of the learning rate unless told otherwise).
    #[arg(long, value_name = "RUN", conflicts_with_all = ["resume", "data", "preset", "from", "freeze", "words", "split", "recipe"])]
    qat: Option<PathBuf>,
    /// Go on with the run in `--out` where it stopped.
    #[arg(long)]
    resume: bool,
    /// Stop after so many steps in all; the run can be resumed.
    #[arg(long, value_name = "STEPS")]
    max_steps: Option<u64>,
    /// Write the loss of every step into this file, one a line.
    #[arg(long, value_name = "FILE")]
    step_log: Option<PathBuf>,
    /// Worker threads (default: one a processor). The weights do not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Show nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

impl FitArgs {
    pub(super) fn out(&self) -> &Path {
        &self.out
    }

    pub(super) fn device(&self) -> DeviceChoice {
        self.device.unwrap_or(DeviceChoice::Auto)
    }

    /// An option given that makes sense for a single run only.
    pub(super) fn of_one_run(&self) -> Option<&'static str> {
        let given = [
            ("--resume", self.resume),
            ("--fold", self.fold.is_some()),
            ("--split", self.split.is_some()),
            ("--qat", self.qat.is_some()),
            ("--step-log", self.step_log.is_some()),
            ("--max-steps", self.max_steps.is_some()),
        ];
        given.iter().find(|(_, is_given)| *is_given).map(|(name, _)| *name)
    }

    /// The same for one fold of the data, in a folder of its own.
    pub(super) fn for_fold(&self, fold: u8, out: &Path, resume: bool) -> Self {
        let config = self.config.clone().filter(|_| !resume);
        let (fold, split, out) = (Some(fold), Some(SplitScheme::Folds), out.to_owned());
        Self { fold, split, out, config, resume, ..self.clone() }
    }

    /// The configuration of a run that begins: recipe, file and flags.
    pub(super) fn resolved(&self) -> anyhow::Result<FitConfig> {
        FitConfig::resolve(self.config.as_deref(), self.table()?).map_err(Into::into)
    }

    /// The flags that are part of the configuration.
    fn table(&self) -> anyhow::Result<Table> {
        let mut table = Table::new();
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                table.insert(key.to_owned(), value);
            }
        };
        let integer = |value: u32| Value::Integer(value.into());
        for (key, flag, path) in [
            ("data", "--data", &self.data),
            ("hard_negatives", "--hard-negatives", &self.hard_negatives),
            ("noise_data", "--noise-data", &self.noise_data),
            ("from", "--from", &self.from),
        ] {
            let Some(path) = path else { continue };
            let text =
                path.to_str().with_context(|| format!("{flag}: the path is not valid UTF-8"))?;
            set(key, Some(Value::String(text.to_owned())));
        }
        if !self.teacher.is_empty() {
            let texts = self.teacher.iter().map(|path| path.to_str().map(str::to_owned));
            let texts: Option<Vec<String>> = texts.collect();
            let texts = texts.context("--teacher: the path is not valid UTF-8")?;
            set("teachers", Some(Value::from(texts)));
        }
        set("preset", self.preset.clone().map(Value::String));
        set("freeze", self.freeze.then_some(Value::Boolean(true)));
        set("clips_per_class", self.clips_per_class.map(integer));
        set("words", self.words.clone().map(Value::from));
        set("recipe", self.recipe.map(Value::try_from).transpose()?);
        set("epochs", self.epochs.map(integer));
        set("batch", self.batch.map(integer));
        set("seed", self.seed.map(integer));
        set("device", self.device.map(Value::try_from).transpose()?);
        set("split", self.split.map(Value::try_from).transpose()?);
        set("fold", self.fold.map(|fold| integer(fold.into())));
        set("strict", self.strict.then_some(Value::Boolean(true)));
        Ok(table)
    }
}

/// Trains a network, or goes on training it.
///
/// # Errors
/// Bad arguments, data or folders, in one line.
pub fn run(args: &FitArgs) -> anyhow::Result<()> {
    let interrupt = stop_on_signal()?;
    train(args, &interrupt).map(|_| ())
}

/// The same; returns how it ended, and how many folds the data has.
pub(super) fn train(args: &FitArgs, interrupt: &AtomicBool) -> anyhow::Result<(Stop, u8)> {
    if let Some(threads) = args.threads {
        // Fails only if a pool exists already, which is then as good.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    let say = |text: &str| {
        if !args.quiet {
            progress::line(text);
        }
    };
    let mut config = configuration(args)?;
    if !args.resume && Run::exists(&args.out) {
        bail!(crate::fit::run::RunError::Exists(args.out.clone()));
    }
    let compute = Compute::choose(config.device)?;
    let transfers = !config.from.as_os_str().is_empty() && args.qat.is_none() && !args.resume;
    let source = transfers.then(|| transfer::open(&mut config, &compute)).transpose()?;
    let arch = match &source {
        Some(source) => source.arch.clone(),
        None if args.resume => Run::open(&args.out)?.model.arch,
        None => architecture(&config.preset, 2)?,
    };
    if config.augment.masks() != Masks::NONE && !arch.stem.mel {
        bail!(
            "augment.stretch_percent, mask_bands, mask_frames: change mel spectra, and `{}` reads the waveform; leave them out, or take a network such as `melcnn-speech`",
            config.preset
        );
    }
    let taught = teachers::open(&mut config, args.resume, &compute)?;
    let mut options = config.data_options(arch.sample_rate_hz, arch.window as usize);
    let named = |dir: &Path| (!dir.as_os_str().is_empty()).then(|| dir.to_path_buf());
    options.hard_negatives = named(&config.hard_negatives);
    options.noise_data = named(&config.noise_data);
    let data = data_common::load(&options)?;
    let none = data.none_classes();
    if config.augment.cut > 0.0 && (none.is_empty() || data.placement == Placement::Anywhere) {
        bail!(
            "augment.cut: words that are cut off become the class _unknown_ or _silence_, and this data set has neither, or no words; leave it out, choose `--words`, or add background recordings"
        );
    }
    teachers::check(&taught, &config, &arch, &data)?;
    let taught = Teachers::new(&taught, config.teacher_share);
    // What `auto` has found, so that evaluation finds the same.
    config.split = data.split;
    let run = match (&args.qat, &source) {
        _ if args.resume => Run::open(&args.out)?,
        (Some(from), _) => qat::start(from, &args.out, config, &data, &compute)?,
        (None, Some(source)) => transfer::start(source, &args.out, config, &data, &compute)?,
        (None, None) => {
            let arch = architecture(&config.preset, data.labels.len())?;
            let arch = ArchSpec { task: data.task, ..arch };
            Run::create(&args.out, config, ModelInfo::new(arch, &data))?
        }
    };
    transfer::check_started(&run)?;
    run.check_data(&data)?;
    let megabytes = data.memory_bytes() as f64 / f64::from(1 << 20);
    say(&format!(
        "{}: {} {}, {} training, {} validation, {} test clips, {megabytes:.0} MiB in memory{}",
        run.config.data.display(),
        data.labels.len(),
        match data.task {
            Task::MultiClass => "classes",
            Task::MultiLabel => "tags",
        },
        data.train.len(),
        data.validation.len(),
        data.test.len(),
        match data.left_out.len() {
            0 => String::new(),
            left_out => format!("; {left_out} recordings left out (see `trainer data inspect`)"),
        }
    ));
    if !data.negatives.is_empty() {
        let seconds = data.negatives.samples() as f64 / f64::from(data.rate_hz);
        say(&format!(
            "{}: {} hard negatives, {seconds:.0} s",
            run.config.hard_negatives.display(),
            data.negatives.len()
        ));
        let detections = data.negatives.detections();
        if detections > 0 {
            say(&format!(
                "note: {detections} of them are named as detections of `runtime --save-triggers`; those that were right must not be there, for they are trained on as no word (docs/STREAMING.md, Learning from mistakes)"
            ));
        }
    }
    let noise: Vec<usize> = data.background.noise().map(<[i16]>::len).collect();
    if !noise.is_empty() {
        let seconds = noise.iter().sum::<usize>() as f64 / f64::from(data.rate_hz);
        say(&format!(
            "{}: {} recordings of noise, {seconds:.0} s",
            run.config.noise_data.display(),
            noise.len()
        ));
    }
    let table = run.model.arch.layers()?;
    say(&format!(
        "{}: {} parameters, {:.1} M multiply-accumulates a window, on {}",
        run.config.preset,
        table.params(),
        table.macs() as f64 / 1e6,
        compute.name(),
    ));
    let options = Options {
        interrupt,
        max_steps: args.max_steps,
        step_log: args.step_log.as_deref(),
        quiet: args.quiet,
    };
    let stop = fit(&run, &data, &compute, &taught, &options)?;
    match &stop {
        Stop::Finished(best) => say(&format!(
            "finished; best epoch {}: {} {:.2} % on the validation clips. Next: trainer evaluate {out}, trainer export {out} --out MODEL_DIR",
            best.epoch + 1,
            score_name(data.task),
            100.0 * best.score,
            out = args.out.display(),
        )),
        Stop::Interrupted | Stop::StepLimit => {
            let out = args.out.display();
            say(&format!("stopped; go on with: trainer fit --resume --out {out}"));
        }
    }
    Ok((stop, data.folds))
}

/// The run's own configuration when resuming, otherwise recipe, file and flags.
fn configuration(args: &FitArgs) -> anyhow::Result<FitConfig> {
    let flags = args.table()?;
    if let Some(from) = &args.qat {
        return qat::configuration(from, args.config.as_deref(), flags);
    }
    if !args.resume {
        let config = args.resolved()?;
        if config.data.as_os_str().is_empty() {
            bail!("no data set: give `--data DIR` (one folder of recordings a class)");
        }
        return Ok(config);
    }
    let stored = Run::open(&args.out)?.config;
    if let Some(file) = &args.config {
        bail!(
            "{}: `--resume` goes on with the run's own configuration; leave out `--config`",
            file.display()
        );
    }
    let stored_table = Table::try_from(&stored)?;
    for (key, value) in flags {
        if key != "device" && stored_table.get(&key) != Some(&value) {
            bail!(
                "`--resume` goes on with the run's own configuration; `--{key}` differs from it, leave it out"
            );
        }
    }
    Ok(FitConfig { device: args.device.unwrap_or(stored.device), ..stored })
}

/// A flag that Ctrl-C and SIGTERM set; a second signal ends the process at once.
pub(super) fn stop_on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        progress::line("stopping at the next step, with a checkpoint");
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(flag)
}
