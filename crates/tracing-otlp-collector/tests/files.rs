//! What is received stands in files, and is there again after a restart.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peer;

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Version;
use peer::{Ask, JSON, PROTOBUF, ask, logs, metrics, post, records, run, traces};
use prost::Message as _;
use serde_json::{Value, json};
use tracing_otlp_collector::{Collector, Files};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("otlp-kept-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn settings(&self) -> Files {
        Files::in_dir(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(files: Files) -> (Collector, SocketAddr) {
    let collector = Collector::builder().with_files(files).start().unwrap();
    let to = collector.local_addr();
    (collector, to)
}

/// The files of a signal, oldest first.
fn files(dir: &Path, signal: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(signal)
                && std::path::Path::new(name)
                    .extension()
                    .is_some_and(|end| end == "jsonl")
        })
        .collect();
    files.sort();
    files
}

fn bodies(collector: &Collector) -> Vec<String> {
    let logs = collector.logs();
    logs.iter()
        .map(|log| log.body_str().unwrap().to_owned())
        .collect()
}

fn say(to: SocketAddr, text: &str) {
    let record = json!({ "body": { "stringValue": text }, "timeUnixNano": "1700000000000000001" });
    post(to, "/v1/logs", &records("shop", &[record]));
}

#[test]
fn each_request_is_a_line_and_all_are_there_after_a_restart() {
    let folder = Folder::new("restart");
    let (collector, to) = start(folder.settings());
    let send = |path: &str, body: Vec<u8>| {
        let answer = run(Ask::post(path, PROTOBUF, body).send(to, Version::HTTP_11));
        assert_eq!(answer.status, 200);
    };
    send("/v1/logs", logs(["a", "b"]).encode_to_vec());
    send("/v1/traces", traces("GET /").encode_to_vec());
    send("/v1/metrics", metrics().encode_to_vec());
    say(to, "c");
    let before = (collector.logs(), collector.spans());
    let status = ask(to, "/api/status");
    assert_eq!(status["files"]["written"], 4);
    drop(collector);

    let text = fs::read_to_string(&files(&folder.0, "logs")[0]).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    let record = &lines[0]["resourceLogs"][0]["scopeLogs"][0]["logRecords"][1];
    assert_eq!(record["body"]["stringValue"], "b");
    assert_eq!(record["traceId"], "01".repeat(16));
    assert_eq!(record["timeUnixNano"], "1700000000000000001");

    let (collector, to) = start(folder.settings());
    assert_eq!((collector.logs(), collector.spans()), before);
    assert_eq!(
        collector.audit().to_string(),
        "records=3 linked=2 unlinked=1 orphaned=0"
    );
    // What was read back did not arrive again.
    assert_eq!(collector.counts().logs, 0);
    assert_eq!(ask(to, "/api/status")["kept"]["dataPoints"], 2);
    // And the file goes on.
    say(to, "d");
    assert_eq!(files(&folder.0, "logs").len(), 1);
    drop(collector);
    let (collector, _) = start(folder.settings());
    assert_eq!(bodies(&collector), ["a", "b", "c", "d"]);
}

#[test]
fn what_is_read_back_arrived_while_its_file_was_written() {
    let folder = Folder::new("arrival");
    let (collector, to) = start(folder.settings());
    let timed = |text: &str, time: &str| {
        let record = json!({ "body": { "stringValue": text }, "timeUnixNano": time });
        post(to, "/v1/logs", &records("shop", &[record]));
    };
    timed("timeless", "0");
    timed("of 2023", "1700000000000000000");
    timed("of 2100", "4102444800000000000");
    timed("timeless too", "0");
    drop(collector);
    // Begun an hour before it was last written, which is long ago.
    let old = &files(&folder.0, "logs")[0];
    fs::rename(old, folder.0.join("logs-20260102T030405.000000.jsonl")).unwrap();
    let file = fs::File::options()
        .append(true)
        .open(folder.0.join("logs-20260102T030405.000000.jsonl"))
        .unwrap();
    let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_767_326_645);
    file.set_modified(written).unwrap();
    drop(file);
    let (_collector, to) = start(folder.settings());
    let page = ask(to, "/api/logs?order=asc");
    let received: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["receivedAt"].as_str().unwrap())
        .collect();
    assert_eq!(
        received,
        [
            "2026-01-02T03:04:05.000Z",
            "2026-01-02T03:04:05.000Z",
            "2026-01-02T04:04:05.000Z",
            "2026-01-02T04:04:05.000Z",
        ]
    );
}

#[test]
fn a_torn_line_and_a_foreign_one_cost_only_themselves() {
    let folder = Folder::new("torn");
    let (collector, to) = start(folder.settings());
    say(to, "one");
    drop(collector);
    let path = &files(&folder.0, "logs")[0];
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"not json\n\n{\"resourceLogs\":[{\"scopeLogs\"")
        .unwrap();
    drop(file);
    let (collector, to) = start(folder.settings());
    assert_eq!(bodies(&collector), ["one"]);
    assert_eq!(ask(to, "/api/status")["files"]["unread"], 1);
    say(to, "two");
    drop(collector);
    let (collector, _) = start(folder.settings());
    assert_eq!(bodies(&collector), ["one", "two"]);
}

#[test]
fn files_are_rotated_by_size_and_the_oldest_leave() {
    let folder = Folder::new("size");
    let settings = folder.settings().with_max_bytes(1_000).with_max_files(3);
    let (collector, to) = start(settings.clone());
    let long = "x".repeat(600);
    for n in 0..6 {
        say(to, &format!("{n} {long}"));
    }
    // One that is longer than a file may be gets one of its own.
    say(to, &"y".repeat(5_000));
    drop(collector);
    assert_eq!(files(&folder.0, "logs").len(), 3);
    let (collector, _) = start(settings);
    let firsts: Vec<_> = bodies(&collector)
        .iter()
        .map(|body| body[..1].to_owned())
        .collect();
    assert_eq!(firsts, ["4", "5", "y"]);
}

#[test]
fn files_are_rotated_by_age() {
    let folder = Folder::new("age");
    let (collector, to) = start(folder.settings().with_max_age(Duration::ZERO));
    for text in ["one", "two", "three"] {
        say(to, text);
    }
    assert_eq!(files(&folder.0, "logs").len(), 3);
    drop(collector);
}

#[test]
fn a_request_that_cannot_be_written_is_refused_to_be_sent_again() {
    let folder = Folder::new("refused");
    // Every request begins a file, and there is no directory for it any more.
    let (collector, to) = start(folder.settings().with_max_age(Duration::ZERO));
    fs::remove_dir_all(&folder.0).unwrap();
    let request = records("shop", &[json!({ "body": { "stringValue": "x" } })]);
    let ask_ = Ask::post("/v1/logs", JSON, request.to_string());
    let answer = run(ask_.send(to, Version::HTTP_11));
    assert_eq!(answer.status, 503);
    assert_eq!(collector.logs(), []);
    assert_eq!(ask(to, "/api/status")["files"]["failed"], 1);
    fs::create_dir_all(&folder.0).unwrap();
    say(to, "now");
    assert_eq!(bodies(&collector), ["now"]);
}

#[test]
fn two_collectors_do_not_share_a_directory() {
    let folder = Folder::new("shared");
    let (first, _) = start(folder.settings());
    let second = Collector::builder().with_files(folder.settings()).start();
    let error = second.unwrap_err();
    assert!(
        error.to_string().contains("cannot use the directory"),
        "{error}"
    );
    drop(first);
    start(folder.settings());
}
