//! The collector as a process: how fast it takes records in, how fast it answers, what it takes.
//!
//! `cargo bench -p tracing-otlp-collector --bench collector`. The floor is a server that answers and
//! keeps nothing: the refusal of an empty path over the same connections. Times depend on the
//! machine; what is judged is records for each second that the process spent on a core.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

const BATCH: u64 = 512;
const MILLION: u64 = 1_000_000;
const MEMORY: u64 = 512 * 1024 * 1024;

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let server = Server::start(&[]);
    let floor = server.measure(|to| post(to, "/nothing", &batches(1)[0], 2_000));
    println!(
        "floor, {} requests refused: {}",
        2_000,
        floor.per_second(2_000, "requests")
    );

    let all = batches(200);
    for connections in [1, 4] {
        let server = Server::start(&[]);
        let cost = server.measure(|to| send(to, &all, MILLION, connections));
        println!(
            "{MILLION} records, {connections} connections: {}",
            cost.per_second(MILLION, "records")
        );
    }
    let folder = std::env::temp_dir().join(format!("otlp-bench-{}", std::process::id()));
    let with_files = Server::start(&["--dir", folder.to_str().unwrap()]);
    let cost = with_files.measure(|to| send(to, &all, MILLION, 4));
    println!(
        "… and written to files: {}",
        cost.per_second(MILLION, "records")
    );
    drop(with_files);
    let _ = fs::remove_dir_all(&folder);

    let server = Server::start(&[]);
    send(server.to, &all, MILLION, 4);
    println!(
        "kept: {}",
        get(server.to, "/api/status", 1)
            .split("\"kept\":")
            .nth(1)
            .unwrap()
    );
    println!("resident: {} MiB", server.resident() >> 20);
    for (what, path) in [
        (
            "level and text, nothing found",
            "/api/logs?q=level%3E%3Dwarn%20needle&limit=100",
        ),
        (
            "level and text, one in 100,000",
            "/api/logs?q=level%3E%3Dinfo%20%22order%2077777%20%22&limit=100",
        ),
        ("text alone, nothing found", "/api/logs?q=needle"),
        ("a number", "/api/logs?q=order.id%3D-1"),
        ("regular expression", "/api/logs?q=body%3D~%22needle%24%22"),
        ("service", "/api/logs?q=service%3Dnobody"),
        ("histogram", "/api/logs/histogram?buckets=90"),
        ("audit", "/api/audit"),
        ("traces", "/api/traces"),
        ("newest hundred", "/api/logs"),
    ] {
        let begin = Instant::now();
        let answer = get(server.to, path, 1);
        let is_cut = answer.contains("\"truncated\":true");
        println!(
            "{what}: {:.0} ms{}",
            begin.elapsed().as_secs_f64() * 1e3,
            if is_cut { ", CUT OFF" } else { "" }
        );
    }

    // Readers of the stream that do not read.
    let mut sleepers = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(server.to).unwrap();
        write!(
            stream,
            "GET /api/logs/stream HTTP/1.1\r\nhost: {}\r\n\r\n",
            server.to
        )
        .unwrap();
        sleepers.push(stream);
    }
    thread::sleep(Duration::from_secs(2));
    let cost = server.measure(|to| send(to, &all, 3 * MILLION, 4));
    println!(
        "with 50 readers that sleep: {}",
        cost.per_second(3 * MILLION, "records")
    );
    println!(
        "resident after {} records with {} MiB allowed: {} MiB, at most {} MiB",
        4 * MILLION,
        MEMORY >> 20,
        server.resident() >> 20,
        server.peak() >> 20
    );
}

