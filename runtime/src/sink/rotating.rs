//! A file of lines that never grows without bound.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tracing::{info, warn};

/// Older files that are kept beside the newest one, as `NAME.1` (the newest of them) and so on.
const KEPT: u32 = 4;

/// Takes whole lines, one a call of [`Write::write`], and begins a new file where the old one is full.
///
/// A disk that is full does not end the stream: the lines are dropped, which is told once, and written again as
/// soon as there is room.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    most_bytes: u64,
    file: Option<File>,
    bytes: u64,
    /// Lines dropped since the last one that was written.
    dropped: u64,
}

impl RotatingFile {
    /// Appends to the file at `path`, of at most `most_bytes` bytes.
    ///
    /// # Errors
    /// The file cannot be opened for writing.
    pub fn open(path: &Path, most_bytes: u64) -> io::Result<Self> {
        let mut file =
            Self { path: path.to_path_buf(), most_bytes, file: None, bytes: 0, dropped: 0 };
        file.reopen()?;
        Ok(file)
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        self.bytes = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    /// Makes room for a new file. One that somebody has moved or removed leaves the older ones where they are.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        if self.path.try_exists()? {
            for number in (1..KEPT).rev() {
                rename(&self.numbered(number), &self.numbered(number + 1))?;
            }
            rename(&self.path, &self.numbered(1))?;
        }
        self.bytes = 0;
        Ok(())
    }

    fn try_write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + line.len() as u64 > self.most_bytes {
            self.rotate()?;
        }
        if self.file.is_none() {
            self.reopen()?;
        }
        let before = self.bytes;
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = file.write_all(line);
        match written {
            Ok(()) => self.bytes += line.len() as u64,
            Err(_) => {
                // Half a line may be there: no other one is appended to it.
                let _ = file.set_len(before);
                self.file = None;
            }
        }
        written
    }
}

/// Renames a file, if it is there.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.try_write(line) {
            Ok(()) if self.dropped > 0 => {
                info!(
                    "{}: can be written again; {} lines are missing",
                    self.path.display(),
                    self.dropped
                );
                self.dropped = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if self.dropped == 0 {
                    warn!("{}: cannot be written: {error}; detections go on", self.path.display());
                }
                self.dropped += 1;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_lines_go_and_the_newest_stay_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut file = RotatingFile::open(&path, 100).unwrap();
        for line in 0..1000 {
            file.write_all(format!("line {line:04}\n").as_bytes()).unwrap();
        }
        let mut text = String::new();
        for number in (1..=KEPT).rev() {
            text += &fs::read_to_string(file.numbered(number)).unwrap();
        }
        text += &fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let expected: Vec<String> =
            (1000 - lines.len()..1000).map(|line| format!("line {line:04}")).collect();
        assert_eq!(lines, expected);
        assert_eq!(lines.len(), 50);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
        let mut file = RotatingFile::open(&path, 100).unwrap();
        file.write_all(b"more\n").unwrap();
        assert!(fs::metadata(&path).unwrap().len() <= 100);
    }

    #[test]
    fn a_log_that_was_moved_or_removed_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut file = RotatingFile::open(&path, 100).unwrap();
        let mut write = |lines: usize| {
            (0..lines).for_each(|_| file.write_all(b"line 0000\n").unwrap());
            file.dropped
        };
        write(15);
        let older = path.with_extension("jsonl.1");
        fs::write(&older, "an older one").unwrap();
        fs::remove_file(&path).unwrap();
        // Those that fill the file that is gone, and more.
        assert_eq!(write(5 + 3), 0);
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 0000\n".repeat(3));
        assert_eq!(fs::read_to_string(&older).unwrap(), "an older one");
        fs::rename(&path, folder.path().join("moved")).unwrap();
        assert_eq!(write(7 + 2), 0);
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 0000\n".repeat(2));
        assert_eq!(fs::read_to_string(&older).unwrap(), "an older one");
    }

    #[test]
    fn what_cannot_be_opened_is_an_error_and_what_cannot_be_written_later_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(RotatingFile::open(&folder.path().join("no/such/folder"), 100).is_err());
        // `/dev/full` is a disk without room.
        let mut file = RotatingFile::open(Path::new("/dev/full"), 1 << 30).unwrap();
        for _ in 0..3 {
            file.write_all(b"line\n").unwrap();
        }
        assert_eq!(file.dropped, 3);
        file.path = folder.path().join("log");
        file.write_all(b"line\n").unwrap();
        assert_eq!(file.dropped, 0);
    }
}
