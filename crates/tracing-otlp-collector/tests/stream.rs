//! The live stream of log records.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peer;

use std::net::SocketAddr;
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use peer::{Ask, JSON, PATIENCE, post, records, run};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tracing_otlp_collector::{Capacity, Collector};

/// A reader of events.
struct Events {
    body: Incoming,
    text: String,
}

#[derive(Debug)]
struct Event {
    name: String,
    /// The order number that its id begins with.
    id: u64,
    whole_id: String,
    data: Value,
}

impl Events {
    async fn open(to: SocketAddr, path: &str, last_id: Option<&str>) -> Self {
        let stream = TokioIo::new(TcpStream::connect(to).await.unwrap());
        let (mut client, connection) = http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::get(path).header("host", to.to_string());
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body(),
            text: String::new(),
        }
    }

    /// The next event, `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let whole_id = field("id: ").unwrap().to_owned();
                let found = Event {
                    name: field("event: ").unwrap().to_owned(),
                    id: whole_id.split('-').next().unwrap().parse().unwrap(),
                    whole_id,
                    data: serde_json::from_str(field("data: ").unwrap()).unwrap(),
                };
                self.text = rest.into();
                return Some(found);
            }
            let frame = self.body.frame().await?.ok()?;
            let piece = frame.into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    async fn body_of_next(&mut self) -> String {
        let event = self.next().await.unwrap();
        assert_eq!(event.name, "log", "{event:?}");
        body(&event)
    }
}

fn body(event: &Event) -> String {
    let body = &event.data["record"]["body"]["stringValue"];
    body.as_str().unwrap().to_owned()
}

fn say(to: SocketAddr, texts: &[&str]) {
    let all: Vec<_> = texts
        .iter()
        .map(|text| json!({ "body": { "stringValue": text }, "severityNumber": 9 }))
        .collect();
    std::thread::spawn(move || post(to, "/v1/logs", &records("shop", &all)))
        .join()
        .unwrap();
}

#[test]
fn what_was_there_is_replayed_and_then_comes_what_arrives() {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    say(to, &["one", "two", "other"]);
    run(async {
        let mut events = Events::open(to, "/api/logs/stream?q=-other", None).await;
        assert_eq!(events.body_of_next().await, "one");
        assert_eq!(events.body_of_next().await, "two");
        let replayed = events.next().await.unwrap();
        assert_eq!(
            (replayed.name.as_str(), &replayed.data),
            ("replayed", &json!({ "count": 2 }))
        );
        // A reader with a narrow filter knows how far it came.
        assert_eq!(replayed.id, 3);
        say(to, &["other"]);
        say(to, &["three"]);
        let event = events.next().await.unwrap();
        assert_eq!((body(&event).as_str(), event.id), ("three", 5));
    });
}

#[test]
fn a_reader_goes_on_where_it_was() {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    say(to, &["one", "two", "three"]);
    run(async {
        let mut events = Events::open(to, "/api/logs/stream", Some("1")).await;
        assert_eq!(events.body_of_next().await, "two");
        let mut events = Events::open(to, "/api/logs/stream?after=2", None).await;
        assert_eq!(events.body_of_next().await, "three");
        // The header, which browsers send when they come back, counts for more than the URL.
        let mut events = Events::open(to, "/api/logs/stream?after=0", Some("2")).await;
        assert_eq!(events.body_of_next().await, "three");
        let mut events = Events::open(to, "/api/logs/stream?since=now", None).await;
        assert_eq!(events.next().await.unwrap().data, json!({ "count": 0 }));
    });
}

