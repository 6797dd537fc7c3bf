//! Writing files and folders so that they appear complete or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::DataError;

/// The folder that `path` lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The error for a path that could not be written.
pub(crate) fn unwritable(path: &Path) -> impl Fn(io::Error) -> DataError {
    move |error| DataError::unwritable(path, &error)
}

/// Writes a file under a temporary name beside it, then renames it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let written = || -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(".part");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // As any other new file, not private as temporary ones are.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.tempfile_in(parent(path))?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    };
    written().map_err(unwritable(path))
}

/// Refuses a path for a new folder where there is a file or a folder with something in it.
pub(crate) fn check_new_folder(path: &Path) -> Result<(), DataError> {
    let is_occupied = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => true,
        Err(error) => return Err(unwritable(path)(error)),
    };
    if is_occupied {
        return Err(DataError::Occupied { path: path.to_path_buf() });
    }
    Ok(())
}

/// Has `fill` fill a temporary folder beside `path`, then renames it to `path`, where there is
/// nothing yet or an empty folder.
pub(crate) fn new_folder(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), DataError>,
) -> Result<(), DataError> {
    check_new_folder(path)?;
    fs::create_dir_all(parent(path)).map_err(unwritable(path))?;
    // The temporary folder is private; the one inside it has the usual permissions.
    let temporary = tempfile::Builder::new()
        .prefix(".")
        .suffix(".part")
        .tempdir_in(parent(path))
        .map_err(unwritable(path))?;
    let filled = temporary.path().join("filled");
    fs::create_dir(&filled).map_err(unwritable(path))?;
    fill(&filled)?;
    if path.exists() {
        fs::remove_dir(path).map_err(unwritable(path))?;
    }
    fs::rename(&filled, path).map_err(unwritable(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_appear_complete_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/new");
        let failed = new_folder(&path, |_| Err(DataError::Synth("no".to_owned())));
        assert!(failed.is_err() && !path.exists());
        assert_eq!(fs::read_dir(parent(&path)).unwrap().count(), 0);
        fs::create_dir(&path).unwrap();
        new_folder(&path, |folder| write(&folder.join("a"), b"text")).unwrap();
        assert_eq!(fs::read(path.join("a")).unwrap(), b"text");
        let again = new_folder(&path, |_| Ok(()));
        assert!(matches!(again, Err(DataError::Occupied { .. })));
        let lost = write(&dir.path().join("none/a"), b"").unwrap_err().to_string();
        assert!(lost.contains("none/a: cannot be written: No such file"), "{lost}");
        assert!(lost.ends_with("; check the path"), "{lost}");
        let file = check_new_folder(&path.join("a"));
        assert!(matches!(file, Err(DataError::Occupied { .. })));
    }
}
