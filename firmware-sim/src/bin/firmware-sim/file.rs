//! Files in and out, with one line where that fails.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Error, Result, anyhow, bail};
use models::q8::Model;
use tempfile::NamedTempFile;

/// No file that is read whole is larger.
const MOST_BYTES: u64 = 1 << 30;

/// What is advised where there is no model.
pub(crate) const MODEL: &str = "name a model (.q8) that `trainer export` has written";

/// The bytes of a file; `advice` is what to do where there is none.
pub(crate) fn read(path: &Path, advice: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > MOST_BYTES => bail!("{}: is too large", path.display()),
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("{}: no such file; {advice}", path.display())
        }
        Err(error) => bail!("{}: cannot be read: {error}", path.display()),
    }
}

/// The model in these bytes of a file.
pub(crate) fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<Model<'a>> {
    Model::parse(bytes).map_err(|error| anyhow!("{}: {error}", path.display()))
}

/// A file under construction, beside its place.
pub(crate) fn create(path: &Path) -> Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder.unwrap_or(Path::new(".")));
    file.map_err(|error| unwritable(path, &error))
}

/// Puts a finished file into its place.
pub(crate) fn publish(file: NamedTempFile, path: &Path) -> Result<()> {
    file.persist(path).map_err(|error| unwritable(path, &error.error))?;
    Ok(())
}

/// Writes a whole file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = create(path)?;
    file.write_all(bytes).map_err(|error| unwritable(path, &error))?;
    publish(file, path)
}

/// The error of a file that cannot be written.
pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Error {
    anyhow!("{}: cannot be written: {error}", path.display())
}
