//! The training loop.

use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Tensor, TensorData};
use serde_json::json;

use super::average::Average;
use super::batch::{Batch, Epoch};
use super::checkpoint::{self, Best, Progress, Sums};
use super::config::{FitConfig, Recipe};
use super::frozen::{self, Frozen};
use super::loss::loss;
use super::progress::Display;
use super::run::{Run, RunError};
use super::schedule::{Verdict, one_cycle};
use super::teacher::Teachers;
use crate::data::{Dataset, Part};
use crate::evaluate::predict::{self, Predictions, score_name};
use crate::net::{Compute, Dropout, Network};

/// Gradients are scaled down to this norm, a parameter at a time.
const GRADIENT_NORM: f32 = 5.0;

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stop {
    /// All epochs are done.
    Finished(Best),
    /// The user interrupted it; it can be resumed.
    Interrupted,
    /// The wanted number of steps was taken; it can be resumed.
    StepLimit,
}

/// How a call of [`fit`] behaves, without influence on the weights.
#[derive(Debug)]
pub struct Options<'a> {
    /// Set from outside to stop at the next step.
    pub interrupt: &'a AtomicBool,
    /// Stop after so many steps in all.
    pub max_steps: Option<u64>,
    /// File that gets the loss of every step of this call, one a line.
    pub step_log: Option<&'a Path>,
    /// Show nothing.
    pub quiet: bool,
}

/// Trains from where the run's last checkpoint stands (or from the start) to its end, on what the labels and the
/// teachers say.
///
/// # Errors
/// A checkpoint or log cannot be read or written.
pub fn fit(
    run: &Run,
    data: &Dataset,
    compute: &Compute,
    teachers: &Teachers,
    options: &Options<'_>,
) -> Result<Stop, RunError> {
    Trainer::new(run, data, compute, teachers, options)?.run()
}

/// Makes the weights of another network the start of a run that has taken no step yet.
///
/// # Errors
/// The run's folder cannot be written.
pub fn start_from(run: &Run, net: &Network) -> Result<(), RunError> {
    let optimizer = optimizer(&run.config);
    Ok(checkpoint::save(&run.last(), &Progress::default(), net, &optimizer, None)?)
}

struct Trainer<'a> {
    run: &'a Run,
    data: &'a Dataset,
    compute: &'a Compute,
    teachers: &'a Teachers,
    options: &'a Options<'a>,
    net: Network,
    average: Option<Average>,
    frozen: Option<Frozen>,
    optimizer: ModuleOptimizer,
    progress: Progress,
    display: Display,
    saved: Instant,
    step_losses: String,
}

impl<'a> Trainer<'a> {
    fn new(
        run: &'a Run,
        data: &'a Dataset,
        compute: &'a Compute,
        teachers: &'a Teachers,
        options: &'a Options<'a>,
    ) -> Result<Self, RunError> {
        let config = &run.config;
        let net = run.fresh_network(compute)?;
        let fresh = optimizer(config);
        let (progress, net, optimizer, average) = if run.last().exists() {
            let loaded = checkpoint::load(&run.last(), net, Some(fresh))?;
            let optimizer = loaded.optimizer.unwrap_or_else(|| optimizer(config));
            (loaded.progress, loaded.net, optimizer, loaded.average)
        } else {
            (Progress::default(), net, fresh, None)
        };
        let average = (config.average > 0.0).then(|| {
            Average::new(average.unwrap_or_else(|| net.valid()), config.average, config.freeze)
        });
        let frozen = config.freeze.then(|| Frozen::new(&net));
        let display = Display::new(config.epochs, options.quiet);
        let saved = Instant::now();
        let step_losses = String::new();
        Ok(Self {
            run,
            data,
            compute,
            teachers,
            options,
            net,
            average,
            frozen,
            optimizer,
            progress,
            display,
            saved,
            step_losses,
        })
    }

    fn run(mut self) -> Result<Stop, RunError> {
        while !self.progress.finished {
            if let Some(stop) = self.epoch()? {
                self.display.finish();
                return Ok(stop);
            }
        }
        self.display.finish();
        let path = self.run.best();
        let none = Best { epoch: 0, score: 0.0, loss: f64::INFINITY };
        match self.progress.best.unwrap_or(none) {
            best if path.exists() => Ok(Stop::Finished(best)),
            _ => Err(RunError::NoCheckpoint(self.run.folder().to_owned())),
        }
    }

