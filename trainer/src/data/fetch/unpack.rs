//! Archives into a folder, without trusting them.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::FetchError;

/// Most bytes that an archive may unpack to.
const LIMIT_BYTES: u64 = 16 << 30;
/// Most files that an archive may hold.
const LIMIT_FILES: u64 = 1 << 20;

/// Unpacks the compressed tape archive `archive` into `folder`, without the folder around everything if it is
/// `wrapped`. Files outside of the folder, links and devices are errors.
pub(super) fn unpack(
    archive: &Path,
    wrapped: bool,
    folder: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(), FetchError> {
    let file = File::open(archive).map_err(FetchError::io(archive))?;
    let mut command = Command::new("gzip");
    command.args(["--decompress", "--stdout"]).stdin(file);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => FetchError::NoProgram("gzip"),
        _ => FetchError::io(Path::new("gzip"))(error),
    })?;
    let mut gzip = Gzip(child);
    let Some(mut stream) = gzip.0.stdout.take() else {
        return Err(wrong(archive, "gzip gives nothing"));
    };
    let mut sink = Sink { archive, wrapped, folder, files: 0, bytes: 0, progress };
    let unpacked = sink.tar(&mut stream);
    if unpacked.is_ok() {
        // Behind the end of the archive may be padding; only at its own end gzip tells what it found.
        io::copy(&mut stream, &mut io::sink()).map_err(FetchError::io(archive))?;
    }
    drop(stream);
    let status = gzip.0.wait().map_err(FetchError::io(archive))?;
    match unpacked {
        Ok(()) if !status.success() => {
            Err(wrong(archive, "is damaged (gzip finds a wrong checksum)"))
        }
        other => other,
    }
}

/// Ends with what it is for.
struct Gzip(Child);

impl Drop for Gzip {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Sink<'a> {
    archive: &'a Path,
    wrapped: bool,
    folder: &'a Path,
    files: u64,
    bytes: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl Sink<'_> {
    fn tar(&mut self, file: &mut impl Read) -> Result<(), FetchError> {
        let archive = self.archive;
        let broken = |error: io::Error| wrong(archive, &format!("is damaged ({error})"));
        let mut tar = tar::Archive::new(file);
        for entry in tar.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let name = entry.path().map_err(broken)?.into_owned();
            match entry.header().entry_type() {
                tar::EntryType::Directory | tar::EntryType::XGlobalHeader => {}
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    self.write(&name, &mut entry)?;
                }
                _ => return Err(wrong(archive, &format!("`{}` is no file", name.display()))),
            }
        }
        match self.files {
            0 => Err(wrong(archive, "is no archive, or an empty one")),
            _ => Ok(()),
        }
    }

    fn write(&mut self, name: &Path, content: &mut impl Read) -> Result<(), FetchError> {
        let mut inner = check(self.archive, name)?;
        if self.wrapped && inner.components().count() > 1 {
            inner = inner.components().skip(1).collect();
        }
        let path = self.folder.join(inner);
        let parent = path.parent().unwrap_or(self.folder);
        fs::create_dir_all(parent).map_err(FetchError::io(parent))?;
        let mut file = File::create_new(&path).map_err(FetchError::io(&path))?;
        let room = LIMIT_BYTES - self.bytes;
        let copied = io::copy(&mut content.take(room + 1), &mut file);
        // Both sides of the copy can fail.
        self.bytes += copied.map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull => FetchError::io(&path)(error),
            _ => wrong(self.archive, &format!("is damaged at `{}` ({error})", name.display())),
        })?;
        self.files += 1;
        if self.bytes > LIMIT_BYTES || self.files > LIMIT_FILES {
            return Err(wrong(self.archive, "unpacks to more than any data set known here"));
        }
        (self.progress)(self.files);
        Ok(())
    }
}

