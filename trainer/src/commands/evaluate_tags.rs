//! `trainer evaluate` for networks that find tags.

use std::path::PathBuf;

use anyhow::bail;

use crate::data::Dataset;
use crate::evaluate::model::AnyModel;
use crate::evaluate::predict::Predictions;
use crate::evaluate::tags::report::{Against, TagReport};
use crate::export::check::TOLERANCE;

/// What is to be reported.
pub(super) struct Measured<'a> {
    pub(super) model: &'a AnyModel,
    /// Its name, and that of the part of the data.
    pub(super) name: String,
    pub(super) split: String,
    pub(super) data: &'a Dataset,
    pub(super) predictions: &'a Predictions,
    /// Another model, its name, and what it says of the same clips.
    pub(super) other: Option<(AnyModel, PathBuf, Predictions)>,
}

/// The figures of a model, as a table or as JSON. Two models in floating point must agree.
pub(super) fn report(measured: Measured<'_>, json: bool) -> anyhow::Result<String> {
    let Measured { model, name, split, data, predictions, other } = measured;
    let against = other
        .as_ref()
        .map(|(_, path, predictions)| Against { other: path.display().to_string(), predictions });
    if let (Some((other, ..)), Some(against)) = (&other, &against) {
        let int8 = [model, other].iter().any(|model| matches!(model, AnyModel::Int8(_)));
        let (largest, _) = against.differences(predictions);
        if !int8 && largest > TOLERANCE {
            bail!(
                "{name} and {} differ by {largest:.1e} in a posterior, at most {TOLERANCE:.0e} is allowed",
                against.other
            );
        }
    }
    let thresholds = thresholds(model, &data.labels);
    let report = TagReport {
        model: name,
        split,
        labels: &data.labels,
        thresholds: &thresholds,
        predictions,
        against,
    };
    Ok(if json { format!("{}\n", report.json()) } else { report.table() })
}

/// The model's thresholds of these tags.
fn thresholds(model: &AnyModel, labels: &[String]) -> Vec<Option<f32>> {
    let all = model.decision().thresholds;
    let of_tag = |label: &String| {
        let tag = model.labels().iter().position(|known| known == label)?;
        all[tag]
    };
    labels.iter().map(of_tag).collect()
}