    /// The rest of the current epoch; `Some` if training stops within it.
    fn epoch(&mut self) -> Result<Option<Stop>, RunError> {
        let number = self.progress.epoch;
        let pass = frozen::pass(&self.run.config, number);
        let epoch = Epoch::new(self.data, &self.run.config, pass);
        let batches = epoch.batches() as u64;
        self.display.epoch(number, self.progress.batch, batches);
        while self.progress.batch < batches {
            if let Some(stop) = self.should_stop() {
                self.save_last()?;
                return Ok(Some(stop));
            }
            let start = Instant::now();
            let index = self.progress.batch;
            let make = || epoch.batch(index as usize);
            match &mut self.frozen {
                Some(frozen) => {
                    let (config, place) = (&self.run.config, (number, index));
                    let prepared = frozen.prepared(config, place, self.compute, make);
                    self.step(prepared.batch, Some(&prepared.features), batches);
                }
                None => self.step(make(), None, batches),
            }
            self.progress.batch += 1;
            self.progress.step += 1;
            self.progress.sums.seconds += start.elapsed().as_secs_f64();
            self.display.step(number, self.progress.batch, batches, &self.progress.sums);
            let every = Duration::from_secs_f64(self.run.config.checkpoint_minutes * 60.0);
            if self.saved.elapsed() >= every {
                self.save_last()?;
            }
        }
        self.end_epoch()?;
        Ok(None)
    }

    fn should_stop(&self) -> Option<Stop> {
        if self.options.interrupt.load(Ordering::Relaxed) {
            return Some(Stop::Interrupted);
        }
        let limit = self.options.max_steps?;
        (self.progress.step >= limit).then_some(Stop::StepLimit)
    }

    /// Learns from a batch, or with its features `[B, F]` the classifier alone.
    fn step(&mut self, mut batch: Batch, features: Option<&[f32]>, batches: u64) {
        let device = self.compute.training_device();
        let size = batch.classes.len();
        let FitConfig { seed, dropout: share, augment, .. } = self.run.config;
        let masks = augment.masks();
        let dropout = Dropout { seed, step: self.progress.step, share, masks };
        let (logits, statistics) = match features {
            Some(features) => {
                let shape = [size, features.len() / size];
                let features = TensorData::new(features.to_vec(), shape);
                let features = Tensor::<2>::from_data(features, &device);
                (self.net.classify_train(features, &dropout, self.compute), None)
            }
            None => {
                let windows = TensorData::new(batch.windows.clone(), [size, self.data.window]);
                let windows = Tensor::<2>::from_data(windows, &device);
                let (logits, statistics) = self.net.forward_train(windows, &dropout, self.compute);
                (logits, Some(statistics))
            }
        };
        self.teachers.teach(&mut batch, self.compute);
        let none = self.data.none_classes();
        let (loss, right) = loss(self.net.task(), logits, &mut batch, &none, &device);
        let values: Vec<f32> = loss.clone().into_data().try_to_vec().expect("the loss is one f32");
        let sums = &mut self.progress.sums;
        sums.loss += f64::from(values[0]) * size as f64;
        if self.options.step_log.is_some() {
            self.step_losses.push_str(&format!("{}\n", values[0]));
        }
        sums.clips += size as u64;
        sums.correct += right;

        let mut gradients = loss.backward();
        let gradients = GradientsParams::from_module(&mut gradients, &self.net);
        let rate = self.learning_rate(batches);
        let net = self.optimizer.step(rate, self.net.clone(), gradients);
        self.net = match &statistics {
            Some(statistics) => net.with_statistics(statistics),
            None => net,
        };
        if let Some(average) = &mut self.average {
            average.add(&self.net.valid(), self.progress.step);
        }
    }

    /// The network that this run is to give: the average where it keeps one.
    fn result(&self) -> Network {
        self.average.as_ref().map_or_else(|| self.net.valid(), |average| average.net().clone())
    }

    fn learning_rate(&self, batches: u64) -> f64 {
        let config = &self.run.config;
        match config.recipe {
            Recipe::Modern | Recipe::FewShot => one_cycle(
                config.learning_rate,
                self.progress.step,
                batches * u64::from(config.epochs),
            ),
            Recipe::Paper => self.progress.stages.learning_rate(config.learning_rate),
        }
    }

