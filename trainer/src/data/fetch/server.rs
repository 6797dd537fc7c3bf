//! An HTTP server on the loopback interface, for tests.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// How the server answers a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// What was asked for, from where it was asked for.
    Rest,
    /// The same, but the connection breaks after so many bytes.
    Cut(usize),
    /// All of it, whatever range was asked for.
    Whole,
    /// An error page.
    NotFound,
}

/// Answers one connection after the other, each as told, and then no more.
pub(super) struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<Option<u64>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn new(bytes: &[u8], answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (bytes, answers, log) = (bytes.to_vec(), answers.to_vec(), Arc::clone(&asked));
        let thread = std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                if let Some(from) = respond(stream, &bytes, answer) {
                    log.lock().unwrap().push(from);
                }
            }
        });
        Self { port, asked, thread: Some(thread) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/archive", self.port)
    }

    /// An address where nobody listens.
    pub(super) fn closed_url() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://127.0.0.1:{}/archive", listener.local_addr().unwrap().port())
    }

    /// Where each request's range began.
    pub(super) fn asked(&self) -> Vec<Option<u64>> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Answers that nobody asked for: the thread gets an end to wait for.
        while let Some(thread) = self.thread.take_if(|thread| !thread.is_finished()) {
            let _ = TcpStream::connect(("127.0.0.1", self.port));
            std::thread::sleep(std::time::Duration::from_millis(5));
            self.thread = Some(thread);
        }
    }
}

fn respond(mut stream: TcpStream, bytes: &[u8], answer: Answer) -> Option<Option<u64>> {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut from = None;
    let mut any = false;
    while let Some(Ok(line)) = lines.next() {
        any = true;
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse::<u64>().ok();
        }
    }
    any.then_some(())?;
    let start = match answer {
        Answer::Whole => 0,
        _ => from.unwrap_or(0) as usize,
    };
    let total = bytes.len();
    // Whoever asked may have gone.
    let _ = match answer {
        Answer::NotFound => stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnone",
        ),
        _ if start >= total => {
            let head = format!(
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{total}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes())
        }
        _ => {
            let body = &bytes[start..];
            let range = format!("Content-Range: bytes {start}-{}/{total}\r\n", total - 1);
            let (status, range) =
                if start > 0 { ("206 Partial Content", range) } else { ("200 OK", String::new()) };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\n{range}Content-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            let sent = match answer {
                Answer::Cut(count) => &body[..count.min(length)],
                _ => body,
            };
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(sent))
        }
    };
    Some(from)
}
