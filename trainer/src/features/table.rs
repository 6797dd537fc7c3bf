//! Features with what belongs to them, and how they lie in a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use models::arch::Task;
use serde::{Deserialize, Serialize};

use super::npz::{self, Array, NpzError};
use crate::data::Part;

/// Features of clips: D numbers each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// The numbers, row after row.
    pub values: Vec<f32>,
    /// D.
    pub width: usize,
    /// The class of each clip, an index into [`About::labels`]; of a clip with tags the first of them.
    pub classes: Vec<usize>,
    /// For each clip and each label, whether the clip has that tag. The clips' rows are empty where they have classes.
    pub tags: Vec<Arc<[bool]>>,
    /// Training (0), validation (1) or test (2), for each clip.
    pub parts: Vec<usize>,
    /// The name of each clip.
    pub names: Vec<String>,
}

/// A network that gave features.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Run folder or ONNX file.
    pub path: PathBuf,
    /// SHA-256 of its weights, as hex.
    pub sha256: String,
    /// Name of its architecture.
    pub preset: String,
    /// Samples of its window.
    pub window: usize,
}

/// What features were made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The networks, in the order of their features.
    pub networks: Vec<Origin>,
    /// The classes.
    pub labels: Vec<String>,
    /// Samples a second.
    pub rate_hz: u32,
    /// Samples that each clip was cut or padded to.
    pub length: usize,
    /// SHA-256 over the data, as hex.
    pub data_sha256: String,
    /// SHA-256 over the split, as hex.
    pub split_sha256: String,
    /// How the data set was loaded, as the TOML of a training configuration.
    pub config: String,
}

impl Features {
    /// Adds a clip of a class, or with tags.
    pub fn push(
        &mut self,
        row: &[f32],
        (class, tags): (usize, &Arc<[bool]>),
        part: Part,
        name: &str,
    ) {
        self.width = row.len();
        self.values.extend(row);
        self.classes.push(class);
        self.tags.push(Arc::clone(tags));
        self.parts.push(part as usize);
        self.names.push(name.to_owned());
    }

    /// Number of clips.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there are no clips.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Whether clips have classes or tags.
    #[must_use]
    pub fn task(&self) -> Task {
        match self.tags.iter().any(|tags| !tags.is_empty()) {
            true => Task::MultiLabel,
            false => Task::MultiClass,
        }
    }

    /// The clips of a part.
    #[must_use]
    pub fn of_part(&self, part: Part) -> Self {
        let mut of = Self { width: self.width, ..Self::default() };
        for (clip, row) in self.rows().enumerate() {
            if self.parts[clip] == part as usize {
                let truth = (self.classes[clip], &self.tags[clip]);
                of.push(row, truth, part, &self.names[clip]);
            }
        }
        of
    }

    /// The numbers of each clip.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// What is to be learnt of each clip, `[clips, labels]`: 1 for its class or its tags, else 0.
    #[must_use]
    pub fn targets(&self, labels: usize) -> Vec<f32> {
        let has = |clip: usize, label: usize| {
            self.tags[clip].get(label).copied().unwrap_or(label == self.classes[clip])
        };
        let all = 0..self.len() * labels;
        all.map(|index| f32::from(has(index / labels, index % labels))).collect()
    }