    /// Validation, log, checkpoints.
    fn end_epoch(&mut self) -> Result<(), RunError> {
        let epoch = self.progress.epoch;
        let clips = predict::with_silence(self.data, Part::Validation, self.run.config.seed);
        let net = self.result();
        let window = self.data.window;
        let Ok(validation) = predict::averaged(&clips, window, self.data.placement, |clips| {
            Ok::<_, Infallible>(match &mut self.frozen {
                Some(frozen) => frozen.predict(&net, clips, window, self.compute),
                None => predict::network(&net, clips, window, self.compute),
            })
        });
        let figures = Best { epoch, score: validation.score(), loss: validation.cross_entropy() };
        let improved = self.progress.best.is_none_or(|best| better(&figures, &best));
        self.report(&figures, &validation, improved)?;
        if improved {
            self.progress.best = Some(figures);
        }
        let verdict = match self.run.config.recipe {
            Recipe::Modern | Recipe::FewShot => Verdict::Continue,
            Recipe::Paper => self.progress.stages.report(figures.loss),
        };
        self.progress.epoch += 1;
        self.progress.batch = 0;
        self.progress.sums = Sums::default();
        let over = self.progress.epoch >= self.run.config.epochs;
        self.progress.finished = over || verdict == Verdict::Finished;
        if improved {
            checkpoint::save(&self.run.best(), &self.progress, &net, &self.optimizer, None)?;
        }
        if verdict == Verdict::NextStage {
            self.net = checkpoint::load(&self.run.best(), self.net.clone(), None)?.net;
            self.optimizer = optimizer(&self.run.config);
        }
        self.save_last()
    }

    fn report(
        &mut self,
        figures: &Best,
        validation: &Predictions,
        improved: bool,
    ) -> Result<(), RunError> {
        let sums = self.progress.sums;
        let clips = sums.clips.max(1) as f64;
        let (loss, accuracy) = (sums.loss / clips, sums.correct as f64 / clips);
        let name = score_name(self.net.task());
        let line = json!({
            "epoch": figures.epoch + 1,
            "step": self.progress.step,
            "train_loss": loss,
            "train_accuracy": accuracy,
            "validation_loss": figures.loss,
            (format!("validation_{}", name.replace('-', "_").to_lowercase())): figures.score,
            "validation_clips": validation.len(),
            "clips_per_second": sums.clips as f64 / sums.seconds.max(1e-9),
            "seconds": sums.seconds,
        });
        self.run.log(figures.epoch, &line)?;
        self.display.line(&format!(
            "epoch {:>3}/{}  loss {loss:.3}  accuracy {:.1} %  validation: loss {:.3}  {name} {:.2} %{}  ({:.0} s, {:.0} clips/s)",
            figures.epoch + 1,
            self.run.config.epochs,
            100.0 * accuracy,
            figures.loss,
            100.0 * figures.score,
            if improved { "  best" } else { "" },
            sums.seconds,
            sums.clips as f64 / sums.seconds.max(1e-9),
        ));
        Ok(())
    }

    fn save_last(&mut self) -> Result<(), RunError> {
        let average = self.average.as_ref().map(Average::net);
        checkpoint::save(&self.run.last(), &self.progress, &self.net, &self.optimizer, average)?;
        self.saved = Instant::now();
        if let Some(path) = self.options.step_log {
            checkpoint::replace(path, &[self.step_losses.as_bytes()])
                .map_err(|source| RunError::Io { path: path.to_owned(), source })?;
        }
        Ok(())
    }
}

fn better(new: &Best, old: &Best) -> bool {
    (new.score, -new.loss) > (old.score, -old.loss)
}

fn optimizer(config: &FitConfig) -> ModuleOptimizer {
    match config.recipe {
        Recipe::Modern | Recipe::FewShot => AdamWConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(config.weight_decay as f32)
            .with_grad_clipping(Some(GradientClippingConfig::Norm(GRADIENT_NORM)))
            .init(),
        Recipe::Paper => {
            let momentum =
                MomentumConfig::new().with_momentum(0.9).with_dampening(0.0).with_nesterov(true);
            let decay = config.weight_decay as f32;
            let decay = (decay > 0.0).then(|| WeightDecayConfig::new(decay));
            SgdConfig::new().with_momentum(Some(momentum)).with_weight_decay(decay).init()
        }
    }
}
