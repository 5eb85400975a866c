//! What a sender can make the collector take in memory, seen from outside the process.

#![cfg(all(feature = "cli", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peer;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use http::Version;
use peer::{Ask, JSON, PROTOBUF, ask, pack, run};
use serde_json::Value;

const MIB: u64 = 1024 * 1024;
const RING: u64 = 8;
const LIMIT: u64 = 4;
const BODY: usize = 4 * 1024 * 1024;

struct Server {
    child: Child,
    to: SocketAddr,
}

impl Server {
    fn start() -> Self {
        Self::with(RING, LIMIT)
    }

    fn with(ring: u64, limit: u64) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tracing-otlp"))
            .args(["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .args(["--memory", &format!("{ring}MiB")])
            .args(["--max-body", &format!("{limit}MiB")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let to = line
            .trim()
            .rsplit_once("http://")
            .unwrap()
            .1
            .parse()
            .unwrap();
        Self { child, to }
    }

    /// The most memory that the process ever had, in MiB.
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        kib * 1024 / MIB
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask_status(server: &Server) -> Value {
    ask(server.to, "/api/status")
}

/// A logs request whose only scope has this inside.
fn in_a_scope(inside: &[u8]) -> Vec<u8> {
    nested(&[1, 2], inside)
}

fn nested(fields: &[u8], inside: &[u8]) -> Vec<u8> {
    fields.iter().rev().fold(inside.to_vec(), |inside, field| {
        let mut outside = vec![field << 3 | 2];
        prost::encoding::encode_varint(inside.len() as u64, &mut outside);
        outside.extend_from_slice(&inside);
        outside
    })
}

#[test]
fn no_body_takes_many_times_its_size() {
    let pairs = BODY / 2 - 100;
    let json = |before: &str, one: &str, after: &str| {
        let n = (BODY - 1_000) / (one.len() + 1);
        let mut text = String::from(before);
        for nth in 0..n {
            text.push_str(if nth == 0 { "" } else { "," });
            text.push_str(one);
        }
        text.push_str(after);
        text.into_bytes()
    };
    let record = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":["#;
    let bodies = [
        // Two million empty records, and as many empty attributes of one record.
        ("records", PROTOBUF, in_a_scope(&[0x12, 0].repeat(pairs))),
        (
            "attributes",
            PROTOBUF,
            in_a_scope(&nested(&[2], &[0x32, 0].repeat(pairs))),
        ),
        // As many scopes, each with one record.
        (
            "scopes",
            PROTOBUF,
            nested(&[1], &[0x12, 2, 0x12, 0].repeat(pairs / 2)),
        ),
        // As many fields that nobody knows.
        ("unknown", PROTOBUF, [0x78, 0].repeat(pairs)),
        ("json records", JSON, json(record, "{}", "]}]}]}")),
        (
            "json attributes",
            JSON,
            json(
                &format!("{record}{{\"attributes\":["),
                r#"{"key":""}"#,
                "]}]}]}]}",
            ),
        ),
        (
            "json unknown",
            JSON,
            json(&format!("{record}{{\"unknown\":["), r#"{"":0}"#, "]}]}]}]}"),
        ),
    ];
    for (name, content_type, body) in bodies {
        // One each: what an allocator keeps of one body is not the next one's.
        let server = Server::start();
        let before = server.peak();
        assert!(body.len() <= BODY, "{name} {}", body.len());
        let answer = run(
            Ask::post("/v1/logs", content_type, body.clone()).send(server.to, Version::HTTP_11)
        );
        assert_eq!(answer.status, 200, "{name}");
        let packed = Ask::post("/v1/logs", content_type, pack("gzip", &body))
            .with("content-encoding", "gzip");
        assert_eq!(
            run(packed.send(server.to, Version::HTTP_11)).status,
            200,
            "{name}"
        );
        // Also when somebody looks.
        ask(server.to, "/api/logs?limit=10&q=x");
        ask(server.to, "/api/fields");
        // The ring, one like it that is being filled, the body as received, unpacked and converted.
        let grown = server.peak() - before;
        assert!(
            grown < RING + 2 * RING + 2 * LIMIT + 16,
            "{name}: {grown} MiB"
        );
    }
}

#[test]
fn a_bomb_costs_a_fraction_of_the_limit() {
    const LIMIT: usize = 64;
    const RECORDS: usize = 600_000;
    for encoding in ["gzip", "deflate", "zstd"] {
        let server = Server::with(RING, LIMIT as u64);
        // What the first request costs is not the bomb's.
        let small =
            Ask::post("/v1/logs", PROTOBUF, pack(encoding, &[])).with("content-encoding", encoding);
        assert_eq!(run(small.send(server.to, Version::HTTP_11)).status, 200);
        let before = server.peak();
        let bomb = pack(encoding, &vec![0; 2 * 1024 * 1024 * LIMIT]);
        let packed = bomb.len() as u64 / MIB + 1;
        let ask = Ask::post("/v1/logs", PROTOBUF, bomb).with("content-encoding", encoding);
        assert_eq!(run(ask.send(server.to, Version::HTTP_11)).status, 413);
        let grown = server.peak() - before;
        // A vector that grows is there twice for a moment; zstd has a window.
        assert!(
            grown < 2 * 16 * packed + 24,
            "{encoding}: {grown} MiB of {packed}"
        );
        // What grows as bombs do, but stays within the limit, arrives all the same.
        let body = in_a_scope(&[0x12, 0].repeat(RECORDS));
        let long = Ask::post("/v1/logs", PROTOBUF, pack(encoding, &body))
            .with("content-encoding", encoding);
        assert_eq!(run(long.send(server.to, Version::HTTP_11)).status, 200);
        let counts = &ask_status(&server)["counts"];
        assert_eq!(counts["logs"], RECORDS, "{encoding}");
    }
}

#[test]
fn many_small_requests_weigh_what_they_take() {
    const ALL: usize = 40_000;
    let server = Server::start();
    let send = |n: usize| {
        let mut stream = TcpStream::connect(server.to).unwrap();
        let body = in_a_scope(&nested(&[2], &[]));
        let mut request = format!(
            "POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(&body);
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        for _ in 0..n / 100 {
            stream.write_all(&request.repeat(100)).unwrap();
            let mut answered = 0;
            let mut line = String::new();
            while answered < 100 {
                line.clear();
                assert_ne!(answers.read_line(&mut line).unwrap(), 0);
                answered += usize::from(line.starts_with("HTTP/1.1 200"));
            }
        }
    };
    send(1000);
    let before = server.peak();
    send(ALL);
    let status = ask_status(&server);
    assert_ne!(status["counts"]["evictedLogs"], 0, "the ring was not full");
    let grown = server.peak() - before;
    // A thread or two may have begun meanwhile.
    assert!(grown <= RING + 3, "{grown} MiB");
}

#[test]
fn a_collector_that_is_full_stays_within_what_it_may_take() {
    const RING: u64 = 256;
    let server = Server::with(RING, LIMIT);
    // 100 KiB each, with a record of one long text.
    let long = in_a_scope(&nested(&[2, 5, 1], &b"x".repeat(100 * 1024)));
    run(async {
        for _ in 0..RING * 15 {
            let ask = Ask::post("/v1/logs", PROTOBUF, long.clone());
            assert_eq!(ask.send(server.to, Version::HTTP_11).await.status, 200);
        }
    });
    assert_ne!(ask_status(&server)["counts"]["evictedLogs"], 0);
    let peak = server.peak();
    assert!(peak < RING, "{peak} MiB");
}
