//! What `trainer describe` tells of a training run or an exported model beside its network.

use std::path::{Path, PathBuf};

use models::arch::{ArchSpec, Task};
use models::meta::DecisionDefaults;
use serde_json::{Value, json};

use super::footprint::Footprint;
use crate::evaluate::model::AnyModel;
use crate::evaluate::stream::table;
use crate::export::aggregate;
use crate::fit::Run;

/// Characters before the text of a line.
const INDENT: usize = 12;
/// Most characters of a line that holds more than one item.
const WIDTH: usize = 96;

/// A training run or an exported model.
pub(super) struct Trained {
    /// Its folder or file.
    path: PathBuf,
    model: AnyModel,
    decision: DecisionDefaults,
}

impl Trained {
    /// Opens a training run, a model file, or the model in a folder: `model.onnx`, or else `model.q8`.
    ///
    /// # Errors
    /// What is there is none of these.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let files = ["model.onnx", "model.q8"].map(|name| path.join(name));
        let exported = files.into_iter().find(|file| file.is_file() && !Run::exists(path));
        let path = exported.unwrap_or_else(|| path.to_owned());
        let model = AnyModel::load(&path)?;
        let decision = model.decision();
        Ok(Self { path, model, decision })
    }

    /// Name of the network.
    pub(super) fn preset(&self) -> &str {
        self.model.preset()
    }

    /// Samples between two windows.
    pub(super) const fn hop(&self) -> u32 {
        self.decision.hop
    }

    /// The network. Of a classifier on the features of networks there is none: the file has other layers than its
    /// metadata say.
    pub(super) fn arch(&self) -> Option<&ArchSpec> {
        (self.preset() != aggregate::PRESET).then(|| self.model.arch())
    }

    /// What an int8 model needs on a chip at this hop; `None` for all others.
    ///
    /// # Errors
    /// A hop that is none.
    pub(super) fn footprint(&self, hop: u32) -> anyhow::Result<Option<Footprint>> {
        match &self.model {
            AnyModel::Int8(file) => Footprint::new(file.bytes(), hop).map(Some),
            AnyModel::Run(_) | AnyModel::Onnx(..) => Ok(None),
        }
    }

    /// Adds name, labels and settings to a description.
    pub(super) fn add_to(&self, description: &mut Value) {
        description["path"] = json!(self.path.display().to_string());
        description["preset"] = json!(self.preset());
        description["labels"] = json!(self.model.labels());
        description["decision"] = json!(self.decision);
    }

    /// Name, labels and settings, for people.
    pub(super) fn lines(&self) -> String {
        let (labels, arch) = (self.model.labels(), self.model.arch());
        let kind = match arch.task {
            Task::MultiClass => "classes",
            Task::MultiLabel => "tags",
        };
        let mut named = labels.to_vec();
        if let Some(first) = named.first_mut() {
            first.insert_str(0, &format!("{}: ", labels.len()));
        }
        let mut network = self.preset().to_owned();
        if self.arch().is_none() {
            network.push_str(
                " of trained networks and a classifier on them; their layers are not told",
            );
        }
        let silent = labels.iter().zip(&self.decision.thresholds);
        let silent = silent.filter(|(_, threshold)| threshold.is_none());
        [
            format!("{}\n", self.path.display()),
            row("network", &[network]),
            row(kind, &named),
            row("decision", &table::settings(&self.decision, arch.sample_rate_hz)),
            row("cooldowns", &table::cooldowns(&self.decision, labels, arch.sample_rate_hz)),
            row("thresholds", &thresholds(&self.decision, labels)),
            row("never told", &silent.map(|(label, _)| label.clone()).collect::<Vec<_>>()),
        ]
        .concat()
    }
}

/// The thresholds of the classes that are told: that of most of them, if there is such a one, and who has another.
fn thresholds(decision: &DecisionDefaults, labels: &[String]) -> Vec<String> {
    let told = labels.iter().zip(decision.thresholds.iter().copied());
    let told: Vec<(&String, f32)> =
        told.filter_map(|(label, threshold)| Some((label, threshold?))).collect();
    let mut sorted: Vec<f32> = told.iter().map(|(_, threshold)| *threshold).collect();
    sorted.sort_by(f32::total_cmp);
    // What more than half of them have lies in the middle.
    let middle = sorted.get(sorted.len() / 2).copied();
    let shares = told.iter().filter(|(_, threshold)| Some(*threshold) == middle).count();
    let usual = middle.filter(|_| 2 * shares > told.len());
    let others = told.iter().filter(|(_, threshold)| Some(*threshold) != usual);
    let mut items: Vec<String> =
        others.map(|(label, threshold)| format!("{label} {threshold:.3}")).collect();
    if let Some(usual) = usual {
        match items.first_mut() {
            Some(first) => first.insert_str(0, &format!("{usual:.3} but for ")),
            None => items.push(format!("{usual:.3}")),
        }
    }
    items
}

/// A title and items behind it with commas between, in as many lines as they take; nothing where there are none.
fn row(title: &str, items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let (mut out, mut column) = (format!("{title:<INDENT$}"), INDENT);
    for (index, item) in items.iter().enumerate() {
        let comma = if index + 1 < items.len() { "," } else { "" };
        let length = item.chars().count() + comma.len();
        if index > 0 && column + 1 + length > WIDTH {
            out.push_str(&format!("\n{:INDENT$}", ""));
            column = INDENT;
        } else if index > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(item);
        out.push_str(comma);
        column += length;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn rows_are_wrapped_between_items() {
        assert_eq!(row("tags", &[]), "");
        assert_eq!(row("tags", &texts(&["a b", "c"])), "tags        a b, c\n");
        let many: Vec<String> = (0..40).map(|n| format!("label {n}")).collect();
        let told = row("classes", &many);
        assert!(told.lines().count() > 3 && told.lines().all(|line| line.len() <= WIDTH), "{told}");
        assert!(told.lines().skip(1).all(|line| line.starts_with("            label ")), "{told}");
        let joined: Vec<&str> = told["classes".len()..].split_whitespace().collect();
        assert_eq!(joined.join(" "), many.join(", "));
    }

    #[test]
    fn thresholds_that_differ_from_most_are_named() {
        let labels = texts(&["a", "b", "c", "d"]);
        let told = |thresholds: [Option<f32>; 4]| {
            let usual = DecisionDefaults::for_labels(&labels, 16_000);
            let decision = DecisionDefaults { thresholds: thresholds.to_vec(), ..usual };
            super::thresholds(&decision, &labels).join(", ")
        };
        assert_eq!(told([Some(0.6), Some(0.6), None, None]), "0.600");
        let but = told([Some(0.6), Some(0.7), Some(0.6), Some(0.6)]);
        assert_eq!(but, "0.600 but for b 0.700");
        let all = told([Some(0.5), Some(0.6), Some(0.6), Some(0.1)]);
        assert_eq!(all, "a 0.500, b 0.600, c 0.600, d 0.100");
        assert_eq!(told([None; 4]), "");
    }
}
