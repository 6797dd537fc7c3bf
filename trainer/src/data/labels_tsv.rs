//! Label tracks: what is heard where in a recording, as a text file beside it.
//!
//! The columns, with tabs between, are start and end in seconds, and the label.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::{DataError, files};

const HEADER: &str = "start_seconds\tend_seconds\tlabel";

/// What is heard in a stretch of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Where the sound begins.
    pub start_seconds: f64,
    /// Where the sound ends.
    pub end_seconds: f64,
    /// Its class; `_unknown_` is not to be detected.
    pub label: String,
}

/// Where the label track of a recording lies: beside it, with `.tsv` for `.wav`.
///
/// # Errors
/// The name does not end in `.wav`.
pub fn path(wav: &Path) -> Result<PathBuf, DataError> {
    let is_wav = wav.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav"));
    if is_wav {
        return Ok(wav.with_extension("tsv"));
    }
    let wrong =
        format!("{}: a stream is written as WAV; name a file ending in .wav", wav.display());
    Err(DataError::BadOption(wrong))
}

/// Writes a label track: a header line, then one line a label.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, labels: &[Label]) -> Result<(), DataError> {
    let mut text = format!("{HEADER}\n");
    for Label { start_seconds, end_seconds, label } in labels {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{start_seconds:.3}\t{end_seconds:.3}\t{label}");
    }
    files::write(path, text.as_bytes())
}

/// Reads a label track, with or without the header line.
///
/// # Errors
/// The file cannot be read, or a line is not start, end and label.
pub fn read(path: &Path) -> Result<Vec<Label>, DataError> {
    let text = fs::read_to_string(path).map_err(|error| DataError::unreadable(path, &error))?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && *line != HEADER);
    lines
        .map(|(index, line)| {
            parse_label(line).ok_or_else(|| {
                DataError::BadOption(format!(
                    "{}: line {} is not start, end (seconds) and label with tabs between",
                    path.display(),
                    index + 1
                ))
            })
        })
        .collect()
}

fn parse_label(line: &str) -> Option<Label> {
    let mut columns = line.split('\t');
    let mut seconds = || columns.next()?.trim().parse::<f64>().ok();
    let (start_seconds, end_seconds) = (seconds()?, seconds()?);
    let label = columns.next()?.trim().to_owned();
    let in_order = 0.0 <= start_seconds && start_seconds <= end_seconds;
    (in_order && !label.is_empty()).then_some(Label { start_seconds, end_seconds, label })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_tracks_survive_the_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(&dir.path().join("test.wav")).unwrap();
        assert_eq!(path, dir.path().join("test.tsv"));
        let label = |start_seconds, label: &str| {
            let (end_seconds, label) = (start_seconds + 0.5, label.to_owned());
            Label { start_seconds, end_seconds, label }
        };
        let labels = vec![label(0.25, "lights on"), label(3600.125, "_unknown_")];
        write(&path, &labels).unwrap();
        assert_eq!(read(&path).unwrap(), labels);
        fs::write(&path, "0.25\t0.75\tlights on\r\n\n").unwrap();
        assert_eq!(read(&path).unwrap(), labels[..1]);
    }

    #[test]
    fn what_is_no_label_track_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(path(&dir.path().join("test.mp3")).is_err());
        let path = dir.path().join("test.tsv");
        assert!(read(&path).is_err());
        for wrong in ["3\tx\tup", "3\t2\tup", "1\t2", "1\t2\t", "-1\t2\tup", "NaN\t2\tup"] {
            fs::write(&path, format!("1\t2\tup\n{wrong}\n")).unwrap();
            assert!(read(&path).unwrap_err().to_string().contains("line 2"), "{wrong}");
        }
    }
}
