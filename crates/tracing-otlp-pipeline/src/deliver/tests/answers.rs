//! What becomes of a request by the answer that it gets: the tables of the specification.

use super::*;

/// What should become of a request of ten records that is always answered like this.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Fate {
    Delivered,
    Retried(LossReason),
    Lost(LossReason),
    Split,
}

async fn check(answer: Answer, fate: Fate, what: &str) {
    let rig = Rig::new(&patient(), [], Play::Answer(answer));
    rig.push(10);
    let counts = rig.settle().await;
    let times = rig.times();
    match fate {
        Fate::Delivered => {
            assert_eq!(times, [0.0], "{what}");
            assert_eq!(counts.delivered(), 10, "{what}");
        }
        Fate::Lost(reason) => {
            assert_eq!(times, [0.0], "{what}");
            assert_eq!(counts.lost_by(reason), 10, "{what}: {counts}");
        }
        Fate::Retried(reason) => {
            assert_eq!(counts.lost_by(reason), 10, "{what}: {counts}");
            // With waits of at most 32 s there is room for many attempts.
            assert!(times.len() > 10, "{what}: {times:?}");
            for (retry, pair) in times.windows(2).enumerate() {
                let bound = 1u32 << retry.min(5);
                // The clock of the runtime ticks in milliseconds.
                let waited = pair[1] - pair[0];
                assert!(waited <= f64::from(bound) + 0.002, "{what}: {times:?}");
            }
            // And the last one was made when the time was over.
            assert!(
                (300.0..300.01).contains(times.last().unwrap()),
                "{what}: {times:?}"
            );
        }
        Fate::Split => {
            assert_eq!(counts.lost_by(LossReason::TooLarge), 10, "{what}: {counts}");
            let alone = rig.seen().iter().filter(|seen| seen.records == 1).count();
            assert_eq!(alone, 10, "{what}");
            assert_eq!(rig.seen()[0].records, 10);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_http_status_has_the_fate_that_the_specification_gives_it() {
    for status in 200..=599 {
        let fate = match status {
            200..=299 => Fate::Delivered,
            429 | 502 | 503 | 504 => Fate::Retried(LossReason::Unavailable),
            401 | 403 => Fate::Lost(LossReason::Unauthorized),
            413 => Fate::Split,
            _ => Fate::Lost(LossReason::Rejected),
        };
        for body in ["", "no, not now"] {
            let response = http::Response::builder().status(status).body(body).unwrap();
            let answer = wire::http_answer(response);
            check(answer, fate, &format!("HTTP {status}")).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_recognised_by_its_aliases() {
    let json = "{\"code\":3,\"message\":\"http: request body too large\"}";
    for (status, kind, body, fate) in [
        (400, "text/plain", "request body too large", Fate::Split),
        (400, "text/plain", "Request Entity TOO LARGE\n", Fate::Split),
        (400, "application/json", json, Fate::Split),
        (
            400,
            "application/x-protobuf",
            "\x08\x03\x12\x16request body too large",
            Fate::Split,
        ),
        (
            400,
            "text/plain",
            "gRPC message exceeds maximum size 4194304: 5000000",
            Fate::Split,
        ),
        (
            400,
            "text/plain",
            "Received message exceeds the maximum configured message size.",
            Fate::Split,
        ),
        (
            400,
            "text/plain",
            "the rate of messages exceeds the maximum",
            Fate::Lost(LossReason::Rejected),
        ),
        (
            400,
            "text/plain",
            "malformed",
            Fate::Lost(LossReason::Rejected),
        ),
        (
            500,
            "text/plain",
            "request body too large",
            Fate::Lost(LossReason::Rejected),
        ),
    ] {
        let response = http::Response::builder()
            .status(status)
            .header("content-type", kind)
            .body(body)
            .unwrap();
        check(wire::http_answer(response), fate, body).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_tried_again() {
    let timeout = Answer::TimedOut(Duration::from_secs(10));
    check(timeout, Fate::Retried(LossReason::Timeout), "timeout").await;
    check(
        unreachable(),
        Fate::Retried(LossReason::Unreachable),
        "lost",
    )
    .await;
}

/// `google.rpc.Status` with a `RetryInfo` of two seconds, and the same without details.
#[cfg(feature = "grpc")]
fn details(with_info: bool) -> String {
    use base64::Engine as _;
    let mut status = vec![8, 14];
    if with_info {
        let kind = b"type.googleapis.com/google.rpc.RetryInfo";
        let mut any = vec![0x0a, u8::try_from(kind.len()).unwrap()];
        any.extend(kind);
        any.extend([0x12, 4, 0x0a, 2, 0x08, 2]);
        status.extend([0x1a, u8::try_from(any.len()).unwrap()]);
        status.extend(any);
    }
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(status)
}

#[cfg(feature = "grpc")]
fn grpc(code: u32, message: &str, with_info: bool) -> Answer {
    wire::grpc_answer(
        http::Response::builder()
            .header("grpc-status", code)
            .header("grpc-message", message)
            .header("grpc-status-details-bin", details(with_info))
            .body(())
            .unwrap(),
    )
}

#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn every_grpc_code_has_the_fate_that_the_specification_gives_it() {
    for code in 0..=20 {
        let fate = match code {
            0 => Fate::Delivered,
            1 | 4 | 10 | 11 | 14 | 15 => Fate::Retried(LossReason::Unavailable),
            7 | 16 => Fate::Lost(LossReason::Unauthorized),
            _ => Fate::Lost(LossReason::Rejected),
        };
        check(grpc(code, "no", false), fate, &format!("gRPC {code}")).await;
    }
    let large = "grpc: received message larger than max (5000000 vs. 4194304)";
    check(grpc(8, large, false), Fate::Split, "RESOURCE_EXHAUSTED").await;
    check(grpc(8, large, true), Fate::Split, "RESOURCE_EXHAUSTED").await;
    let large = "decoded message length too large: found 5 bytes, the limit is: 4 bytes";
    check(grpc(11, large, false), Fate::Split, "OUT_OF_RANGE").await;
    check(
        grpc(3, large, false),
        Fate::Lost(LossReason::Rejected),
        "INVALID_ARGUMENT",
    )
    .await;
}

#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn a_status_of_http_under_grpc_is_that_of_http() {
    for (status, fate) in [
        (503, Fate::Retried(LossReason::Unavailable)),
        (429, Fate::Retried(LossReason::Unavailable)),
        (413, Fate::Split),
        (404, Fate::Lost(LossReason::Rejected)),
        (403, Fate::Lost(LossReason::Unauthorized)),
    ] {
        let response = http::Response::builder().status(status).body(()).unwrap();
        check(wire::grpc_answer(response), fate, &format!("HTTP {status}")).await;
    }
}

#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn retry_info_makes_resource_exhausted_retryable_and_says_when() {
    let rig = Rig::new(
        &patient(),
        [
            Play::Answer(grpc(8, "quota", true)),
            Play::Answer(grpc(14, "", true)),
        ],
        Play::Answer(accepted()),
    );
    rig.push(10);
    assert_eq!(rig.settle().await.delivered(), 10);
    // The second backoff may be as long as the server's two seconds, not longer.
    assert_eq!(
        rig.times().iter().map(|t| t.round()).collect::<Vec<_>>(),
        [0.0, 2.0, 4.0]
    );
}
