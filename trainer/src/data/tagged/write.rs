//! Soundscapes as a data set, in one of the published layouts.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use rayon::prelude::*;

use super::{dcase, magnatagatune};
use crate::data::labels_tsv::Label;
use crate::data::mix::{MixOptions, Mixer};
use crate::data::{DataError, Dataset, Part, files};

/// Layouts of data sets with tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// DCASE 2017 task 4: lists of weak and strong labels.
    Dcase,
    /// `MagnaTagATune`: a table of tags, recordings in folders 0 to f. Strong labels lie beside it in `strong_labels.tsv`.
    Magnatagatune,
}

/// Strong labels of the layout that has none.
const STRONG: &str = "strong_labels.tsv";

/// A recording that was written.
struct Written {
    /// As the tables name it.
    name: String,
    part: Part,
    events: Vec<Label>,
}

impl Layout {
    /// What a soundscape is called in the tables, and the file that it is.
    fn names(self, part: Part, index: usize, seconds: f64) -> (String, String) {
        match self {
            Self::Dcase => {
                let name = format!("mix-{}-{index:05}_0.000_{seconds:.3}.wav", set(part));
                let file = format!("audio/{}/Y{name}", set(part));
                (name, file)
            }
            Self::Magnatagatune => {
                let folder = match part {
                    Part::Training => index % 12,
                    Part::Validation => 12,
                    Part::Test => 13 + index % 3,
                };
                let name = format!("{folder:x}/mix-{index:05}-0-{seconds:.0}.wav");
                (name.clone(), name)
            }
        }
    }

    fn tables(
        self,
        folder: &Path,
        labels: &[String],
        written: &[Written],
        seconds: f64,
    ) -> Result<(), DataError> {
        match self {
            Self::Dcase => {
                for part in Part::ALL {
                    let of_part = || written.iter().filter(|written| written.part == part);
                    let weak = of_part().flat_map(|written| {
                        let tags: BTreeSet<&str> =
                            written.events.iter().map(|event| event.label.as_str()).collect();
                        tags.into_iter()
                            .map(|tag| format!("{}\t0.000\t{seconds:.3}\t{tag}\n", written.name))
                    });
                    for (kind, list) in [("weak", weak.collect()), ("strong", strong(of_part()))] {
                        let path = folder.join("metadata").join(dcase::list_name(kind, set(part)));
                        files::write(&path, String::as_bytes(&list))?;
                    }
                }
                Ok(())
            }
            Self::Magnatagatune => {
                let [clip_id, mp3_path] = magnatagatune::COLUMNS;
                let names: Vec<String> =
                    labels.iter().map(|label| format!("\"{label}\"")).collect();
                let mut table = format!("\"{clip_id}\"\t{}\t\"{mp3_path}\"\n", names.join("\t"));
                for (id, Written { name, events, .. }) in (1..).zip(written) {
                    let has = |label: &String| events.iter().any(|event| event.label == *label);
                    let values: Vec<String> = labels
                        .iter()
                        .map(|label| format!("\"{}\"", u8::from(has(label))))
                        .collect();
                    // Writing to a string cannot fail.
                    let _ = writeln!(table, "\"{id}\"\t{}\t\"{name}\"", values.join("\t"));
                }
                files::write(&folder.join(magnatagatune::TABLE), table.as_bytes())?;
                files::write(&folder.join(STRONG), strong(written.iter()).as_bytes())
            }
        }
    }
}

/// What the lists of DCASE call a part.
const fn set(part: Part) -> &'static str {
    match part {
        Part::Training => "training",
        Part::Validation => "testing",
        Part::Test => "evaluation",
    }
}

fn strong<'a>(written: impl Iterator<Item = &'a Written>) -> String {
    let line = |name: &str, Label { start_seconds, end_seconds, label }: &Label| {
        format!("{name}\t{start_seconds:.3}\t{end_seconds:.3}\t{label}\n")
    };
    written
        .flat_map(|written| written.events.iter().map(|event| line(&written.name, event)))
        .collect()
}

