//! The program `tracing-otlp`, run as people run it.

#![cfg(feature = "cli")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peer;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::Version;
use peer::{Ask, JSON, ask, post, records, run, spans};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tracing-otlp");
const TRACE: &str = "5b8efff798038103d269b633813fc60c";

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("otlp-program-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A collector in a process of its own; killed at the end.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    addresses: Vec<SocketAddr>,
    announced: String,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut announced = String::new();
        while !announced.contains("Viewer") {
            assert!(
                stdout.read_line(&mut announced).unwrap() > 0,
                "it ended: {announced}"
            );
        }
        let addresses = announced
            .lines()
            .filter(|line| line.starts_with("OTLP"))
            .map(|line| line.rsplit_once("http://").unwrap().1.parse().unwrap())
            .collect();
        Self {
            child,
            stdout,
            addresses,
            announced,
        }
    }

    fn to(&self) -> SocketAddr {
        self.addresses[1]
    }

    fn url(&self) -> String {
        format!("http://{}", self.to())
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(running: &Running, args: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(args)
        .env("TRACING_OTLP_COLLECTOR_URL", running.url())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn fill(to: SocketAddr) {
    let log = |body: &str, level: u8, span: &str| {
        json!({
            "timeUnixNano": "1700000000123000000", "severityNumber": level,
            "body": { "stringValue": body }, "traceId": TRACE, "spanId": span,
            "attributes": [{ "key": "n", "value": { "intValue": "7" } }],
        })
    };
    post(
        to,
        "/v1/logs",
        &records(
            "shop",
            &[
                log("placed \u{1b}[31m order", 9, "eee19b7ec3c1b174"),
                log("payment failed", 17, "eee19b7ec3c1b174"),
            ],
        ),
    );
    let span = json!({ "traceId": TRACE, "spanId": "eee19b7ec3c1b174", "name": "POST /orders",
        "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000250000000" });
    post(to, "/v1/traces", &spans(&[span]));
}

fn wait_for(file: &Path) {
    let deadline = std::time::Instant::now() + peer::PATIENCE;
    while !file.exists() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
}

#[test]
fn it_says_where_it_listens_on_standard_output_and_in_a_file() {
    let folder = Folder::new("ports");
    let file = folder.0.join("ports.json");
    let running = Running::start(&["--port-file", file.to_str().unwrap()]);
    assert_eq!(running.addresses.len(), 2);
    // The file is complete before anything is announced after it.
    wait_for(&file);
    let ports: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let endpoints: Vec<_> = running
        .addresses
        .iter()
        .map(|a| format!("http://{a}"))
        .collect();
    assert_eq!(ports["endpoints"], json!(endpoints));
    assert_eq!(ports["viewer"], format!("{}/", endpoints[1]));
    assert!(
        running
            .announced
            .contains(&format!("Viewer                   {}/", endpoints[1]))
    );
}

#[test]
fn a_taken_port_is_replaced_loudly_or_an_error_when_ports_are_fixed() {
    let running = Running::start(&[]);
    let taken = running.addresses[0].to_string();
    let mut other = Running::start(&["--memory", "1MiB"]);
    assert_ne!(other.addresses[0], running.addresses[0]);
    // Asked for by a later argument it would be given twice: start it by hand.
    let child = Command::new(PROGRAM)
        .args(["--grpc", &taken, "--http", "127.0.0.1:0", "--fixed-ports"])
        .output()
        .unwrap();
    assert!(!child.status.success());
    let said = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(said.contains(&taken) && said.contains("in use"), "{said}");
    let mut child = Command::new(PROGRAM)
        .args(["--grpc", &taken, "--http", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert!(said.contains("is taken"), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
    other.child.kill().unwrap();
}

#[test]
fn the_commands_show_what_is_kept() {
    let running = Running::start(&[]);
    fill(running.to());
    let logs = text(&command(&running, &["logs"]));
    assert_eq!(
        logs,
        "22:13:20.123 INFO  shop: placed \u{fffd}[31m order  n=7\n\
         22:13:20.123 ERROR shop: payment failed  n=7\n"
    );
    let logs = text(&command(&running, &["logs", "--json", "level>=warn"]));
    let item: Value = serde_json::from_str(logs.trim()).unwrap();
    assert_eq!(item["record"]["body"]["stringValue"], "payment failed");
    let traces = text(&command(&running, &["traces"]));
    assert!(
        traces.contains(TRACE) && traces.contains("POST /orders") && traces.contains("250.0ms"),
        "{traces}"
    );
    let trace = text(&command(&running, &["trace", TRACE]));
    assert_eq!(trace.lines().count(), 4, "{trace}");
    assert!(
        trace.contains("\n  POST /orders 250.0ms\n    22:13:20.123 INFO"),
        "{trace}"
    );
    let audit = text(&command(&running, &["audit", "--check"]));
    assert_eq!(
        audit,
        "records=2 linked=2 unlinked=0 pending=0 orphaned=0 evicted=0\n"
    );
    // What says no time happened when it arrived.
    let timeless = json!({ "body": { "stringValue": "timeless" } });
    post(running.to(), "/v1/logs", &records("shop", &[timeless]));
    let line = text(&command(&running, &["logs", "timeless"]));
    let item: Value =
        serde_json::from_str(&text(&command(&running, &["logs", "--json", "timeless"]))).unwrap();
    let received = item["receivedAt"].as_str().unwrap();
    assert_eq!(
        line,
        format!("{} -     shop: timeless\n", &received[11..23])
    );
    let wrong = command(&running, &["logs", "(a"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("never closed (at 0)"));
    let nobody = Command::new(PROGRAM)
        .args(["logs", "--url", "http://127.0.0.1:1"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("no collector answers"));
}

#[test]
fn logs_are_followed_until_nobody_reads() {
    let running = Running::start(&[]);
    fill(running.to());
    let mut follower = Command::new(PROGRAM)
        .args(["logs", "-f", "payment"])
        .env("TRACING_OTLP_COLLECTOR_URL", running.url())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.contains("payment failed"), "{line}");
    fill(running.to());
    line.clear();
    lines.read_line(&mut line).unwrap();
    assert!(line.contains("payment failed"), "{line}");
    drop(lines);
    // It notices when it has something to write.
    let begin = std::time::Instant::now();
    let status = loop {
        fill(running.to());
        if let Some(status) = follower.try_wait().unwrap() {
            break status;
        }
        assert!(begin.elapsed() < peer::PATIENCE);
    };
    let mut said = String::new();
    follower
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn what_is_exported_can_be_imported() {
    let folder = Folder::new("export");
    let first = Running::start(&[]);
    fill(first.to());
    let logs = folder.0.join("logs.jsonl");
    let spans = folder.0.join("spans.jsonl");
    text(&command(
        &first,
        &["export", "--out", logs.to_str().unwrap()],
    ));
    text(&command(
        &first,
        &["export", "--traces", "--out", spans.to_str().unwrap()],
    ));
    let second = Running::start(&[]);
    fs::OpenOptions::new()
        .append(true)
        .open(&logs)
        .unwrap()
        .write_all(b"nonsense\n")
        .unwrap();
    let imported = command(
        &second,
        &["import", logs.to_str().unwrap(), spans.to_str().unwrap()],
    );
    assert_eq!(imported.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&imported.stdout),
        "2 requests sent, 1 refused\n"
    );
    assert!(String::from_utf8_lossy(&imported.stderr).contains("logs.jsonl:2"));
    for path in ["/api/logs", "/api/traces"] {
        let strip = |mut page: Value| {
            for item in page["items"].as_array_mut().unwrap() {
                let item = item.as_object_mut().unwrap();
                item.remove("seq");
                item.remove("receivedAt");
            }
            page["items"].clone()
        };
        assert_eq!(strip(ask(first.to(), path)), strip(ask(second.to(), path)));
    }
}

#[test]
fn nothing_that_was_acknowledged_is_missing_after_a_kill() {
    let folder = Folder::new("kill");
    let dir = folder.0.join("kept");
    let args = [
        "--dir",
        dir.to_str().unwrap(),
        "--file-size",
        "64KiB",
        "--file-count",
        "1000",
    ];
    for round in 0..3_u64 {
        let running = Running::start(&args);
        let (to, url) = (running.to(), running.url());
        let acknowledged = Arc::new(AtomicU64::new(0));
        let is_over = Arc::new(AtomicBool::new(false));
        let sender = std::thread::spawn({
            let (acknowledged, is_over) = (Arc::clone(&acknowledged), Arc::clone(&is_over));
            move || send_until_refused(to, round, &acknowledged, &is_over)
        });
        let begin = std::time::Instant::now();
        while acknowledged.load(Ordering::SeqCst) < 200 {
            assert!(begin.elapsed() < peer::PATIENCE, "{url}");
            std::thread::yield_now();
        }
        // In the middle of whatever it is doing.
        running.kill();
        is_over.store(true, Ordering::SeqCst);
        sender.join().unwrap();
        let acknowledged = acknowledged.load(Ordering::SeqCst);
        let running = Running::start(&args);
        assert_all_are_kept(&running, round, acknowledged);
    }
}

/// Sends numbered records over one connection until it breaks, and counts the answers.
fn send_until_refused(to: SocketAddr, round: u64, acknowledged: &AtomicU64, is_over: &AtomicBool) {
    let Ok(stream) = std::net::TcpStream::connect(to) else {
        return;
    };
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    for n in 0.. {
        let record = json!({ "body": { "stringValue": "kept" }, "attributes": [
            { "key": "n", "value": { "intValue": n.to_string() } },
            { "key": "round", "value": { "intValue": round.to_string() } },
        ] });
        let body = records("shop", &[record]).to_string();
        let request = format!(
            "POST /v1/logs HTTP/1.1\r\nhost: {to}\r\ncontent-type: {JSON}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(request.as_bytes()).is_err() || is_over.load(Ordering::SeqCst) {
            return;
        }
        let mut status = String::new();
        if reader.read_line(&mut status).is_err() || !status.starts_with("HTTP/1.1 200") {
            return;
        }
        let mut rest = String::new();
        while !rest.ends_with("\r\n\r\n") {
            if reader.read_line(&mut rest).unwrap_or(0) == 0 {
                return;
            }
        }
        let mut body = [0; 2];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

fn assert_all_are_kept(running: &Running, round: u64, acknowledged: u64) {
    let mut seen = std::collections::HashSet::new();
    let mut cursor = String::new();
    loop {
        let page = ask(
            running.to(),
            &format!("/api/logs?limit=1000&q=round%3D{round}&cursor={cursor}"),
        );
        for item in page["items"].as_array().unwrap() {
            let number = item["record"]["attributes"][0]["value"]["intValue"]
                .as_str()
                .unwrap();
            assert!(
                seen.insert(number.parse::<u64>().unwrap()),
                "{number} is there twice"
            );
        }
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let missing: Vec<_> = (0..acknowledged).filter(|n| !seen.contains(n)).collect();
    assert_eq!(missing, [0; 0], "of {acknowledged}");
    // At most the one that was on its way may be there besides.
    assert!(seen.len() as u64 <= acknowledged + 1);
}

#[test]
#[cfg(unix)]
fn it_ends_well_when_it_is_told_to() {
    let folder = Folder::new("ending");
    let file = folder.0.join("ports.json");
    let ports = ["--port-file", file.to_str().unwrap()];
    let mut running = Running::start(&ports);
    wait_for(&file);
    let answer = run(Ask::get("/healthz").send(running.to(), Version::HTTP_11));
    assert_eq!(answer.body, "ok");
    let id = running.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    running.stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(Path::new(PROGRAM).exists());
    assert!(!file.exists());
}

#[test]
fn who_waits_for_the_port_file_never_reads_that_of_an_earlier_run() {
    let folder = Folder::new("stale");
    let file = folder.0.join("ports.json");
    fs::write(&file, "{}").unwrap();
    // A run that cannot begin has no ports either.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = Command::new(PROGRAM)
        .args(["--http", "127.0.0.1:0", "--fixed-ports", "--grpc"])
        .arg(taken.local_addr().unwrap().to_string())
        .args(["--port-file", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(!file.exists());
}

const KEY: &str = "a-key-for-tests-of-32-characters";
const SECRET: &str = "upstream-write-token-s3cret";

#[test]
fn what_is_received_is_forwarded_with_the_headers_of_the_environment() {
    use tracing_otlp_collector::Collector;
    let behind = Collector::builder().keep_requests(true).start().unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"])
        .args([
            "--forward",
            &behind.endpoint(),
            "--forward-header",
            "x-tenant=blue",
        ])
        .args([
            "--forward-protocol",
            "grpc",
            "--forward-compression",
            "zstd",
        ])
        .env(
            "TRACING_OTLP_COLLECTOR_FORWARD_SECRET_HEADERS",
            format!("authorization=Bearer%20{SECRET}, x-key = {SECRET}"),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut announced = String::new();
    while !announced.contains("Viewer") {
        assert!(said.read_line(&mut announced).unwrap() > 0, "{announced}");
    }
    let viewer = announced.lines().last().unwrap();
    let to = viewer
        .rsplit_once("http://")
        .unwrap()
        .1
        .trim_end_matches('/');
    fill(to.parse().unwrap());
    behind.wait_for_logs(2, peer::PATIENCE).unwrap();
    behind.wait_for_spans(1, peer::PATIENCE).unwrap();
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = format!("{announced}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains(SECRET), "{said}");
    for request in behind.requests() {
        assert_eq!(request.protocol().to_string(), "grpc");
        assert_eq!(request.content_encoding(), Some("zstd"));
        let expected = format!("Bearer {SECRET}");
        assert_eq!(request.header("authorization"), Some(expected.as_str()));
        assert_eq!(request.header("x-key"), Some(SECRET));
        assert_eq!(request.header("x-tenant"), Some("blue"));
    }
}

#[test]
fn a_proxy_takes_the_tokens_that_the_program_makes() {
    use tracing_otlp_collector::Collector;
    let behind = Collector::builder().keep_requests(true).start().unwrap();
    let old = "an-older-key-for-tests-of-32-chars";
    let made = Command::new(PROGRAM)
        .args([
            "token",
            "--session",
            "s-1",
            "--ttl",
            "5m",
            "--audience",
            "telemetry",
        ])
        .env("TRACING_OTLP_PROXY_KEYS", old)
        .output()
        .unwrap();
    let token = text(&made);
    let mut child = Command::new(PROGRAM)
        .args([
            "proxy",
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            &behind.endpoint(),
        ])
        .args([
            "--audience",
            "telemetry",
            "--allow-origin",
            "https://shop.example",
        ])
        .env("TRACING_OTLP_PROXY_KEYS", format!("{KEY},{old}"))
        .env(
            "TRACING_OTLP_PROXY_SECRET_HEADERS",
            format!("authorization={SECRET}"),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut announced = String::new();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    said.read_line(&mut announced).unwrap();
    let address = announced.split("http://").nth(1).unwrap();
    let to = address.split(' ').next().unwrap().parse().unwrap();
    let ask = Ask::post("/v1/logs", JSON, records("web", &[json!({})]).to_string())
        .with("origin", "https://shop.example");
    assert_eq!(run(ask.send(to, Version::HTTP_11)).status, 401);
    let ask = ask.with("authorization", &format!("Bearer {}", token.trim()));
    assert_eq!(run(ask.send(to, Version::HTTP_11)).status, 200);
    assert_eq!(behind.requests()[0].header("authorization"), Some(SECRET));
    behind.shutdown().unwrap();
    assert_eq!(run(ask.send(to, Version::HTTP_11)).status, 502);
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot be used"), "{said}");
    for secret in [SECRET, KEY, old, token.trim()] {
        assert!(!said.contains(secret) && !announced.contains(secret));
    }
}

#[test]
fn secrets_on_the_command_line_and_missing_keys_are_refused() {
    let refused = |args: &[&str]| {
        let output = Command::new(PROGRAM)
            .args(args)
            .env_remove("TRACING_OTLP_PROXY_KEYS")
            .output()
            .unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains(SECRET), "{said}");
        said
    };
    let header = format!("Authorization={SECRET}");
    let url = "http://127.0.0.1:1";
    let said = refused(&[
        "--grpc",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--forward",
        url,
        // So that it ends in any case.
        "--dir",
        "/dev/null",
        "--forward-header",
        &header,
    ]);
    assert!(
        said.contains("TRACING_OTLP_COLLECTOR_FORWARD_SECRET_HEADERS"),
        "{said}"
    );
    let said = refused(&["proxy", "--upstream", url]);
    assert!(said.contains("TRACING_OTLP_PROXY_KEYS"), "{said}");
    let said = refused(&["token"]);
    assert!(said.contains("TRACING_OTLP_PROXY_KEYS"), "{said}");
}