    /// Writes them as NumPy arrays: `features` `[clips, D]`, `classes` `[clips]` or `tags` `[clips, labels]` of 0 and 1, `parts`,
    /// `names`, `labels`, and `about`, which is JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path, about: &About) -> Result<(), NpzError> {
        let integers = |values: &[usize]| Array::I64(values.iter().map(|v| *v as i64).collect());
        let about_text =
            serde_json::to_string(about).map_err(|e| npz::bad(path, &e.to_string()))?;
        let shape = [self.len(), self.width];
        let truth = match self.task() {
            Task::MultiClass => ("classes", integers(&self.classes)),
            Task::MultiLabel => {
                let values =
                    self.tags.iter().flat_map(|tags| tags.iter().map(|has| u8::from(*has)));
                let shape = [self.len(), self.tags.first().map_or(0, |tags| tags.len())];
                ("tags", Array::U8 { shape, values: values.collect() })
            }
        };
        npz::write(
            path,
            &[
                ("features", Array::F32 { shape, values: self.values.clone() }),
                truth,
                ("parts", integers(&self.parts)),
                ("names", Array::Text(self.names.clone())),
                ("labels", Array::Text(about.labels.clone())),
                ("about", Array::Text(vec![about_text])),
            ],
        )
    }

    /// Reads what [`Features::write`] wrote.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn read(path: &Path) -> Result<(Self, About), NpzError> {
        let mut arrays = npz::read(path)?;
        let wrong = |name: &str| npz::bad(path, &format!("`{name}` is of another type"));
        let tags = match arrays.remove("tags") {
            None => None,
            Some(Array::U8 { shape: [_, labels], values }) => Some((labels, values)),
            Some(_) => return Err(wrong("tags")),
        };
        let mut take = |name: &str| take(&mut arrays, name).map_err(|what| npz::bad(path, &what));
        let Array::F32 { shape: [clips, width], values } = take("features")? else {
            return Err(wrong("features"));
        };
        let mut integers = |name: &str, below: usize| match take(name)? {
            Array::I64(values) => {
                let inside = |value: &i64| usize::try_from(*value).ok().filter(|v| *v < below);
                values.iter().map(inside).collect::<Option<Vec<_>>>().ok_or_else(|| wrong(name))
            }
            _ => Err(wrong(name)),
        };
        let parts = integers("parts", Part::ALL.len())?;
        let (classes, tags, labels) = match tags {
            None => {
                let classes = integers("classes", usize::from(u16::MAX))?;
                let none: Vec<Arc<[bool]>> = vec![Arc::default(); classes.len()];
                (classes, none, None)
            }
            Some((labels, values)) => {
                let (classes, tags) = tagged(&values, labels).ok_or_else(|| wrong("tags"))?;
                (classes, tags, Some(labels))
            }
        };
        let mut texts = |name: &str| match take(name)? {
            Array::Text(values) => Ok(values),
            _ => Err(wrong(name)),
        };
        let (names, about) = (texts("names")?, texts("about")?);
        let about: About = serde_json::from_str(about.first().map_or("", String::as_str))
            .map_err(|error| npz::bad(path, &format!("`about`: {error}")))?;
        let fits = classes.iter().all(|class| *class < about.labels.len())
            && labels.is_none_or(|labels| labels == about.labels.len());
        if !fits || [classes.len(), parts.len(), names.len()] != [clips; 3] || width == 0 {
            return Err(npz::bad(path, "its arrays do not fit one another"));
        }
        if !values.iter().all(|value| value.is_finite()) {
            return Err(npz::bad(path, "some features are no finite numbers"));
        }
        Ok((Self { values, width, classes, tags, parts, names }, about))
    }
}

/// The first tag of each clip, and which it has.
type Tagged = (Vec<usize>, Vec<Arc<[bool]>>);

/// The tags of all clips; `None` where a value is neither 0 nor 1.
fn tagged(values: &[u8], labels: usize) -> Option<Tagged> {
    if values.iter().any(|value| *value > 1) {
        return None;
    }
    let rows = values.chunks_exact(labels.max(1));
    let tags: Vec<Arc<[bool]>> =
        rows.map(|row| row.iter().map(|has| *has == 1).collect()).collect();
    let first = |tags: &Arc<[bool]>| tags.iter().position(|has| *has).unwrap_or(0);
    Some((tags.iter().map(first).collect(), tags))
}

fn take(arrays: &mut BTreeMap<String, Array>, name: &str) -> Result<Array, String> {
    arrays.remove(name).ok_or_else(|| format!("has no array `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_survive_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.npz");
        let mut features = Features::default();
        features.push(&[1.0, -2.5, 3.0], (1, &Arc::default()), Part::Training, "a/1.wav");
        features.push(&[0.0, 1e-30, -0.0], (0, &Arc::default()), Part::Test, "ä/2.wav");
        let about = About {
            networks: vec![],
            labels: vec!["x".into(), "y".into()],
            rate_hz: 16_000,
            length: 80_000,
            data_sha256: "d".into(),
            split_sha256: "s".into(),
            config: "seed = 1".into(),
        };
        features.write(&path, &about).unwrap();
        let (read, told) = Features::read(&path).unwrap();
        assert_eq!((&read, &told), (&features, &about));
        let training = read.of_part(Part::Training);
        assert_eq!((training.len(), &training.values[..]), (1, &[1.0, -2.5, 3.0][..]));
        assert_eq!((training.targets(2), training.task()), (vec![0.0, 1.0], Task::MultiClass));
        features.classes[0] = 2;
        features.write(&path, &about).unwrap();
        let error = Features::read(&path).unwrap_err().to_string();
        assert!(error.contains("do not fit"), "{error}");
        features.classes = vec![1, 0];
        features.tags = vec![[false, true].into(), [true, true].into()];
        features.write(&path, &about).unwrap();
        let (read, _) = Features::read(&path).unwrap();
        assert_eq!((&read, read.task()), (&features, Task::MultiLabel));
        assert_eq!(read.targets(2), [0.0, 1.0, 1.0, 1.0]);
        assert_eq!(tagged(&[0, 2], 2), None);
        let three = About { labels: vec!["x".into(), "y".into(), "z".into()], ..about };
        features.write(&path, &three).unwrap();
        let error = Features::read(&path).unwrap_err().to_string();
        assert!(error.contains("do not fit"), "{error}");
        npz::write(&path, &[("features", Array::I64(vec![1]))]).unwrap();
        let error = Features::read(&path).unwrap_err().to_string();
        assert!(error.contains("`features` is of another type"), "{error}");
        npz::write(&path, &[]).unwrap();
        let error = Features::read(&path).unwrap_err().to_string();
        assert!(error.contains("has no array `features`"), "{error}");
    }
}
