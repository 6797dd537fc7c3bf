//! Networks by name, and what is said where there is none of that name.

use anyhow::Context as _;
use models::arch::{ArchSpec, PRESETS, preset};

/// The names that do for most.
const USUAL: [&str; 5] = ["nano", "mcu", "micro", "small", "samplecnn-speech"];

/// Names that are made of parts, and what they stand for.
const FAMILIES: [(&str, &str); 4] = [
    ("M^N", "filters, strides and pools of length M (2 to 5), N blocks, such as 3^9"),
    ("KIND-TASK", "KIND-multi-TASK without the multi-level head, such as se-speech"),
    ("NAME-reduced", "se-…, rese1-… or rese2-… with gates for small computers"),
    ("framecnn-TASK-LENGTH", "filters of 256 or 1024 samples instead of 512"),
];

/// The network called `name`, or what to do where there is none.
///
/// # Errors
/// No such preset.
pub(super) fn architecture(name: &str, classes: usize) -> anyhow::Result<ArchSpec> {
    let classes = u16::try_from(classes).context("more than 65535 classes")?;
    preset(name, classes).with_context(|| {
        let nearest = PRESETS.iter().max_by(|a, b| {
            let near = |preset: &str| strsim::jaro_winkler(preset, name);
            near(a).total_cmp(&near(b))
        });
        let nearest = nearest.map_or("small", |nearest| nearest);
        format!(
            "no preset `{name}`; did you mean `{nearest}`? The usual ones are {}; `trainer describe` lists all",
            USUAL.join(", ")
        )
    })
}

/// All names, one a line, and what else a name may be.
pub(super) fn list() -> String {
    let names: String = PRESETS.iter().map(|name| format!("{name}\n")).collect();
    let families = FAMILIES.map(|(name, what)| format!("{name:<21} {what}\n"));
    format!("{names}\nbesides these:\n{}", families.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_are_those_of_networks() {
        assert!(USUAL.iter().all(|name| PRESETS.contains(name)));
        let examples = ["3^9", "se-speech", "rese2-music-reduced", "framecnn-scene-256"];
        for name in PRESETS.iter().copied().chain(examples) {
            assert!(architecture(name, 2).is_ok(), "{name}");
        }
        let told = list();
        assert!(told.starts_with("nano\n") && told.contains("\nM^N  "), "{told}");
        assert_eq!(told.lines().count(), PRESETS.len() + 2 + FAMILIES.len());
    }

    #[test]
    fn unknown_names_are_answered_with_a_few() {
        let error = architecture("smal", 2).unwrap_err().to_string();
        let expected = "no preset `smal`; did you mean `small`? The usual ones are nano, mcu, micro, small, \
                        samplecnn-speech; `trainer describe` lists all";
        assert_eq!(error, expected);
    }
}
