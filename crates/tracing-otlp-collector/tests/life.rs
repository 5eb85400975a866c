//! The collector's life beside an application: any runtime or none, many clients, a bounded end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peer;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use http::Version;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use peer::{Ask, JSON, LOGS_JSON, PATIENCE, PROTOBUF, logs, run, traces};
use prost::Message as _;
use tracing_otlp_collector::Collector;

/// An exporter without any runtime: a blocking socket.
fn post_blocking(collector: &Collector) -> String {
    let mut stream = TcpStream::connect(collector.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = LOGS_JSON.len();
    let request = format!(
        "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{LOGS_JSON}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_works_without_a_runtime() {
    let collector = Collector::start().unwrap();
    assert!(post_blocking(&collector).starts_with("HTTP/1.1 200"));
    assert_eq!(collector.wait_for_logs(1, PATIENCE).unwrap().len(), 1);
}

#[test]
fn it_answers_while_the_only_thread_of_a_runtime_is_blocked() {
    run(async {
        // All of this blocks the runtime's thread; so do start and drop.
        let collector = Collector::start().unwrap();
        assert!(post_blocking(&collector).starts_with("HTTP/1.1 200"));
        collector.wait_for_logs(1, PATIENCE).unwrap();
        collector.shutdown().unwrap();
    });
}

#[test]
fn many_clients_at_once_lose_nothing() {
    const CLIENTS: usize = 32;
    const REQUESTS: usize = 10;
    let collector = Arc::new(Collector::start().unwrap());
    let to = collector.local_addr();
    let threads: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let endpoint = collector.endpoint();
            thread::spawn(move || {
                run(async move {
                    if client % 4 == 0 {
                        let mut grpc = LogsServiceClient::connect(endpoint).await.unwrap();
                        for _ in 0..REQUESTS {
                            grpc.export(logs(["a", "b"])).await.unwrap();
                        }
                        return;
                    }
                    let version = if client % 2 == 0 {
                        Version::HTTP_2
                    } else {
                        Version::HTTP_11
                    };
                    for _ in 0..REQUESTS {
                        let ask = Ask::post("/v1/logs", PROTOBUF, logs(["a", "b"]).encode_to_vec());
                        assert_eq!(ask.send(to, version).await.status, 200);
                    }
                });
            })
        })
        .collect();
    let waiting = collector
        .wait_for_logs(CLIENTS * REQUESTS * 2, PATIENCE)
        .unwrap();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(waiting.len(), CLIENTS * REQUESTS * 2);
    assert_eq!(collector.counts().log_requests, (CLIENTS * REQUESTS) as u64);
}

#[test]
fn shutdown_is_bounded_while_clients_hold_their_connections_open() {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    let connect = |sent: &[u8]| {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.write_all(sent).unwrap();
        stream
    };
    let mut open = vec![
        connect(b""),
        connect(b"POST /v1/l"),
        connect(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
        connect(
            b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
              Content-Length: 100\r\n\r\n{",
        ),
    ];
    // One that was answered and is kept alive.
    let mut idle = connect(
        b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
          Content-Length: 2\r\n\r\n{}",
    );
    let mut first = [0; 12];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    open.push(idle);

    let begin = Instant::now();
    collector.shutdown().unwrap();
    assert!(
        begin.elapsed() < Duration::from_millis(2_500),
        "{:?}",
        begin.elapsed()
    );
    assert!(TcpStream::connect(to).is_err(), "the port is closed");
    for mut stream in open {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Closed, or reset when bytes were left unread: either way the client is not left hanging.
        let mut rest = Vec::new();
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
    // Twice is fine, and what was kept can still be read.
    collector.shutdown().unwrap();
    assert_eq!(collector.counts().log_requests, 1);
}

#[test]
fn shutdown_without_clients_is_quick() {
    let begin = Instant::now();
    for _ in 0..10 {
        drop(Collector::start().unwrap());
    }
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_request_in_flight_is_finished_before_the_end() {
    let collector = Arc::new(Collector::start().unwrap());
    let mut stream = TcpStream::connect(collector.local_addr()).unwrap();
    stream
        .write_all(
            b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
              Content-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        )
        .unwrap();
    // "100 Continue" says that the collector is waiting for the body.
    let mut first = [0; 25];
    stream.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 100 "));
    let ending = thread::spawn({
        let collector = Arc::clone(&collector);
        move || collector.shutdown().unwrap()
    });
    // Its port closes first, which is how this end learns that the shutdown has begun.
    while TcpStream::connect(collector.local_addr()).is_ok() {
        thread::yield_now();
    }
    stream.write_all(b"{}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    ending.join().unwrap();
    assert_eq!(collector.counts().log_requests, 1);
}

#[test]
fn a_port_that_is_taken_is_said_to_be() {
    let first = Collector::start().unwrap();
    let error = Collector::builder()
        .with_address(first.local_addr())
        .start()
        .unwrap_err();
    assert!(error.is_address_in_use(), "{error:?}");
    assert!(!error.is_timeout());
    assert_eq!(
        error.to_string(),
        format!("the collector cannot listen on {}", first.local_addr())
    );
    let address = first.local_addr();
    drop(first);
    let second = Collector::builder().with_address(address).start().unwrap();
    assert_eq!(second.endpoint(), format!("http://{address}"));
}

#[test]
fn a_record_is_linked_once_its_span_arrives() {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    run(async {
        Ask::post("/v1/logs", JSON, LOGS_JSON)
            .send(to, Version::HTTP_11)
            .await;
        assert_eq!(
            collector.audit().to_string(),
            "records=1 linked=0 unlinked=0 orphaned=1"
        );
        assert!(
            collector
                .trace_tree()
                .as_str()
                .contains("? span 0202020202020202 never arrived")
        );
        let body = traces("GET /").encode_to_vec();
        Ask::post("/v1/traces", PROTOBUF, body)
            .send(to, Version::HTTP_11)
            .await;
    });
    let settled = collector
        .wait_for(|kept| kept.audit().orphaned == 0, PATIENCE)
        .unwrap();
    assert_eq!(
        settled.audit().to_string(),
        "records=1 linked=1 unlinked=0 orphaned=0"
    );
    assert!(settled.audit().is_clean());
    assert_eq!(
        settled.trace_tree().to_string(),
        "\
trace 01010101010101010101010101010101 · 1 span · 1 record
└─ GET / [server] · 1.0ms
   └─ INFO  hello"
    );
}
