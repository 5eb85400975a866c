//! An HTTP/1.1 client of a few lines, for posting hand-made requests to a peer.
//!
//! It stands outside of the pipeline on purpose: one connection a request, nothing retried,
//! nothing decompressed, the answer as it came.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The answer to one request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers in the order received, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, with chunked transfer coding removed.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name (give it in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

/// Posts `body` with these headers besides `Host`, `Content-Length` and `Connection: close`.
///
/// # Errors
///
/// When the connection fails, 30 s pass without a byte, or the answer is not HTTP.
pub fn post(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    request("POST", address, path, headers, body)
}

/// Gets `path`.
///
/// # Errors
///
/// As [`post`].
pub fn get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    request("GET", address, path, &[], &[])
}

/// Sends one request of any method and reads the answer to its end.
///
/// # Errors
///
/// As [`post`].
pub fn request(
    method: &str,
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = vec![
        format!("{method} {path} HTTP/1.1"),
        format!("Host: {address}"),
        format!("Content-Length: {}", body.len()),
        "Connection: close".to_owned(),
    ];
    head.extend(
        headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    let head = head.join("\r\n") + "\r\n\r\n";
    // A server may answer and close before it has read everything (413): the answer counts.
    let sent = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body));
    let mut answer = Vec::new();
    let received = stream.read_to_end(&mut answer);
    if let Some(answer) = parse(&answer) {
        return Ok(answer);
    }
    sent?;
    received?;
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "the answer is not HTTP/1.1",
    ))
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = find(answer, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let raw = &answer[end + 4..];
    let header = |wanted: &str| {
        headers
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, v)| &**v)
    };
    let body = if header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        dechunk(raw)?
    } else if let Some(length) = header("content-length") {
        raw.get(..length.parse().ok()?)?.to_vec()
    } else {
        raw.to_vec()
    };
    Some(Answer {
        status,
        headers,
        body,
    })
}

fn dechunk(mut raw: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = find(raw, b"\r\n")?;
        let size = std::str::from_utf8(&raw[..end])
            .ok()?
            .split(';')
            .next()?
            .trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(raw.get(end + 2..end + 2 + size)?);
        raw = raw.get(end + 2 + size + 2..)?;
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_its_length() {
        let answer =
            parse(b"HTTP/1.1 429 Slow Down\r\nRetry-After: 2\r\nContent-Length: 2\r\n\r\nabc");
        let answer = answer.expect("it is HTTP");
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (429, Some("2"))
        );
        assert_eq!(answer.body, b"ab");
    }

    #[test]
    fn a_chunked_answer_is_put_together() {
        let answer = parse(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n",
        );
        assert_eq!(answer.expect("it is HTTP").body, b"abcde");
    }

    #[test]
    fn a_cut_answer_is_no_answer() {
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc").is_none());
        assert!(parse(b"HTTP/1.1 200").is_none());
    }
}
