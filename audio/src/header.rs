//! Small reads that the header parsers share.

use std::io::{self, Read};

/// Any stream of bytes that a decoder may own and carry to another thread.
pub(crate) type ByteStream = Box<dyn Read + Send + Sync>;

/// Why a header could not be used.
#[derive(Debug)]
pub(crate) enum HeaderError {
    /// The bytes ended, or could not be read.
    Io(io::Error),
    /// No header of a known container.
    NotAudio,
    /// The header contradicts its format.
    Corrupt(String),
    /// The header describes something that cannot be decoded.
    Unsupported(String),
}

impl From<io::Error> for HeaderError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads exactly `N` bytes.
pub(crate) fn take_bytes<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads and drops `count` bytes, in constant memory.
///
/// # Errors
///
/// `UnexpectedEof` where fewer are left.
pub(crate) fn skip_bytes(reader: &mut impl Read, count: u64) -> io::Result<()> {
    let skipped = io::copy(&mut reader.take(count), &mut io::sink())?;
    if skipped < count { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
