//! Public data sets, fetched from who publishes them.
//!
//! [`fetch`] works in steps, one module each: `download` gets the archive with the system's `curl` and goes on where
//! an earlier attempt stopped, its checksum is compared, `unpack` puts its files into a new folder, `subset` removes those of them
//! that belong to a larger data set only, `content` looks at the recordings where there is no checksum.
//!
//! `curl` and `gzip` are on nearly every computer. No HTTP client in Rust speaks TLS without C or assembly code.

mod content;
mod download;
#[cfg(test)]
mod server;
mod subset;
mod unpack;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::digest::hex;
use super::files;

/// A data set to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// What one may do with it.
    pub licence: &'static str,
    /// Where its publisher has it.
    pub url: &'static str,
    /// SHA-256 of the archive as hex, if there is a fixed archive.
    pub sha256: Option<&'static str>,
    /// Whether the archive has one folder around everything, which is left out.
    pub wrapped: bool,
    /// A file that is in it wherever it is complete.
    pub contains: &'static str,
    /// Where the data set is a part of what the archive holds: the column of the table `contains` that says `True` of its
    /// recordings.
    pub subset: Option<&'static str>,
    /// Where there is no fixed archive: what the recordings are like that the table `contains` names.
    pub recordings: Option<Recordings>,
}

/// What every recording of a data set is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recordings {
    /// Samples a second.
    pub rate_hz: u32,
    /// Its length, in seconds.
    pub seconds: u32,
}

/// ESC-50: every clip was cut or padded to one length.
const FIVE_SECONDS: Recordings = Recordings { rate_hz: 44_100, seconds: 5 };

/// All data sets that can be fetched.
///
/// Checksums of Speech Commands: as published with TensorFlow Datasets. ESC-50 is an archive that GitHub makes of a repository at
/// one commit. The commit settles the files in it, but not the bytes of the archive: GitHub makes it anew and does not promise the
/// same compression again. So there is no checksum to compare but the archive's own one (the CRC-32 of gzip); instead every
/// recording that the table names must be there, decode, and have the rate and length of all of them.
pub const PUBLISHED: &[Published] = &[
    Published {
        name: "speech-commands-v0.01",
        title: "Speech Commands 0.01: 30 English words (Warden 2017)",
        licence: "CC BY 4.0",
        url: "http://download.tensorflow.org/data/speech_commands_v0.01.tar.gz",
        sha256: Some("743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d"),
        wrapped: false,
        contains: "testing_list.txt",
        subset: None,
        recordings: None,
    },
    Published {
        name: "speech-commands-v0.02",
        title: "Speech Commands 0.02: 35 English words (Warden 2018)",
        licence: "CC BY 4.0",
        url: "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
        sha256: Some("af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58"),
        wrapped: false,
        contains: "testing_list.txt",
        subset: None,
        recordings: None,
    },
    Published {
        name: "esc50",
        title: "ESC-50: 50 kinds of environmental sound, ESC-10 among them (Piczak 2015)",
        licence: "CC BY-NC 3.0",
        url: "https://github.com/karolpiczak/ESC-50/archive/33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.tar.gz",
        sha256: None,
        wrapped: true,
        contains: "meta/esc50.csv",
        subset: None,
        recordings: Some(FIVE_SECONDS),
    },
    Published {
        name: "esc10",
        title: "ESC-10: 10 kinds of environmental sound, a part of ESC-50 (Piczak 2015)",
        licence: "CC BY",
        url: "https://github.com/karolpiczak/ESC-50/archive/33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.tar.gz",
        sha256: None,
        wrapped: true,
        contains: "meta/esc50.csv",
        subset: Some("esc10"),
        recordings: Some(FIVE_SECONDS),
    },
];

