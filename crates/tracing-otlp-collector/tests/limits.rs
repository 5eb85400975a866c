//! What a request may cost: bodies on the wire, unpacked bodies, bombs, and what is kept.

mod peer;

use std::time::{Duration, Instant};

use http::Version;
use peer::{Ask, PROTOBUF, logs, pack, run};
use prost::Message as _;
use tracing_otlp_collector::{Capacity, Collector};

#[test]
fn the_body_limit_holds_after_unpacking() {
    let limit = 100_000;
    let collector = Collector::builder().with_max_body(limit).start().unwrap();
    let to = collector.local_addr();
    let of_size = |size: usize| {
        let overhead = logs([""]).encode_to_vec().len() + 20;
        let mut body = "x".repeat(size - overhead);
        // Lengths are varints: grow until the size is met.
        while logs([&body]).encode_to_vec().len() < size {
            body.push('x');
        }
        logs([&body]).encode_to_vec()
    };
    for encoding in ["identity", "gzip", "zstd", "deflate"] {
        for (size, status) in [(limit, 200), (limit + 1, 413)] {
            let body = of_size(size);
            assert_eq!(body.len(), size);
            let ask = Ask::post("/v1/logs", PROTOBUF, pack(encoding, &body));
            let ask = ask.with("content-encoding", encoding);
            let answer = run(ask.send(to, Version::HTTP_11));
            assert_eq!(answer.status, status, "{encoding} {size}");
        }
    }
}

#[test]
fn a_bomb_is_refused_before_it_unpacks() {
    let zeros = pack("gzip", &vec![0; 4 * 1024 * 1024]);
    let bombs = [
        // Gzip members follow each other, each of 4 MiB: 1 GiB together.
        ("gzip", zeros.repeat(256)),
        ("zstd", zstd_bomb(100_000)),
    ];
    for (encoding, bomb) in bombs {
        let collector = Collector::builder()
            .with_max_body(bomb.len())
            .start()
            .unwrap();
        let ask = Ask::post("/v1/logs", PROTOBUF, bomb).with("content-encoding", encoding);
        let begin = Instant::now();
        let answer = run(ask.send(collector.local_addr(), Version::HTTP_2));
        assert_eq!(answer.status, 413, "{encoding}");
        // Whoever unpacks gigabytes before looking at their number needs much longer.
        assert!(
            begin.elapsed() < Duration::from_secs(3),
            "{encoding} {:?}",
            begin.elapsed()
        );
    }
}

/// A zstd frame whose blocks each say "128 KiB of zeros" in four bytes: `n` of them.
fn zstd_bomb(n: usize) -> Vec<u8> {
    // The magic number, no options, a window of 128 KiB.
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    for nth in 1..=n {
        let is_last = u32::from(nth == n);
        let header = is_last | 1 << 1 | (128 * 1024) << 3;
        bomb.extend_from_slice(&header.to_le_bytes()[..3]);
        bomb.push(0);
    }
    bomb
}

#[test]
fn a_zstd_frame_that_wants_a_huge_window_is_refused() {
    let collector = Collector::builder().with_max_body(1_000).start().unwrap();
    let mut frame = zstd_bomb(1);
    frame[5] = (27 - 10) << 3; // 128 MiB
    let ask = Ask::post("/v1/logs", PROTOBUF, frame).with("content-encoding", "zstd");
    let answer = run(ask.send(collector.local_addr(), Version::HTTP_11));
    assert_eq!(answer.status, 400);
    assert!(
        String::from_utf8_lossy(&answer.body).contains("memory"),
        "{answer:?}"
    );
}

#[test]
fn a_full_store_lets_the_oldest_go() {
    let capacity = Capacity::default().with_records(3);
    let collector = Collector::builder()
        .with_capacity(capacity)
        .start()
        .unwrap();
    let body = logs(["1", "2", "3", "4", "5"]).encode_to_vec();
    run(Ask::post("/v1/logs", PROTOBUF, body).send(collector.local_addr(), Version::HTTP_11));
    let logs = collector.logs();
    let bodies: Vec<_> = logs.iter().filter_map(|log| log.body_str()).collect();
    assert_eq!(bodies, ["3", "4", "5"]);
    assert_eq!(
        (collector.counts().logs, collector.counts().evicted_logs),
        (5, 2)
    );
    collector.clear();
    assert_eq!(collector.logs().len(), 0);
}
