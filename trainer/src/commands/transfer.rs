//! `trainer fit --from`: training that starts from trained weights.

use std::path::Path;

use anyhow::bail;

use crate::data::{Dataset, SplitScheme};
use crate::fit::run::ModelInfo;
use crate::fit::source::Source;
use crate::fit::train::start_from;
use crate::fit::{FitConfig, Run};
use crate::net::Compute;

/// Loads the network that `config` starts from and notes in it which one that is.
pub(super) fn open(config: &mut FitConfig, compute: &Compute) -> anyhow::Result<Source> {
    let source = Source::load(&config.from, compute)?;
    let recipe = FitConfig::of_recipe(config.recipe);
    if config.preset != source.preset && config.preset != recipe.preset {
        bail!(
            "preset: `{}` asked for, but {} is `{}`; leave it out",
            config.preset,
            config.from.display(),
            source.preset,
        );
    }
    config.preset.clone_from(&source.preset);
    config.from_sha256.clone_from(&source.sha256);
    Ok(source)
}

/// Starts a run from the weights of `source`.
pub(super) fn start(
    source: &Source,
    out: &Path,
    config: FitConfig,
    data: &Dataset,
    compute: &Compute,
) -> anyhow::Result<Run> {
    let (arch, net) = source.network(&config, data, compute)?;
    let model = ModelInfo::new(arch, data);
    if config.split != SplitScheme::None && source.origin.clashes(&model.origin()) {
        bail!(
            "{}: has learnt from clips of these recordings that are now to test with; take the split and seed that it was trained with",
            config.from.display(),
        );
    }
    let run = Run::create(out, config, model)?;
    start_from(&run, &net)?;
    Ok(run)
}

/// Refuses to go on with a run that was stopped before it had got its first weights.
pub(super) fn check_started(run: &Run) -> anyhow::Result<()> {
    let fresh = run.config.from.as_os_str().is_empty() && run.model.stored.is_none();
    if fresh || run.last().exists() {
        return Ok(());
    }
    let folder = run.folder().display();
    bail!(
        "{folder}: was stopped before it had the weights to start from; delete it and start it again"
    );
}