struct Server {
    child: Child,
    to: SocketAddr,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tracing-otlp"))
            .args([
                "--grpc",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--memory",
                &MEMORY.to_string(),
            ])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let to = line
            .trim()
            .rsplit_once("http://")
            .unwrap()
            .1
            .parse()
            .unwrap();
        Self { child, to }
    }

    fn measure(&self, work: impl FnOnce(SocketAddr)) -> Cost {
        let (begin, cpu) = (Instant::now(), self.cpu());
        work(self.to);
        Cost {
            wall: begin.elapsed(),
            cpu: self.cpu().saturating_sub(cpu),
        }
    }

    /// What the process spent on cores, in its own code and in the system's.
    fn cpu(&self) -> Duration {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|n| n.parse::<u64>().ok())
            .sum();
        Duration::from_millis(ticks * 10)
    }

    fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default();
        line.split_whitespace()
            .next()
            .and_then(|kib| kib.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Cost {
    wall: Duration,
    cpu: Duration,
}

impl Cost {
    fn per_second(&self, n: u64, what: &str) -> String {
        format!(
            "{:.2} s, {:.0} {what}/s; {:.2} s on a core, {:.0} {what} for each second of it",
            self.wall.as_secs_f64(),
            n as f64 / self.wall.as_secs_f64(),
            self.cpu.as_secs_f64(),
            n as f64 / self.cpu.as_secs_f64().max(0.001)
        )
    }
}

/// Sends `n` records over several connections at the same time.
fn send(to: SocketAddr, batches: &[Vec<u8>], n: u64, connections: u64) {
    thread::scope(|scope| {
        for nth in 0..connections {
            scope.spawn(move || {
                let mut connection = Connection::open(to);
                // A whole million, and up to a batch of each connection more.
                let requests = n.div_ceil(BATCH * connections);
                for request in 0..requests {
                    let body = &batches
                        [usize::try_from(request * connections + nth).unwrap() % batches.len()];
                    assert!(
                        connection
                            .post("/v1/logs", body)
                            .starts_with("HTTP/1.1 200")
                    );
                }
            });
        }
    });
}

fn post(to: SocketAddr, path: &str, body: &[u8], n: usize) {
    let mut connection = Connection::open(to);
    for _ in 0..n {
        connection.post(path, body);
    }
}

fn get(to: SocketAddr, path: &str, n: usize) -> String {
    let mut connection = Connection::open(to);
    let mut body = String::new();
    for _ in 0..n {
        body = connection.get(path);
    }
    body
}

struct Connection {
    to: SocketAddr,
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Connection {
    fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_nodelay(true).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self { to, stream, reader }
    }

    fn post(&mut self, path: &str, body: &[u8]) -> String {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            self.to,
            body.len()
        );
        self.stream.write_all(head.as_bytes()).unwrap();
        self.stream.write_all(body).unwrap();
        self.answer().0
    }

    fn get(&mut self, path: &str) -> String {
        write!(
            self.stream,
            "GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n",
            self.to
        )
        .unwrap();
        self.answer().1
    }

    fn answer(&mut self) -> (String, String) {
        let mut status = String::new();
        self.reader.read_line(&mut status).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(
                self.reader.read_line(&mut line).unwrap() > 0,
                "the connection ended"
            );
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        (status, String::from_utf8(body).unwrap())
    }
}

/// Requests of 512 records of about 200 bytes, as an application would send them.
fn batches(n: u64) -> Vec<Vec<u8>> {
    let text = |text: &str| AnyValue {
        value: Some(Value::StringValue(text.to_owned())),
    };
    let attribute = |key: &str, value: Value| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    let record = |n: u64| LogRecord {
        time_unix_nano: 1_700_000_000_000_000_000 + n * 1_000_000,
        observed_time_unix_nano: 1_700_000_000_000_000_000 + n * 1_000_000,
        severity_number: [5, 9, 9, 9, 13, 17][usize::try_from(n % 6).unwrap()],
        severity_text: "INFO".into(),
        body: Some(text(&format!("order {n} placed by a customer of the shop"))),
        attributes: vec![
            attribute("order.id", Value::IntValue(i64::try_from(n).unwrap())),
            attribute(
                "customer",
                Value::StringValue(format!("customer-{}", n % 1000)),
            ),
            attribute("amount", Value::DoubleValue(n as f64 * 0.01)),
            attribute("code.file.path", Value::StringValue("src/orders.rs".into())),
        ],
        trace_id: (u128::from(n / 8) + 1).to_be_bytes().to_vec(),
        span_id: (n / 8 + 1).to_be_bytes().to_vec(),
        flags: 1,
        ..LogRecord::default()
    };
    let resource = Resource {
        attributes: vec![attribute("service.name", Value::StringValue("shop".into()))],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "shop::orders".into(),
        ..InstrumentationScope::default()
    };
    (0..n)
        .map(|batch| {
            let request = ExportLogsServiceRequest {
                resource_logs: vec![ResourceLogs {
                    resource: Some(resource.clone()),
                    scope_logs: vec![ScopeLogs {
                        scope: Some(scope.clone()),
                        log_records: (0..BATCH).map(|n| record(batch * BATCH + n)).collect(),
                        ..ScopeLogs::default()
                    }],
                    ..ResourceLogs::default()
                }],
            };
            request.encode_to_vec()
        })
        .collect()
}
