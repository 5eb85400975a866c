//! A receiver that costs almost nothing while it receives, and counts afterwards.
//!
//! HTTP/1.1 only. Prints its port, answers every request at once with 200, and keeps the bodies of
//! log records.
//! On the line `count` it prints how many requests, bytes and log records came since the last
//! `count`. On the line `levels` it prints what each level of the compressors would make of them, and
//! an empty line. On the line `stall` it stops answering.

use std::io::{BufRead as _, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

mod levels;

type Bodies = Arc<Mutex<Vec<(Encoding, Vec<u8>)>>>;

static STALLED: AtomicBool = AtomicBool::new(false);

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Plain,
    Gzip,
    Zstd,
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address").port());
    let bodies = Bodies::default();
    let theirs = Arc::clone(&bodies);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let bodies = Arc::clone(&theirs);
            thread::spawn(move || {
                let _ended = serve(stream, &bodies);
            });
        }
    });
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match line.as_str() {
            "count" => {
                let bodies = std::mem::take(&mut *lock(&bodies));
                let bytes: usize = bodies.iter().map(|(_, body)| body.len()).sum();
                let records: u64 = bodies.iter().map(records_in).sum();
                println!("{} {bytes} {records}", bodies.len());
            }
            "levels" => levels::print(&lock(&bodies)),
            "stall" => STALLED.store(true, Ordering::SeqCst),
            _ => {}
        }
    }
}

fn lock(bodies: &Bodies) -> std::sync::MutexGuard<'_, Vec<(Encoding, Vec<u8>)>> {
    bodies.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut stream: TcpStream, bodies: &Bodies) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::with_capacity(1 << 16);
    loop {
        let end = loop {
            if let Some(at) = find(&read, b"\r\n\r\n") {
                break at + 4;
            }
            if fill(&mut stream, &mut read)? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        let header = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        let length: usize = header("content-length")
            .and_then(|text| text.parse().ok())
            .expect("a request with its length");
        let encoding = match header("content-encoding") {
            Some("gzip") => Encoding::Gzip,
            Some("zstd") => Encoding::Zstd,
            _ => Encoding::Plain,
        };
        while read.len() < end + length {
            if fill(&mut stream, &mut read)? == 0 {
                return Ok(());
            }
        }
        let rest = read.split_off(end + length);
        let body = read.split_off(end);
        read = rest;
        while STALLED.load(Ordering::SeqCst) {
            thread::park();
        }
        // Spans are taken and not counted.
        if head.starts_with("post /v1/logs") {
            lock(bodies).push((encoding, body));
        }
        stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
        )?;
    }
}

fn fill(stream: &mut TcpStream, into: &mut Vec<u8>) -> std::io::Result<usize> {
    let had = into.len();
    into.resize(had + (1 << 16), 0);
    let count = stream.read(&mut into[had..])?;
    into.truncate(had + count);
    Ok(count)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn records_in((encoding, body): &(Encoding, Vec<u8>)) -> u64 {
    let mut plain = Vec::new();
    match encoding {
        Encoding::Plain => return log_records(body),
        Encoding::Gzip => {
            let mut decoder = flate2::read::MultiGzDecoder::new(&body[..]);
            decoder.read_to_end(&mut plain).expect("gzip");
        }
        Encoding::Zstd => plain = zstd::decode_all(&body[..]).expect("zstd"),
    }
    log_records(&plain)
}

/// `resource_logs` (1) hold `scope_logs` (2), which hold `log_records` (2).
fn log_records(request: &[u8]) -> u64 {
    let mut count = 0;
    each(request, 1, |resource| {
        each(resource, 2, |scope| each(scope, 2, |_| count += 1));
    });
    count
}

/// Calls with every length-delimited field of that number.
fn each<'a>(mut message: &'a [u8], wanted: u64, mut with: impl FnMut(&'a [u8])) {
    while !message.is_empty() {
        let tag = varint(&mut message);
        match tag & 7 {
            0 => {
                varint(&mut message);
            }
            1 => message = &message[8..],
            2 => {
                let length = varint(&mut message) as usize;
                let (inside, rest) = message.split_at(length);
                if tag >> 3 == wanted {
                    with(inside);
                }
                message = rest;
            }
            5 => message = &message[4..],
            other => panic!("wire type {other}"),
        }
    }
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().expect("a whole number");
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}
