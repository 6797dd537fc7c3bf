//! Metrics for Prometheus, on this computer alone.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Longest request read; a scrape has some hundred bytes.
const LONGEST_REQUEST: usize = 8192;
/// How long a client may take for its request, or for reading the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Answers `GET /metrics` on the loopback address with the text set last.
#[derive(Debug)]
pub struct MetricsServer {
    text: Arc<Mutex<String>>,
    address: SocketAddr,
}

impl MetricsServer {
    /// Listens on a port, or on any that is free for 0, until the process ends.
    ///
    /// # Errors
    /// The port is taken, or no thread can be started.
    pub fn start(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let text = Arc::new(Mutex::new(String::new()));
        let theirs = Arc::clone(&text);
        let serve = move || {
            // One client at a time: there is one, and each has little time.
            for client in listener.incoming().flatten() {
                let text = theirs.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let _ = answer(client, &text);
            }
        };
        thread::Builder::new().name("metrics".to_owned()).spawn(serve)?;
        Ok(Self { text, address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it answers from now on.
    pub fn set(&self, text: String) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

fn answer(mut client: TcpStream, text: &str) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let (status, body) = match path(&mut client)?.as_deref() {
        Some("/metrics") => ("200 OK", text),
        Some(_) => ("404 Not Found", "there is only /metrics\n"),
        None => ("400 Bad Request", "only GET is answered\n"),
    };
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The path of a `GET` request; `None` for any other.
fn path(client: &mut TcpStream) -> io::Result<Option<String>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 1024]);
    loop {
        let count = client.read(&mut piece)?;
        bytes.extend_from_slice(&piece[..count]);
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&bytes) {
            Ok(httparse::Status::Complete(_)) if request.method == Some("GET") => {
                return Ok(request.path.map(str::to_owned));
            }
            Ok(httparse::Status::Partial) if count > 0 && bytes.len() < LONGEST_REQUEST => {}
            _ => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(server: &MetricsServer, request: &str) -> String {
        let mut client = TcpStream::connect(server.address()).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn metrics_are_answered_and_nothing_else() {
        let server = MetricsServer::start(0).unwrap();
        server.set("auricle_windows_total 7\n".to_owned());
        let answer = ask(&server, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nauricle_windows_total 7\n"), "{answer}");
        assert!(ask(&server, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        for bad in ["", "POST /metrics HTTP/1.1\r\n\r\n", "nonsense\r\n\r\n", "GET /metrics"] {
            assert!(ask(&server, bad).starts_with("HTTP/1.1 400 "), "{bad}");
        }
        assert!(server.address().ip().is_loopback());
        assert!(MetricsServer::start(server.address().port()).is_err());
    }
}
