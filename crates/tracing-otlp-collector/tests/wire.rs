//! Peers that share no code with the collector: bytes written by hand on a socket.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peer;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use http::Version;
use peer::{Ask, JSON, LOGS_JSON, PATIENCE, run};
use tracing_otlp_collector::Collector;

/// A peer that shares no code with the collector: bytes on a socket.
fn talk(collector: &Collector, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(collector.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(sent).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A request that does not say in advance how long it is.
fn chunked(chunks: &[&str]) -> Vec<u8> {
    let mut sent = "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        .to_owned();
    for chunk in chunks.iter().chain(&[""]) {
        write!(sent, "{:x}\r\n{chunk}\r\n", chunk.len()).unwrap();
    }
    sent.into_bytes()
}

#[test]
fn a_request_in_chunks_is_read() {
    let collector = Collector::start().unwrap();
    let sent = chunked(&[
        r#"{"resourceLogs":[{"s"#,
        r#"copeLogs":[{"logRecords":[{"flags":7}]}]}]}"#,
    ]);
    let answer = talk(&collector, &sent);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{}"), "{answer}");
    assert_eq!(collector.logs()[0].flags(), 7);
}

#[test]
fn a_request_in_chunks_is_refused_once_it_is_too_long() {
    let collector = Collector::builder().with_max_body(1_000).start().unwrap();
    for (last, status) in [(" ".repeat(98), "200"), (" ".repeat(99), "413")] {
        let blank = " ".repeat(100);
        let mut chunks = vec!["{}"];
        chunks.extend([blank.as_str(); 9]);
        chunks.push(&last);
        let answer = talk(&collector, &chunked(&chunks));
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[test]
fn a_sender_of_a_long_body_reads_why_it_was_refused() {
    let collector = Collector::builder().with_max_body(1_000).start().unwrap();
    let mut sent = b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Content-Length: 8000000\r\nConnection: close\r\n\r\n"
        .to_vec();
    sent.resize(sent.len() + 8_000_000, b' ');
    let answer = talk(&collector, &sent);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(
        answer.contains(r#""message":"request body longer than 1000 bytes""#),
        "{answer}"
    );
}

#[test]
fn a_sender_that_waits_for_100_continue_is_refused_before_it_sends() {
    let collector = Collector::builder().with_max_body(1_000).start().unwrap();
    let answer = talk(
        &collector,
        b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
          Content-Length: 8000000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn a_sender_that_hangs_up_halfway_leaves_the_collector_well() {
    let collector = Collector::start().unwrap();
    for sent in [
        &b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
           Content-Length: 100\r\n\r\n{\"resourceLo"[..],
        b"POST /v1/lo",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"",
    ] {
        let mut stream = TcpStream::connect(collector.local_addr()).unwrap();
        stream.write_all(sent).unwrap();
    }
    let ask = Ask::post("/v1/logs", JSON, LOGS_JSON);
    let answer = run(ask.send(collector.local_addr(), Version::HTTP_11));
    assert_eq!(answer.status, 200);
    assert_eq!(collector.logs().len(), 1);
}