/// The path of a file below a folder, if it is one.
fn check(archive: &Path, name: &Path) -> Result<PathBuf, FetchError> {
    let mut path = PathBuf::new();
    for component in name.components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return Err(outside(archive, name)),
        }
    }
    match path.as_os_str().is_empty() || name.to_string_lossy().contains('\\') {
        true => Err(outside(archive, name)),
        false => Ok(path),
    }
}

fn outside(archive: &Path, name: &Path) -> FetchError {
    wrong(archive, &format!("`{}` would lie outside of the folder", name.display()))
}

fn wrong(archive: &Path, reason: &str) -> FetchError {
    let reason = reason.replace(['\n', '\r'], " ");
    FetchError::Archive {
        path: archive.to_path_buf(),
        reason: format!("{reason}; delete it and try again"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut command = Command::new("gzip");
        command.arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut stdin, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
        let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output.stdout
    }

    /// An archive of entries with any names and types.
    fn packed(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            // Written as bytes: the library's own setter refuses paths that lead outside.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            header.set_cksum();
            tar.append(&header, *content).unwrap();
        }
        gzip(&tar.into_inner().unwrap())
    }

    /// An archive of these files.
    pub(in super::super) fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
        let regular = tar::EntryType::Regular;
        let entries = files.iter().map(|(name, content)| (*name, regular, *content));
        packed(&entries.collect::<Vec<_>>())
    }

    fn unpacked(bytes: &[u8], wrapped: bool) -> (tempfile::TempDir, Result<(), String>) {
        let dir = tempfile::tempdir().unwrap();
        let (archive, folder) = (dir.path().join("archive"), dir.path().join("folder"));
        fs::write(&archive, bytes).unwrap();
        fs::create_dir(&folder).unwrap();
        let result = unpack(&archive, wrapped, &folder, &mut |_| ());
        (dir, result.map_err(|error| error.to_string()))
    }

    #[test]
    fn files_lie_where_the_archive_says() {
        use tar::EntryType::{Directory, Regular};
        let tar = packed(&[
            ("./yes/", Directory, b""),
            ("./yes/a.wav", Regular, b"content"),
            ("list.txt", Regular, b""),
        ]);
        let (dir, result) = unpacked(&tar, false);
        result.unwrap();
        assert_eq!(fs::read(dir.path().join("folder/yes/a.wav")).unwrap(), b"content");
        assert!(dir.path().join("folder/list.txt").is_file());
        let (dir, result) = unpacked(&tar_gz(&[("top/a/b.txt", b"1"), ("top/c.txt", b"2")]), true);
        result.unwrap();
        assert_eq!(fs::read(dir.path().join("folder/a/b.txt")).unwrap(), b"1");
        assert_eq!(fs::read(dir.path().join("folder/c.txt")).unwrap(), b"2");
    }

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        use tar::EntryType::{Link, Symlink};
        for name in ["../evil", "a/../../evil", "/tmp/evil", "a\\..\\evil"] {
            for wrapped in [false, true] {
                let (dir, result) = unpacked(&tar_gz(&[(name, b"x")]), wrapped);
                assert!(result.unwrap_err().contains("outside of the folder"), "{name}");
                assert!(!dir.path().join("evil").exists());
            }
        }
        for kind in [Link, Symlink] {
            let (_, result) = unpacked(&packed(&[("a", kind, b"")]), false);
            assert!(result.unwrap_err().contains("`a` is no file"));
        }
    }

    #[test]
    fn damage_is_told() {
        let noise: Vec<u8> = (0..20_000u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        let good = tar_gz(&[("a.txt", &noise)]);
        unpacked(&good, false).1.unwrap();
        let mut damaged = good.clone();
        let last = damaged.len() - 6;
        damaged[last] ^= 0xff;
        for bytes in [&damaged[..], &good[..good.len() / 2], b"text", b""] {
            let message = unpacked(bytes, false).1.unwrap_err();
            let told = message.contains("is damaged") || message.contains("is no archive");
            assert!(told, "{message}");
        }
    }
}
