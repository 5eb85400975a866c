//! An upstream that does as it is told, over plain sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the upstream does with a request.
#[allow(dead_code, reason = "each suite uses its part")]
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answers with status line, headers and body.
    Say(u16, &'static [(&'static str, &'static str)], Vec<u8>),
    /// Never answers.
    Hang,
    /// Closes the connection instead of answering.
    HangUp,
    /// Hands every byte on to somebody else, and back.
    Pass(SocketAddr),
}

/// It lives until the process ends.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    act: Arc<Mutex<Act>>,
    heads: Arc<Mutex<Vec<String>>>,
    passed: Arc<Mutex<Vec<TcpStream>>>,
}

impl Scripted {
    pub(crate) fn start(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let this = Self {
            address,
            act: Arc::new(Mutex::new(act)),
            heads: Arc::default(),
            passed: Arc::default(),
        };
        let (act, heads) = (Arc::clone(&this.act), Arc::clone(&this.heads));
        let passed = Arc::clone(&this.passed);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (act, heads) = (Arc::clone(&act), Arc::clone(&heads));
                let stream = stream.unwrap();
                let now = act.lock().unwrap();
                if matches!(*now, Act::Pass(_)) {
                    passed.lock().unwrap().push(stream.try_clone().unwrap());
                }
                drop(now);
                // A peer that leaves is its own affair.
                thread::spawn(move || serve(stream, &act, &heads));
            }
        });
        this
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it does from now on; connections from before are cut.
    pub(crate) fn then(&self, act: Act) {
        let mut now = self.act.lock().unwrap();
        *now = act;
        for stream in self.passed.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    #[allow(dead_code, reason = "each suite uses its part")]
    /// Request lines and headers, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// One request a connection: what is told next holds for the next request.
fn serve(stream: TcpStream, act: &Mutex<Act>, heads: &Mutex<Vec<String>>) -> Option<()> {
    let now = act.lock().unwrap().clone();
    if let Act::Pass(to) = now {
        return pass(stream, to);
    }
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    heads.lock().unwrap().push(head);
    match now {
        Act::Say(status, headers, body) => {
            let headers = headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}\r\n"));
            let headers: String = headers.collect();
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} said\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
            );
            (&stream).write_all(answer.as_bytes()).ok()?;
            (&stream).write_all(&body).ok()
        }
        Act::Hang => {
            // Until the other side has had enough.
            let _ = reader.read(&mut [0]);
            None
        }
        Act::HangUp | Act::Pass(_) => None,
    }
}

fn pass(stream: TcpStream, to: SocketAddr) -> Option<()> {
    let other = TcpStream::connect(to).ok()?;
    let (mut from, mut into) = (stream.try_clone().ok()?, other.try_clone().ok()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut into);
        let _ = into.shutdown(std::net::Shutdown::Write);
    });
    let (mut from, mut into) = (other, stream);
    let _ = std::io::copy(&mut from, &mut into);
    let _ = into.shutdown(std::net::Shutdown::Both);
    None
}