#[test]
fn a_reader_that_comes_back_to_another_run_is_told_and_misses_nothing() {
    let before = Collector::start().unwrap();
    say(before.local_addr(), &["old", "old"]);
    let last = run(async {
        let mut events = Events::open(before.local_addr(), "/api/logs/stream", None).await;
        events.next().await.unwrap();
        events.next().await.unwrap().whole_id
    });
    before.shutdown().unwrap();
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    run(async {
        // Its number has not been given out again yet, and later it has, for another record.
        say(to, &["one"]);
        for there in [&["one"][..], &["one", "two", "three"]] {
            // An order number alone, as people write it, can be told from its size only.
            let by_number = (there.len() == 1).then_some("2");
            for id in by_number.into_iter().chain([last.as_str()]) {
                let mut events = Events::open(to, "/api/logs/stream", Some(id)).await;
                let restarted = events.next().await.unwrap();
                assert_eq!(restarted.name, "restarted", "{id} {restarted:?}");
                assert!(restarted.data["startedAt"].is_string());
                for text in there {
                    assert_eq!(events.body_of_next().await, *text);
                }
            }
            if there.len() == 1 {
                say(to, &["two"]);
                say(to, &["three"]);
            }
        }
        // In its own run it goes on.
        let mut events = Events::open(to, "/api/logs/stream", None).await;
        let id = events.next().await.unwrap().whole_id;
        let path = format!("/api/logs/stream?after={id}");
        let mut events = Events::open(to, &path, None).await;
        assert_eq!(events.body_of_next().await, "two");
    });
}

#[test]
fn what_left_before_it_was_read_is_said() {
    let capacity = Capacity::default().with_records(2);
    let collector = Collector::builder()
        .with_capacity(capacity)
        .start()
        .unwrap();
    let to = collector.local_addr();
    say(to, &["one", "two", "three", "four", "five"]);
    run(async {
        let mut events = Events::open(to, "/api/logs/stream", Some("1")).await;
        let lagged = events.next().await.unwrap();
        assert_eq!(lagged.name, "lagged");
        assert_eq!(
            lagged.data,
            json!({ "missed": 2, "firstMissed": 2, "nextSeq": 4 })
        );
        assert_eq!(events.body_of_next().await, "four");
        assert_eq!(events.body_of_next().await, "five");
    });
}

#[test]
fn readers_that_do_not_read_hold_nobody_up() {
    let capacity = Capacity::default().with_bytes(4 * 1024 * 1024);
    let collector = Collector::builder()
        .with_capacity(capacity)
        .start()
        .unwrap();
    let to = collector.local_addr();
    run(async {
        let mut sleepers = Vec::new();
        for _ in 0..20 {
            sleepers.push(Events::open(to, "/api/logs/stream", Some("0")).await);
        }
        // Much more than fits into the buffers of twenty connections and into the store.
        let text = "x".repeat(10_000);
        for _ in 0..60 {
            let texts = vec![text.as_str(); 20];
            let body = records(
                "shop",
                &texts
                    .iter()
                    .map(|text| json!({ "body": { "stringValue": text } }))
                    .collect::<Vec<_>>(),
            );
            let ask = Ask::post("/v1/logs", JSON, body.to_string());
            let sent = ask.send(to, http::Version::HTTP_11);
            assert_eq!(
                tokio::time::timeout(PATIENCE, sent).await.unwrap().status,
                200
            );
        }
        assert_eq!(collector.counts().logs, 1_200);
        // One of them wakes up: it is told what it missed, and goes on to the newest.
        let mut events = sleepers.pop().unwrap();
        let (mut last, mut missed, mut read) = (0, 0, 0);
        while last < 1_200 {
            let event = events.next().await.unwrap();
            assert!(event.id >= last, "{} after {last}", event.id);
            last = event.id;
            match event.name.as_str() {
                "log" => read += 1,
                "lagged" => missed += event.data["missed"].as_u64().unwrap(),
                _ => {}
            }
        }
        assert!(missed > 0);
        assert_eq!(read + missed, 1_200);
    });
}

#[test]
fn streams_end_with_the_collector() {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    run(async {
        let mut events = Events::open(to, "/api/logs/stream", None).await;
        assert_eq!(events.next().await.unwrap().name, "replayed");
        let begin = std::time::Instant::now();
        tokio::task::spawn_blocking(move || collector.shutdown().unwrap())
            .await
            .unwrap();
        assert!(events.next().await.is_none());
        // Not only because time for connections ran out.
        assert!(
            begin.elapsed() < Duration::from_millis(900),
            "{:?}",
            begin.elapsed()
        );
    });
}
