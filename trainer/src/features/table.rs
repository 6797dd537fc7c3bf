//! Features with what belongs to them, and how they lie in a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
    /// The class of each clip, an index into [`About::labels`].
    pub classes: Vec<usize>,
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
    /// Adds a clip.
    pub fn push(&mut self, row: &[f32], class: usize, part: Part, name: &str) {
        self.width = row.len();
        self.values.extend(row);
        self.classes.push(class);
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

    /// The rows and classes of a part.
    #[must_use]
    pub fn of_part(&self, part: Part) -> (Vec<f32>, Vec<usize>) {
        let rows = self.values.chunks_exact(self.width.max(1));
        let (mut values, mut classes) = (Vec::new(), Vec::new());
        for ((row, class), of) in rows.zip(&self.classes).zip(&self.parts) {
            if *of == part as usize {
                values.extend(row);
                classes.push(*class);
            }
        }
        (values, classes)
    }

    /// Writes them as NumPy arrays: `features` `[clips, D]`, `classes`, `parts`, `names`, `labels`, and `about`, which is JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path, about: &About) -> Result<(), NpzError> {
        let integers = |values: &[usize]| Array::I64(values.iter().map(|v| *v as i64).collect());
        let about_text =
            serde_json::to_string(about).map_err(|e| npz::bad(path, &e.to_string()))?;
        let shape = [self.len(), self.width];
        npz::write(
            path,
            &[
                ("features", Array::F32 { shape, values: self.values.clone() }),
                ("classes", integers(&self.classes)),
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
        let mut take = |name: &str| take(&mut arrays, name).map_err(|what| npz::bad(path, &what));
        let wrong = |name: &str| npz::bad(path, &format!("`{name}` is of another type"));
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
        let classes = integers("classes", usize::from(u16::MAX))?;
        let mut texts = |name: &str| match take(name)? {
            Array::Text(values) => Ok(values),
            _ => Err(wrong(name)),
        };
        let (names, about) = (texts("names")?, texts("about")?);
        let about: About = serde_json::from_str(about.first().map_or("", String::as_str))
            .map_err(|error| npz::bad(path, &format!("`about`: {error}")))?;
        let fits = classes.iter().all(|class| *class < about.labels.len());
        if !fits || [classes.len(), parts.len(), names.len()] != [clips; 3] || width == 0 {
            return Err(npz::bad(path, "its arrays do not fit one another"));
        }
        if !values.iter().all(|value| value.is_finite()) {
            return Err(npz::bad(path, "some features are no finite numbers"));
        }
        Ok((Self { values, width, classes, parts, names }, about))
    }
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
        features.push(&[1.0, -2.5, 3.0], 1, Part::Training, "a/1.wav");
        features.push(&[0.0, 1e-30, -0.0], 0, Part::Test, "ä/2.wav");
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
        assert_eq!(read.of_part(Part::Training), (vec![1.0, -2.5, 3.0], vec![1]));
        features.classes[0] = 2;
        features.write(&path, &about).unwrap();
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