/// Why a data set could not be fetched. Each prints as one line.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no `curl`, or no `gzip`.
    #[error("fetching needs the program `{0}`; install it: apt-get install {0}")]
    NoProgram(&'static str),
    /// The publisher cannot be reached.
    #[error("{url}: cannot be reached ({reason}); is this computer online? What has come stays in {}, and the same command goes on from there", part.display())]
    Offline {
        /// What was asked for.
        url: String,
        /// What `curl` says.
        reason: String,
        /// What has come so far.
        part: PathBuf,
    },
    /// The publisher answered with an error.
    #[error("{url}: the server does not give it ({reason}); name another place with `--url`")]
    Refused {
        /// What was asked for.
        url: String,
        /// What `curl` says.
        reason: String,
    },
    /// The archive is not the published one.
    #[error(
        "{url}: is not the published archive ({reason}); it was deleted, try again or name another place with `--url`"
    )]
    NotPublished {
        /// What was asked for.
        url: String,
        /// What it is and should be.
        reason: String,
    },
    /// The archive cannot be unpacked.
    #[error("{}: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder cannot be made.
    #[error(transparent)]
    Folder(#[from] super::DataError),
}

impl FetchError {
    fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.to_path_buf(), source }
    }
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes have come, of so many if that is known.
    Download(u64, Option<u64>),
    /// The checksum is computed, or recordings are decoded.
    Check,
    /// So many files are unpacked.
    Unpack(u64),
    /// So many recordings belong to the data set; the others are removed.
    Keep(u64),
}

/// Fetches `published` from `url` into the new folder `out`. Until it is unpacked the archive lies beside that folder, and an
/// attempt that was broken off goes on with it.
///
/// # Errors
/// The folder exists, there is no `curl`, the server is not there or has something else, the disk is full.
pub fn fetch(
    published: &Published,
    url: &str,
    out: &Path,
    progress: &mut dyn FnMut(Step),
) -> Result<(), FetchError> {
    files::check_new_folder(out)?;
    let parent = files::parent(out);
    std::fs::create_dir_all(parent).map_err(FetchError::io(parent))?;
    let archive = parent.join(format!("{}.download", published.name));
    download::download(url, &archive, &mut |done, total| progress(Step::Download(done, total)))?;
    progress(Step::Check);
    let done = compare(published, url, &archive)
        .and_then(|()| make(published, url, &archive, out, progress));
    // A wrong archive would be gone on with.
    if matches!(done, Ok(()) | Err(FetchError::NotPublished { .. })) {
        std::fs::remove_file(&archive).map_err(FetchError::io(&archive))?;
    }
    done
}

/// Compares the archive with its checksum, if it has one.
fn compare(published: &Published, url: &str, archive: &Path) -> Result<(), FetchError> {
    let Some(wanted) = published.sha256 else { return Ok(()) };
    let found = sha256(archive)?;
    if found != wanted {
        let reason = format!("SHA-256 {found} instead of {wanted}");
        return Err(FetchError::NotPublished { url: url.to_owned(), reason });
    }
    Ok(())
}

/// Makes the folder `out` of an archive, complete or not at all.
fn make(
    published: &Published,
    url: &str,
    archive: &Path,
    out: &Path,
    progress: &mut dyn FnMut(Step),
) -> Result<(), FetchError> {
    let mut failed = None;
    let made = files::new_folder(out, |folder| {
        fill(published, url, archive, folder, progress).map_err(|error| {
            failed = Some(error);
            // Stands for the error above, which keeps its own words.
            super::DataError::BadOption(String::new())
        })
    });
    match failed {
        Some(error) => Err(error),
        None => made.map_err(Into::into),
    }
}

/// Puts what belongs to the data set into `folder`.
fn fill(
    published: &Published,
    url: &str,
    archive: &Path,
    folder: &Path,
    progress: &mut dyn FnMut(Step),
) -> Result<(), FetchError> {
    let mut count = |files| progress(Step::Unpack(files));
    unpack::unpack(archive, published.wrapped, folder, &mut count)?;
    if !folder.join(published.contains).is_file() {
        return Err(FetchError::Archive {
            path: archive.to_path_buf(),
            reason: format!("holds no {}; delete it and try again", published.contains),
        });
    }
    if let Some(column) = published.subset {
        progress(Step::Keep(subset::keep(archive, folder, published.contains, column)?));
    }
    if let Some(expected) = published.recordings {
        progress(Step::Check);
        content::check(folder, expected, url)?;
    }
    Ok(())
}

fn sha256(path: &Path) -> Result<String, FetchError> {
    let mut file = File::open(path).map_err(FetchError::io(path))?;
    let (mut sha256, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut block).map_err(FetchError::io(path))?;
        if read == 0 {
            return Ok(hex(sha256.finalize()));
        }
        sha256.update(&block[..read]);
    }
}

#[cfg(test)]
mod tests;
