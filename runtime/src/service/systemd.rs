//! Signs of life for systemd: `sd_notify(3)` is a datagram to the socket that `NOTIFY_SOCKET` names.

use std::time::Duration;

/// The service manager, if it waits for signs of life.
#[derive(Debug)]
pub struct Systemd {
    #[cfg(target_os = "linux")]
    socket: Option<std::os::unix::net::UnixDatagram>,
}

#[cfg(target_os = "linux")]
impl Systemd {
    /// The service manager that the environment names. Without one, nothing is told to nobody.
    #[must_use]
    pub fn from_environment() -> Self {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::ffi::OsStrExt as _;
        use std::os::unix::net::{SocketAddr, UnixDatagram};

        let connect = || {
            let name = std::env::var_os("NOTIFY_SOCKET")?;
            let address = match name.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok()?,
                _ => SocketAddr::from_pathname(&name).ok()?,
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.connect_addr(&address).ok()?;
            socket.set_nonblocking(true).ok()?;
            Some(socket)
        };
        Self { socket: connect() }
    }

    /// Tells something, for example `READY=1`. A manager that does not listen is not waited for.
    pub fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(state.as_bytes());
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Systemd {
    /// No systemd here.
    #[must_use]
    pub const fn from_environment() -> Self {
        Self {}
    }

    /// Tells nobody.
    pub const fn tell(&self, state: &str) {
        let _ = state;
    }
}

/// How often something is told: often enough for a watchdog of a few seconds.
pub const PULSE: Duration = Duration::from_secs(1);