/// Writes `counts` soundscapes of training, validation and test, mixed of the same parts of `data`, as a new data
/// set.
///
/// # Errors
/// Options or parts that nothing can be mixed of, labels with tabs or quotes, or a folder that cannot be written.
pub fn soundscapes(
    data: &Dataset,
    options: &MixOptions,
    counts: [usize; 3],
    layout: Layout,
    out: &Path,
) -> Result<(), DataError> {
    if let Some(label) = data.labels.iter().find(|label| label.contains(['\t', '"', '\n'])) {
        return Err(DataError::BadOption(format!("the label {label:?} does not fit into a table")));
    }
    let mixers = Part::ALL.map(|part| Mixer::new(data, part, options));
    let [training, validation, test] = mixers;
    let mixers = [training?, validation?, test?];
    files::new_folder(out, |folder| {
        let mut written = Vec::new();
        for ((part, mixer), count) in Part::ALL.into_iter().zip(&mixers).zip(counts) {
            let one = |index: usize| {
                let soundscape = mixer.soundscape(index);
                let (name, file) = layout.names(part, index, options.seconds);
                let path = folder.join(file);
                let parent = files::parent(&path);
                fs::create_dir_all(parent).map_err(files::unwritable(parent))?;
                audio::write_wav_i16(&path, &soundscape.samples, data.rate_hz)?;
                Ok(Written { name, part, events: soundscape.events })
            };
            let of_part: Result<Vec<Written>, DataError> =
                (0..count).into_par_iter().map(one).collect();
            written.extend(of_part?);
        }
        let metadata = folder.join("metadata");
        if layout == Layout::Dcase {
            fs::create_dir_all(&metadata).map_err(files::unwritable(&metadata))?;
        }
        let none = data.none_classes();
        let labels = data.labels.iter().enumerate().filter(|(class, _)| !none.contains(class));
        let labels: Vec<String> = labels.map(|(_, label)| label.clone()).collect();
        layout.tables(folder, &labels, &written, options.seconds)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{loaded, options, words};
    use models::arch::Task;

    #[test]
    fn what_is_written_reads_back_in_both_layouts() {
        let dir = tempfile::tempdir().unwrap();
        let (source, labels) = (dir.path().join("source"), ["bark", "bell", "rain"]);
        words(&source, &labels, 12);
        let source = loaded(&options(&source));
        let mix = MixOptions { seconds: 1.0, events: 2, snr_db: (10.0, 20.0), seed: 4 };
        for layout in [Layout::Dcase, Layout::Magnatagatune] {
            let out = dir.path().join(format!("{layout:?}"));
            soundscapes(&source, &mix, [26, 9, 8], layout, &out).unwrap();
            let data = loaded(&options(&out));
            assert_eq!(
                (data.task, &*data.labels),
                (Task::MultiLabel, &labels.map(str::to_owned)[..])
            );
            let counts = Part::ALL.map(|part| data.clips(part).len());
            assert_eq!(counts, [26, 9, 8], "{layout:?}");
            assert!(data.missing.is_empty() && data.left_out.is_empty());
            // The tags are those of the soundscape with the same index.
            let test = Mixer::new(&source, Part::Test, &mix).unwrap();
            for clip in &data.test {
                let index = clip.name.split(['-', '_']).find_map(|part| {
                    (part.len() == 5).then(|| part.parse::<usize>().ok()).flatten()
                });
                let events = test.soundscape(index.unwrap()).events;
                for (tag, label) in labels.iter().enumerate() {
                    let there = events.iter().any(|event| event.label == *label);
                    assert_eq!(clip.has(tag), there, "{} {label}", clip.name);
                }
            }
            let again = soundscapes(&source, &mix, [1, 1, 1], layout, &out);
            assert!(matches!(again, Err(DataError::Occupied { .. })));
        }
        let strong = fs::read_to_string(dir.path().join("Magnatagatune").join(STRONG)).unwrap();
        assert!(strong.lines().count() >= 43, "at least one event each");
    }
}
