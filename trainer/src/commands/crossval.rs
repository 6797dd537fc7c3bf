//! `trainer crossval`

use std::path::Path;

use anyhow::bail;
use serde_json::json;
use toml::Table;

use super::{data_common, fit};
use crate::data::Part;
use crate::evaluate::metrics::Share;
use crate::evaluate::model::AnyModel;
use crate::evaluate::predict::{self, argmax};
use crate::fit::{FitConfig, Run, Stop};
use crate::net::DeviceChoice;

/// Arguments of `trainer crossval`: those of `trainer fit`; `--out` is the folder of all runs.
#[derive(Debug, clap::Args)]
pub struct CrossvalArgs {
    #[command(flatten)]
    fit: fit::FitArgs,
    /// What to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Trains once for each fold of a data set and tests on that fold. Called again with the same options it goes on where it
/// stopped.
///
/// # Errors
/// As `trainer fit`; a data set without folds; options that each fold sets for itself.
pub fn run(args: &CrossvalArgs) -> anyhow::Result<()> {
    let out = args.fit.out();
    if let Some(option) = args.fit.of_one_run() {
        bail!("`{option}` is for one run; leave it out");
    }
    let interrupt = fit::stop_on_signal()?;
    let (mut folds, mut tested) = (1, Vec::new());
    for fold in 1.. {
        if fold > folds {
            break;
        }
        let folder = out.join(format!("fold-{fold}"));
        let begun = Run::exists(&folder);
        if begun {
            check_same(&Run::open(&folder)?, &args.fit.for_fold(fold, &folder, false).resolved()?)?;
        }
        let run = args.fit.for_fold(fold, &folder, begun);
        let (stop, data_folds) = fit::train(&run, &interrupt)?;
        if !matches!(stop, Stop::Finished(_)) {
            return Ok(());
        }
        folds = data_folds;
        tested.push((fold, test(&folder, args.fit.device())?));
    }
    data_common::print(&match args.format {
        Format::Table => table(&tested),
        Format::Json => format!("{}\n", report(&tested)),
    })
}

/// Refuses to go on with a fold that was begun with another configuration: their mean would be of no network.
fn check_same(begun: &Run, wanted: &FitConfig) -> anyhow::Result<()> {
    let (stored, wanted) = (Table::try_from(&begun.config)?, Table::try_from(wanted)?);
    let transfers = !begun.config.from.as_os_str().is_empty();
    let may_differ = |key: &str| match key {
        "data" | "device" => true,
        // What the trained network brings along.
        "preset" | "from_sha256" => transfers,
        "teachers_sha256" => true,
        _ => false,
    };
    let other =
        wanted.iter().find(|(key, value)| stored.get(*key) != Some(*value) && !may_differ(key));
    if let Some((key, _)) = other {
        bail!(
            "{}: was begun with another `{key}`; give the options that it was begun with, or choose another `--out`",
            begun.folder().display()
        );
    }
    Ok(())
}

/// Clips of the run's test fold that it classifies correctly.
fn test(folder: &Path, device: DeviceChoice) -> anyhow::Result<Share> {
    let mut model = AnyModel::load(folder)?;
    let (config, arch) = (model.config()?, model.arch());
    let window = arch.window as usize;
    let data = data_common::load(&config.data_options(arch.sample_rate_hz, window))?;
    let clips = predict::with_silence(&data, Part::Test, config.seed);
    let predictions =
        predict::averaged(&clips, window, data.placement, |clips| model.predict(clips, device))?;
    let rows = predictions.posteriors.iter().zip(&predictions.classes);
    let hits = rows.filter(|(row, class)| argmax(row) == **class).count() as u64;
    Ok(Share { hits, of: clips.len() as u64 })
}

/// Mean of the folds' accuracies, and their standard deviation.
fn spread(tested: &[(u8, Share)]) -> (f64, f64) {
    let values: Vec<f64> = tested.iter().map(|(_, share)| share.value()).collect();
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

fn pooled(tested: &[(u8, Share)]) -> Share {
    let sum = |of: fn(&Share) -> u64| tested.iter().map(|(_, share)| of(share)).sum();
    Share { hits: sum(|share| share.hits), of: sum(|share| share.of) }
}

fn table(tested: &[(u8, Share)]) -> String {
    let mut text = "fold  clips  accuracy\n".to_owned();
    for (fold, share) in tested {
        text += &format!("{fold:>4} {:>6} {:>8.2} %\n", share.of, 100.0 * share.value());
    }
    let (mean, deviation) = spread(tested);
    let (low, high) = pooled(tested).interval95();
    text + &format!(
        "mean {:>6} {:>8.2} %  (standard deviation of the folds {:.2}; 95 % of all clips: {:.2} to {:.2})\n",
        pooled(tested).of,
        100.0 * mean,
        100.0 * deviation,
        100.0 * low,
        100.0 * high,
    )
}

fn report(tested: &[(u8, Share)]) -> serde_json::Value {
    let (mean, deviation) = spread(tested);
    let (low, high) = pooled(tested).interval95();
    let folds = tested
        .iter()
        .map(|(fold, share)| json!({ "fold": fold, "clips": share.of, "accuracy": share.value() }));
    json!({
        "folds": folds.collect::<Vec<_>>(),
        "accuracy": mean,
        "standard_deviation": deviation,
        "interval95": [low, high],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_averaged() {
        let tested = [(1, Share { hits: 8, of: 10 }), (2, Share { hits: 6, of: 10 })];
        let (mean, deviation) = spread(&tested);
        assert!((mean - 0.7).abs() < 1e-12 && (deviation - 0.02f64.sqrt()).abs() < 1e-12);
        assert_eq!(pooled(&tested), Share { hits: 14, of: 20 });
        assert!(table(&tested).contains("mean     20    70.00 %"), "{}", table(&tested));
        assert_eq!(report(&tested)["folds"][1]["accuracy"], 0.6);
        assert_eq!(spread(&[]), (0.0, 0.0));
    }
}
