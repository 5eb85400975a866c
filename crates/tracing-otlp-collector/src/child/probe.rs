//! Whether the collector answers.
//!
//! A few lines of HTTP by hand, on the supervisor's thread: an HTTP client would bring a runtime,
//! and would have something to log.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Whether somebody accepts connections there.
pub(super) fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, PATIENCE).is_ok()
}

/// The status of the answer to `GET /`, if there is one.
pub(super) fn get(address: SocketAddr) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    // "HTTP/1.1 200": twelve bytes say it all.
    let mut start = [0; 12];
    stream.read_exact(&mut start).ok()?;
    let text = std::str::from_utf8(&start).ok()?;
    text.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()
}

/// Loopback answers at once, or the machine is very busy.
const PATIENCE: Duration = Duration::from_secs(2);
