//! Downloads by the system's `curl`.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::FetchError;

/// How often a connection that broke is taken up again without a byte more.
const TRIES: u32 = 3;
/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(100);

// Exit statuses of curl, from its manual.
const NO_HOST: [i32; 4] = [5, 6, 7, 28];
const BAD_RANGE: i32 = 33;
const HTTP_ERROR: i32 = 22;
const NOT_WRITTEN: i32 = 23;
const BROKEN: [i32; 7] = [18, 28, 35, 52, 55, 56, 92];

/// Downloads `url` into `part`, and goes on behind what is there already.
pub(super) fn download(
    url: &str,
    part: &Path,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), FetchError> {
    let mut tries = 0;
    loop {
        let before = size(part);
        let Outcome { status, message, total, http } = attempt(url, part, progress)?;
        let now = size(part);
        if status == 0 {
            progress(now, Some(now));
            return Ok(());
        }
        // Nothing is left to send: all is there.
        if http == Some(416) && before > 0 && total.is_none_or(|total| total == before) {
            return Ok(());
        }
        if status == NOT_WRITTEN {
            let what = format!(
                "cannot be written ({message}); is the disk full? The same command goes on from what has come"
            );
            return Err(FetchError::io(part)(io::Error::other(what)));
        }
        let restart = (status == BAD_RANGE || http == Some(416)) && before > 0;
        if restart {
            fs::remove_file(part).map_err(FetchError::io(part))?;
        } else if status == HTTP_ERROR {
            return Err(FetchError::Refused { url: url.to_owned(), reason: message });
        }
        tries = if now > before { 0 } else { tries + 1 };
        let goes_on = restart || BROKEN.contains(&status);
        if NO_HOST.contains(&status) && now == before || !goes_on || tries >= TRIES {
            let (url, part) = (url.to_owned(), part.to_path_buf());
            return Err(FetchError::Offline { url, reason: message, part });
        }
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// What a run of curl came to.
struct Outcome {
    status: i32,
    /// Its message, without its name before it.
    message: String,
    /// Size of the whole file, if the server told.
    total: Option<u64>,
    /// Status of the answer.
    http: Option<u16>,
}

fn attempt(
    url: &str,
    part: &Path,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Outcome, FetchError> {
    let headers = tempfile::NamedTempFile::new().map_err(FetchError::io(part))?;
    let mut command = Command::new("curl");
    command.args(["--fail", "--location", "--silent", "--show-error", "--globoff"]);
    command.args(["--proto", "=http,https", "--connect-timeout", "20"]);
    // A connection that gives nothing for so long counts as broken.
    command.args(["--speed-limit", "1", "--speed-time", "60", "--continue-at", "-"]);
    command.arg("--dump-header").arg(headers.path()).arg("--output").arg(part).arg("--").arg(url);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => FetchError::NoProgram("curl"),
        _ => FetchError::io(Path::new("curl"))(error),
    })?;
    let before = size(part);
    let read_headers = || Headers::read(&fs::read_to_string(headers.path()).unwrap_or_default());
    let status = loop {
        if let Some(status) = child.try_wait().map_err(FetchError::io(part))? {
            break status;
        }
        progress(size(part), read_headers().total(before));
        std::thread::sleep(LOOK);
    };
    let mut message = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        // What it says is for the message alone.
        let _ = stderr.read_to_string(&mut message);
    }
    let last = message.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("curl failed");
    let message = last.split_once(") ").map_or(last, |(_, text)| text).trim().to_owned();
    let found = read_headers();
    let status = status.code().unwrap_or(-1);
    Ok(Outcome { status, message, total: found.total(before), http: found.status })
}

/// What the headers of the last answer say.
#[derive(Debug, Default, PartialEq)]
struct Headers {
    status: Option<u16>,
    length: Option<u64>,
    /// Total size in a `Content-Range`.
    range_of: Option<u64>,
}

impl Headers {
    /// Answers before the last one are those that lead elsewhere.
    fn read(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            if line.starts_with("HTTP/") {
                let status = line.split_whitespace().nth(1).and_then(|code| code.parse().ok());
                found = Self { status, ..Self::default() };
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            match name.trim().to_ascii_lowercase().as_str() {
                "content-length" => found.length = value.trim().parse().ok(),
                "content-range" => {
                    found.range_of = value.rsplit('/').next().and_then(|of| of.trim().parse().ok());
                }
                _ => {}
            }
        }
        found
    }

    /// Size of the whole file if `before` bytes of it were there.
    fn total(&self, before: u64) -> Option<u64> {
        match self.status {
            Some(206) => self.range_of.or(self.length.map(|length| length + before)),
            Some(200) => self.length,
            Some(416) => self.range_of,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_counts() {
        let text = "HTTP/1.1 302 Found\r\nContent-Length: 5\r\nLocation: x\r\n\r\nHTTP/2 206\r\ncontent-length: 90\r\nContent-Range: bytes 10-99/100\r\n\r\n";
        let headers = Headers::read(text);
        assert_eq!((headers.status, headers.total(10)), (Some(206), Some(100)));
        assert_eq!(Headers::read("HTTP/1.1 200 OK\nContent-Length: 7\n").total(3), Some(7));
        assert_eq!(Headers::read("HTTP/1.1 206 Partial\nContent-Length: 7\n").total(3), Some(10));
        assert_eq!(Headers::read("").total(3), None);
    }
}
