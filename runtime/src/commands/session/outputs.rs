//! Where results go, as the settings say.

use std::io;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use models::arch::Task;
use models::meta::{DecisionDefaults, ModelMeta};
use runtime::sink::{
    Both, CommandSink, JsonSink, Program, RotatingFile, Sink, Style, TextSink, Triggers,
};

use crate::cli::{Detection, Format, Service};

/// The sinks of a model: standard output, and what else is asked for.
pub(super) fn sink(
    meta: &ModelMeta,
    options: &Detection,
    service: &Service,
    decision: &DecisionDefaults,
) -> Result<Box<dyn Sink>> {
    let (rate_hz, labels) = (meta.arch.sample_rate_hz, meta.labels.clone());
    let style = Style { rate_hz, labels, posteriors: options.posteriors, wall_clock: false };
    let out = io::BufWriter::new(io::stdout());
    let mut sink: Box<dyn Sink> = match options.format {
        Format::Text => Box::new(TextSink::new(out, style.clone())),
        Format::Json => Box::new(JsonSink::new(out, style.clone())),
    };
    if let Some(path) = &service.log {
        let file = RotatingFile::open(path, service.log_mib << 20)
            .with_context(|| format!("{}: the log cannot be written", path.display()))?;
        let style = Style { wall_clock: true, posteriors: false, ..style.clone() };
        sink = Box::new(Both(sink, JsonSink::new(file, style)));
    }
    if let Some(path) = &service.run {
        let timeout = Duration::try_from_secs_f64(service.run_timeout)
            .map_err(|_| anyhow!("--run-timeout must be a number of seconds"))?;
        let program = Program { path: path.clone(), args: service.run_arg.clone(), timeout };
        let command = CommandSink::new(program, style)
            .with_context(|| format!("{}: cannot be run", path.display()))?;
        sink = Box::new(Both(sink, command));
    }
    let Some(folder) = &options.save_triggers else { return Ok(sink) };
    if meta.arch.task == Task::MultiLabel {
        bail!(
            "--save-triggers keeps single detections, and this model finds tags, which last; leave it out"
        );
    }
    let most = options.save_triggers_mib << 20;
    let labels = meta.labels.clone();
    let triggers = Triggers::new(folder, most, labels, decision, rate_hz, meta.arch.window)
        .with_context(|| format!("{}: clips cannot be kept there", folder.display()))?;
    Ok(Box::new(Both(sink, triggers)))
}
