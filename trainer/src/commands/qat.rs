//! `trainer fit --qat`: fine-tuning for int8.

use std::path::Path;

use anyhow::bail;
use burn::module::Module as _;
use toml::{Table, Value};

use super::export::metadata;
use crate::data::Dataset;
use crate::export::fold;
use crate::fit::train::start_from;
use crate::fit::{FitConfig, Run};
use crate::net::Compute;
use crate::quantize::{Activations, quantize};

/// Passes over the training clips.
const EPOCHS: i64 = 5;
/// Share of the first training's learning rate.
const RATE: f64 = 0.05;

/// The first training's configuration with gentler numbers, then file and flags.
pub(super) fn configuration(
    from: &Path,
    file: Option<&Path>,
    flags: Table,
) -> anyhow::Result<FitConfig> {
    let stored = Run::open(from)?.config;
    let mut table = Table::try_from(&stored)?;
    table.insert("epochs".to_owned(), Value::Integer(EPOCHS));
    table.insert("learning_rate".to_owned(), Value::Float(RATE * stored.learning_rate));
    table.insert("freeze".to_owned(), Value::Boolean(false));
    for key in ["teachers", "teachers_sha256"] {
        table.insert(key.to_owned(), Value::Array(Vec::new()));
    }
    FitConfig::resolve_over(table, file, flags).map_err(Into::into)
}

/// Starts a run from the best weights of another one, with activations stored as does best on validation.
pub(super) fn start(
    from: &Path,
    out: &Path,
    config: FitConfig,
    data: &Dataset,
    compute: &Compute,
) -> anyhow::Result<Run> {
    let first = Run::open(from)?;
    first.check_data(data)?;
    if first.model.stored.is_some() {
        bail!("{}: is fine-tuned for int8 already; name the run it came from", from.display());
    }
    if !first.model.arch.has_integer_form() {
        bail!("{}: reads mel spectra, which have no integer form", from.display());
    }
    if !first.model.arch.is_chain() {
        bail!(
            "{}: has gates, shortcuts or global maxima, which fine-tuning for int8 does not know; export it as it is",
            from.display()
        );
    }
    let (net, _) = first.best_network(compute)?;
    let meta = metadata(&first);
    let folded = fold::fold(&net.clone().valid());
    let int8 = quantize(&net, &folded, &meta, data, Activations::Search, compute);
    let mut model = first.model;
    model.stored = Some(int8.choice.stored);
    let run = Run::create(out, config, model)?;
    start_from(&run, &net)?;
    Ok(run)
}
