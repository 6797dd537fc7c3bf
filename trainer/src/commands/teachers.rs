//! `trainer fit --teacher`: training that learns from trained networks.

use anyhow::bail;
use models::arch::ArchSpec;

use crate::data::{Dataset, SplitScheme};
use crate::fit::FitConfig;
use crate::fit::run::ModelInfo;
use crate::fit::source::Source;
use crate::net::Compute;

/// Loads the teachers that `config` names and notes in it which ones they are; those of a run that goes on (`resumes`)
/// must be the same as at its start.
pub(super) fn open(
    config: &mut FitConfig,
    resumes: bool,
    compute: &Compute,
) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in &config.teachers {
        sources.push(Source::load(path, compute)?);
    }
    let digests: Vec<String> = sources.iter().map(|source| source.sha256.clone()).collect();
    let begun = config.teachers_sha256.iter().zip(&digests);
    let changed = begun.zip(&config.teachers).find(|((begun, now), _)| resumes && begun != now);
    if let Some((_, path)) = changed {
        let path = path.display();
        bail!(
            "{path}: is not the teacher that this run began with; restore it, or start another run"
        );
    }
    config.teachers_sha256 = digests;
    Ok(sources)
}

/// Refuses teachers that cannot teach a network of this architecture on this data.
pub(super) fn check(
    sources: &[Source],
    config: &FitConfig,
    arch: &ArchSpec,
    data: &Dataset,
) -> anyhow::Result<()> {
    let origin = ModelInfo::new(arch.clone(), data).origin();
    for (path, source) in config.teachers.iter().zip(sources) {
        let path = path.display();
        if source.labels != data.labels {
            bail!(
                "{path}: has other classes than {}; name a teacher that was trained on the same",
                config.data.display()
            );
        }
        if (source.arch.window, source.arch.sample_rate_hz) != (arch.window, arch.sample_rate_hz) {
            bail!(
                "{path}: reads windows of {} samples at {} Hz, `{}` of {} at {} Hz; name a teacher that reads the same",
                source.arch.window,
                source.arch.sample_rate_hz,
                config.preset,
                arch.window,
                arch.sample_rate_hz,
            );
        }
        if config.split != SplitScheme::None && source.origin.clashes(&origin) {
            bail!(
                "{path}: has learnt from clips of these recordings that are now to test with; take the split and seed that it was trained with"
            );
        }
    }
    Ok(())
}
