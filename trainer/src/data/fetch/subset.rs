//! A published part of a data set, without the rest.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::FetchError;

/// Keeps, in a folder in the layout of ESC-50, the rows of its table `table` that say `True` in the column `column`, and
/// of `audio/` the recordings of these rows. Returns how many rows these are.
///
/// `archive` is where the folder came from, for messages.
pub(super) fn keep(
    archive: &Path,
    folder: &Path,
    table: &str,
    column: &str,
) -> Result<u64, FetchError> {
    let path = folder.join(table);
    let text = fs::read_to_string(&path).map_err(FetchError::io(&path))?;
    let wrong = |what: String| FetchError::Archive {
        path: archive.to_path_buf(),
        reason: format!("its {table} {what}; delete it and try again"),
    };
    let header = text.lines().next().unwrap_or_default();
    let place = |name: &str| {
        let place = header.split(',').position(|field| field.trim() == name);
        place.ok_or_else(|| wrong(format!("has no column `{name}`")))
    };
    let (file, chosen) = (place("filename")?, place(column)?);
    let rows = text.lines().skip(1).filter(|row| field(row, chosen) == "True");
    let rows: Vec<&str> = rows.collect();
    if rows.is_empty() {
        return Err(wrong(format!("has no row with True for `{column}`")));
    }
    let kept: BTreeSet<&str> = rows.iter().map(|row| field(row, file)).collect();
    let audio = folder.join("audio");
    for entry in fs::read_dir(&audio).map_err(FetchError::io(&audio))? {
        let entry = entry.map_err(FetchError::io(&audio))?;
        if !kept.contains(&*entry.file_name().to_string_lossy()) && entry.path().is_file() {
            fs::remove_file(entry.path()).map_err(FetchError::io(&entry.path()))?;
        }
    }
    let lines: Vec<&str> = std::iter::once(header).chain(rows.iter().copied()).collect();
    fs::write(&path, lines.join("\n") + "\n").map_err(FetchError::io(&path))?;
    Ok(rows.len() as u64)
}

/// A field of a row; the table has no quotes.
fn field(row: &str, place: usize) -> &str {
    row.split(',').nth(place).map_or("", str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{esc50, loaded, options};

    const TABLE: &str = "meta/esc50.csv";

    #[test]
    fn only_what_the_column_says_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        // Every other category is in ESC-10.
        esc50(dir.path(), &["dog", "pig", "rain"], 5, 8);
        fs::write(dir.path().join("audio/unlisted.wav"), "x").unwrap();
        assert_eq!(loaded(&options(dir.path())).labels, ["dog", "pig", "rain"]);
        assert_eq!(keep(Path::new("a"), dir.path(), TABLE, "esc10").unwrap(), 80);
        let data = loaded(&options(dir.path()));
        assert_eq!(data.labels, ["dog", "rain"]);
        assert_eq!(data.folds, 5);
        assert!(data.left_out.is_empty());
        assert_eq!(fs::read_dir(dir.path().join("audio")).unwrap().count(), 80);
        let table = fs::read_to_string(dir.path().join(TABLE)).unwrap();
        assert!(table.starts_with("filename,fold,") && !table.contains("False"), "{table}");
    }

    #[test]
    fn tables_without_the_column_are_told() {
        let dir = tempfile::tempdir().unwrap();
        esc50(dir.path(), &["dog", "pig"], 1, 2);
        let failure = |text: &str| {
            fs::write(dir.path().join(TABLE), text).unwrap();
            keep(Path::new("a.download"), dir.path(), TABLE, "esc10").unwrap_err().to_string()
        };
        assert!(
            failure("filename,fold\na.wav,1\n")
                .contains("a.download: its meta/esc50.csv has no column `esc10`")
        );
        assert!(failure("").contains("no column `filename`"));
        assert!(failure("filename,esc10\na.wav,False\n").contains("no row with True"));
        assert_eq!(
            fs::read_dir(dir.path().join("audio")).unwrap().count(),
            4,
            "nothing is removed"
        );
    }
}
