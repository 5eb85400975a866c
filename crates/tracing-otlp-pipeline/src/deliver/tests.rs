//! The whole of delivery against a scripted destination, with time turned by hand.

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroUsize},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use super::rig::{Play, Rig, accepted, http, unreachable, wait};
use crate::{
    deliver::queue::Refusal,
    ledger::LossReason,
    settings::{BreakerSettings, DeliverySettings, RetrySettings, Signal},
    wire::{self, Answer},
};

fn patient() -> DeliverySettings {
    DeliverySettings::default().with_breaker(BreakerSettings::disabled())
}

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

#[tokio::test(start_paused = true)]
async fn a_success_after_failures_is_a_success() {
    let script = [unreachable(), http(503), http(429), http(504)].map(Play::Answer);
    let rig = Rig::new(&patient(), script, Play::Answer(accepted()));
    rig.push(10);
    let counts = rig.settle().await;
    assert_eq!((counts.delivered(), counts.lost()), (10, 0));
    assert_eq!(rig.times().len(), 5);
    assert_eq!(
        rig.events().last().unwrap(),
        "10 of logs delivered, attempt 5"
    );
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept_by_everything_that_goes_there() {
    for status in [429, 503] {
        let rig = Rig::new(
            &patient(),
            [Play::Answer(wait(status, 7))],
            Play::Answer(accepted()),
        );
        rig.push(1);
        rig.until(3).await;
        rig.push(1);
        rig.until(6).await;
        assert_eq!(rig.times(), [0.0]);
        rig.settle().await;
        assert_eq!(
            rig.times().iter().map(|t| t.floor()).collect::<Vec<_>>(),
            [0.0, 7.0, 7.0]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn both_forms_of_retry_after_reach_the_schedule() {
    for text in ["15", "Sun, 06 Nov 1994 08:49:52 GMT"] {
        let response = http::Response::builder()
            .status(503)
            .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .header("retry-after", text)
            .body("")
            .unwrap();
        let script = [Play::Answer(wire::http_answer(response))];
        let rig = Rig::new(&patient(), script, Play::Answer(accepted()));
        rig.push(1);
        rig.settle().await;
        assert!((15.0..15.01).contains(&rig.times()[1]), "{:?}", rig.times());
        assert!(
            rig.events()[0].contains("next in 15s"),
            "{:?}",
            rig.events()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_gives_up_at_once_and_is_cut_for_the_others() {
    for seconds in [301, 1_000_000_000, u64::MAX] {
        let rig = Rig::new(
            &patient(),
            [Play::Answer(wait(503, seconds))],
            Play::Answer(accepted()),
        );
        rig.push(4);
        rig.turn().await;
        assert_eq!(rig.now(), Duration::ZERO);
        assert_eq!(rig.counts().lost_by(LossReason::Unavailable), 4);
        rig.push(5);
        rig.until(299).await;
        assert_eq!(rig.times().len(), 1);
        rig.until(301).await;
        assert_eq!(rig.counts().delivered(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn without_retries_there_is_one_attempt() {
    let settings = patient().with_retry(RetrySettings::never());
    let rig = Rig::new(&settings, [], Play::Answer(http(503)));
    rig.push(3);
    rig.turn().await;
    assert_eq!(rig.counts().lost_by(LossReason::Unavailable), 3);
    assert_eq!(rig.times(), [0.0]);
}

#[tokio::test(start_paused = true)]
async fn a_partial_success_is_counted_and_never_retried() {
    for (rejected, delivered, lost) in [(0, 10, 0), (3, 7, 3), (10, 0, 10), (99, 0, 10)] {
        let message = "too old".to_owned();
        let rig = Rig::new(
            &patient(),
            [],
            Play::Answer(Answer::Accepted { rejected, message }),
        );
        rig.push(10);
        let counts = rig.settle().await;
        assert_eq!(
            (counts.delivered(), counts.lost_by(LossReason::Rejected)),
            (delivered, lost)
        );
        assert_eq!(rig.times(), [0.0]);
        let told = format!("{lost} of logs rejected, too old");
        assert_eq!(rig.events().contains(&told), lost > 0, "{:?}", rig.events());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_halved_until_it_fits_and_the_limit_is_remembered() {
    let settings = patient();
    let rig = Rig::new(&settings, [], Play::UpTo(3000));
    rig.push_sized(100, 100).unwrap();
    let counts = rig.settle().await;
    assert_eq!((counts.delivered(), counts.lost()), (100, 0));
    let refused = |rig: &Rig| rig.seen().iter().filter(|seen| seen.bytes > 3000).count();
    let first = refused(&rig);
    assert!((1..=3).contains(&first), "{first}");
    assert_eq!(rig.now().as_secs(), 0, "splitting waits for nothing");
    // Later batches are split before they are sent.
    rig.push_sized(100, 100).unwrap();
    assert_eq!(rig.settle().await.delivered(), 200);
    assert_eq!(refused(&rig), first);
    // Every record arrived, once each time.
    let mut arrived = BTreeMap::new();
    for seen in rig.seen().iter().filter(|seen| seen.bytes <= 3000) {
        for body in &seen.bodies {
            *arrived.entry(body.clone()).or_insert(0) += 1;
        }
    }
    assert_eq!(arrived.len(), 100);
    assert!(arrived.values().all(|times| *times == 2));
    // After a while more is tried again, and learned again.
    for turn in 1..=4 {
        rig.until(turn * 601).await;
        rig.push_sized(100, 100).unwrap();
        rig.settle().await;
    }
    assert!(refused(&rig) > first);
    assert_eq!(rig.counts().delivered(), 600);
}

#[tokio::test(start_paused = true)]
async fn one_record_that_is_too_large_alone_is_cut_and_the_others_arrive_whole() {
    let rig = Rig::new(&patient(), [], Play::UpTo(3000));
    let bodies = (0..50).map(|index| match index {
        33 => "x".repeat(10_000),
        _ => format!("{index}"),
    });
    rig.push_bodies(bodies).unwrap();
    let counts = rig.settle().await;
    assert_eq!((counts.delivered(), counts.lost()), (50, 0));
    let seen = rig.seen();
    let arrived = seen.iter().filter(|seen| seen.bytes <= 3000);
    let arrived: Vec<_> = arrived.flat_map(|seen| &seen.bodies).collect();
    assert_eq!(arrived.len(), 50);
    let giant = arrived.iter().find(|body| body.starts_with('x')).unwrap();
    // No more was cut than had to be.
    assert!((1000..3000).contains(&giant.len()), "{}", giant.len());
    assert_eq!(rig.said(), [""; 0]);
    let cut: Vec<_> = rig.events();
    let cut: Vec<_> = cut
        .iter()
        .filter(|event| event.contains(" cut from "))
        .collect();
    assert!(cut[0].starts_with("1 of logs cut from 100"), "{cut:?}");
    // The giant says little about the others: they go on in batches.
    let before = rig.times().len();
    rig.push_sized(20, 10).unwrap();
    rig.settle().await;
    assert_eq!(rig.times().len(), before + 1);
    // The next one is sent whole, and then at once in a size that is taken.
    let before = rig.times().len();
    rig.push_sized(1, 50_000).unwrap();
    rig.settle().await;
    assert_eq!(rig.times().len(), before + 2);
}

#[tokio::test(start_paused = true)]
async fn a_record_of_which_nothing_is_left_to_cut_is_lost_and_counted() {
    let rig = Rig::new(&patient(), [], Play::UpTo(100));
    rig.push_sized(1, 5000).unwrap();
    let counts = rig.settle().await;
    assert_eq!(
        (counts.delivered(), counts.lost_by(LossReason::TooLarge)),
        (0, 1)
    );
    rig.turn().await;
    assert_eq!(rig.said(), ["losing logs: too_large"]);
    let seen = rig.seen();
    assert_eq!(seen.last().unwrap().bodies[0].len(), 128);
    assert!(seen.len() < 10, "{}", seen.len());
    assert_eq!(rig.now().as_secs(), 0, "cutting waits for nothing");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_too_large_is_cut_during_a_shutdown_too() {
    let mut rig = Rig::new(&patient(), [], Play::UpTo(3000));
    rig.push_sized(1, 50_000).unwrap();
    let counts = rig.close().await;
    assert_eq!((counts.delivered(), counts.lost()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_probes_alone_and_closes() {
    let settings = DeliverySettings::default();
    let rig = Rig::new(&settings, [], Play::Answer(unreachable()));
    for _ in 0..10 {
        rig.push(1);
    }
    rig.until(8).await;
    // Those that were under way when it opened may be more than the five.
    let at_first = rig.times().len();
    assert!((5..=8).contains(&at_first), "{:?}", rig.times());
    let events = rig.events();
    assert!(
        events.contains(&"breaker of logs open".to_owned()),
        "{events:?}"
    );
    rig.until(29).await;
    // One probe every ten seconds.
    let probes = rig.times()[at_first..].to_vec();
    assert!((1..=2).contains(&probes.len()), "{probes:?}");
    assert_eq!(rig.counts().pending(), 10);
    rig.then(Play::Answer(accepted()));
    let counts = rig.settle().await;
    assert_eq!((counts.delivered(), counts.lost()), (10, 0));
    assert!(rig.now().as_secs() < 45);
    let states: Vec<_> = rig
        .events()
        .into_iter()
        .filter(|event| event.starts_with("breaker"))
        .map(|event| event.rsplit(' ').next().unwrap().to_owned())
        .collect();
    let tail = &states[states.len() - 2..];
    assert_eq!(states[0], "open");
    assert_eq!(tail, ["half-open", "closed"]);
    for pair in states.windows(2) {
        let next = match &*pair[0] {
            "open" => "half-open",
            "closed" => "open",
            _ => continue,
        };
        assert_eq!(pair[1], next, "{states:?}");
    }
    let said = rig.said();
    assert_eq!(said.len(), 2, "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn repeated_fatal_answers_open_the_breaker_and_what_waits_is_kept() {
    let failures = NonZeroU32::new(3).unwrap();
    let settings = DeliverySettings::default()
        .with_max_in_flight(NonZeroUsize::MIN)
        .with_breaker(BreakerSettings::default().with_failures(failures));
    let rig = Rig::new(&settings, [], Play::Answer(http(404)));
    for _ in 0..10 {
        rig.push(1);
    }
    rig.until(9).await;
    assert_eq!(rig.counts().lost_by(LossReason::Rejected), 3);
    rig.until(15).await;
    assert_eq!(rig.counts().lost_by(LossReason::Rejected), 4);
    rig.then(Play::Answer(accepted()));
    assert_eq!(rig.settle().await.delivered(), 6);
}

#[tokio::test(start_paused = true)]
async fn behind_an_open_breaker_requests_still_expire() {
    let settings = DeliverySettings::default()
        .with_breaker(BreakerSettings::default().with_open_for(Duration::from_secs(3600)));
    let rig = Rig::new(&settings, [], Play::Answer(unreachable()));
    for _ in 0..6 {
        rig.push(1);
    }
    rig.until(299).await;
    assert_eq!(rig.counts().lost(), 0);
    rig.until(320).await;
    let counts = rig.counts();
    let tried = counts.lost_by(LossReason::Unreachable);
    // What was never tried has no deadline.
    assert!((4..=6).contains(&tried), "{counts}");
    assert_eq!(counts.pending(), 6 - tried);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_is_followed_by_another() {
    let settings = DeliverySettings::default()
        .with_max_in_flight(NonZeroUsize::MIN)
        .with_breaker(BreakerSettings::default().with_failures(NonZeroU32::MIN));
    let script = [Play::Answer(http(404)), Play::Panic];
    let rig = Rig::new(&settings, script, Play::Answer(accepted()));
    for _ in 0..3 {
        rig.push(1);
    }
    let counts = rig.settle().await;
    assert_eq!(
        (counts.delivered(), counts.lost_by(LossReason::Panic)),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_stop_the_export_until_they_work_again() {
    for status in [401, 403] {
        let rig = Rig::new(
            &DeliverySettings::default(),
            [Play::Answer(http(status)), Play::Answer(http(status))],
            Play::Answer(accepted()),
        );
        rig.push(1);
        rig.turn().await;
        for _ in 0..10 {
            rig.push(1);
        }
        rig.until(59).await;
        assert_eq!(rig.times(), [0.0]);
        // The first question is answered with no, the second with yes, and all go.
        rig.until(119).await;
        assert_eq!(rig.times().len(), 2);
        assert_eq!(rig.counts().lost_by(LossReason::Unauthorized), 2);
        rig.until(121).await;
        let counts = rig.counts();
        assert_eq!((counts.delivered(), counts.pending()), (9, 0));
        let said = rig.said();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].starts_with("export of logs stopped, http://test"),
            "{said:?}"
        );
        assert!(said[1].starts_with("export of logs resumed"), "{said:?}");
        let events = rig.events();
        let of = |what: &str| events.iter().filter(|event| event.contains(what)).count();
        assert_eq!((of("stopped"), of("resumed")), (1, 1), "{events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn offline_burns_neither_attempts_nor_deadlines() {
    let rig = Rig::new(
        &patient(),
        [Play::Answer(http(503))],
        Play::Answer(accepted()),
    );
    rig.push(1);
    rig.turn().await;
    rig.queue.set_online(false);
    rig.push(1);
    rig.until(1000).await;
    // Somebody looks in between, and nothing has expired.
    rig.queue.wake();
    rig.until(3600).await;
    assert_eq!(rig.times(), [0.0]);
    assert_eq!(rig.counts().pending(), 2);
    rig.queue.set_online(true);
    rig.turn().await;
    assert_eq!(rig.counts().delivered(), 2);
    let events = rig.events();
    let of = |what: &str| events.iter().filter(|event| *event == what).count();
    assert_eq!((of("offline"), of("online")), (1, 1), "{events:?}");
    assert!(
        events.contains(&"1 of logs delivered, attempt 2".to_owned()),
        "{events:?}"
    );
    assert!(
        events.contains(&"1 of logs delivered, attempt 1".to_owned()),
        "{events:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_because_the_network_went_does_not_count() {
    let settings = DeliverySettings::default()
        .with_breaker(BreakerSettings::default().with_failures(NonZeroU32::MIN));
    let late = Play::Late(Duration::from_secs(5), unreachable());
    let rig = Rig::new(&settings, [late], Play::Answer(accepted()));
    rig.push(1);
    rig.until(1).await;
    rig.queue.set_online(false);
    rig.until(100).await;
    rig.queue.set_online(true);
    rig.turn().await;
    assert_eq!(rig.counts().delivered(), 1);
    assert_eq!(
        rig.events().last().unwrap(),
        "1 of logs delivered, attempt 1"
    );
}

#[tokio::test(start_paused = true)]
async fn the_callback_for_connectivity_is_asked_and_may_panic() {
    let online = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&online);
    let panics = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&panics);
    let rig = Rig::with_connectivity(
        &patient(),
        [],
        Play::Answer(accepted()),
        Some(Arc::new(move || {
            let online = theirs.load(SeqCst);
            assert!(!online || counted.fetch_add(1, SeqCst) > 0, "the callback");
            online
        })),
    );
    rig.push(1);
    rig.until(60).await;
    assert!(rig.times().is_empty());
    online.store(true, SeqCst);
    rig.until(62).await;
    assert_eq!(rig.counts().delivered(), 1);
    assert!(panics.load(SeqCst) > 0);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_during_a_backoff_tries_once_more_and_ends_at_once() {
    for (last, delivered) in [(accepted(), 30), (http(503), 0)] {
        let mut rig = Rig::new(&patient(), [], Play::Answer(http(503)));
        for _ in 0..3 {
            rig.push(10);
        }
        rig.until(40).await;
        let (before, then) = (rig.times().len(), rig.now());
        rig.then(Play::Answer(last));
        let counts = rig.close().await;
        assert_eq!(rig.now(), then, "it waited");
        assert_eq!(rig.times().len(), before + 3);
        assert_eq!(counts.delivered(), delivered);
        assert_eq!(counts.lost_by(LossReason::Unavailable), 30 - delivered);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_at_a_shutdown_gets_its_last_chance_too() {
    let late = |answer| Play::Late(Duration::from_secs(1), answer);
    let mut rig = Rig::new(&patient(), [late(http(503))], Play::Answer(accepted()));
    rig.push(1);
    rig.turn().await;
    assert_eq!(rig.close().await.delivered(), 1);
    let mut rig = Rig::new(&patient(), [], late(http(503)));
    rig.push(1);
    rig.turn().await;
    assert_eq!(rig.close().await.lost_by(LossReason::Unavailable), 1);
    assert_eq!(rig.times(), [0.0, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_asks_a_destination_that_is_down_once_and_not_for_every_request() {
    let mut rig = Rig::new(
        &DeliverySettings::default(),
        [],
        Play::Answer(unreachable()),
    );
    for _ in 0..100 {
        rig.push(1);
    }
    rig.until(8).await;
    let before = rig.times().len();
    let then = rig.now();
    let counts = rig.close().await;
    assert_eq!(rig.now(), then);
    assert_eq!(rig.times().len(), before + 1);
    assert_eq!(counts.lost_by(LossReason::Unreachable), 100);

    let mut rig = Rig::new(&DeliverySettings::default(), [], Play::Answer(http(401)));
    rig.push(1);
    rig.turn().await;
    for _ in 0..99 {
        rig.push(1);
    }
    let counts = rig.close().await;
    assert_eq!(rig.times(), [0.0, 0.0]);
    assert_eq!(counts.lost_by(LossReason::Unauthorized), 100);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_retry_after() {
    let script = [Play::Answer(wait(503, 200))];
    let mut rig = Rig::new(&patient(), script, Play::Answer(accepted()));
    rig.push(1);
    rig.turn().await;
    assert_eq!(rig.close().await.delivered(), 1);
    assert_eq!(rig.now(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_offline_sends_nothing_and_counts() {
    let mut rig = Rig::new(&patient(), [], Play::Answer(accepted()));
    rig.queue.set_online(false);
    rig.push(3);
    let counts = rig.close().await;
    assert_eq!(counts.lost_by(LossReason::Unreachable), 3);
    assert!(rig.times().is_empty());
}

#[tokio::test(start_paused = true)]
async fn fresh_data_is_not_held_up_by_data_that_failed_before() {
    let rig = Rig::new(&patient(), [], Play::Answer(accepted()));
    let timeout = Duration::from_secs(10);
    rig.pick(move |seen| {
        let old = seen.bodies[0].starts_with("old");
        old.then_some(Play::Late(timeout, Answer::TimedOut(timeout)))
    });
    for _ in 0..12 {
        rig.push_bodies(std::iter::once("old".into())).unwrap();
    }
    // After a few rounds of four there are retries only.
    rig.until(61).await;
    for second in 62..100 {
        rig.push_bodies(std::iter::once("new".into())).unwrap();
        rig.until(second).await;
        assert_eq!(rig.counts().delivered(), second - 61, "at {second} s");
    }
}

#[tokio::test(start_paused = true)]
async fn data_that_failed_before_is_not_held_up_by_fresh_data() {
    let settings = patient().with_max_in_flight(NonZeroUsize::MIN);
    let late = |answer| Play::Late(Duration::from_millis(100), answer);
    let rig = Rig::new(&settings, [late(http(503))], late(accepted()));
    rig.push_bodies(std::iter::once("old".into())).unwrap();
    for _ in 0..1000 {
        rig.push_bodies(std::iter::once("new".into())).unwrap();
    }
    rig.until(3).await;
    let old = |seen: &super::rig::Seen| seen.bodies[0] == "old";
    assert_eq!(rig.seen().into_iter().filter(old).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again_stays_in_the_account() {
    let records = NonZeroUsize::new(25).unwrap();
    let settings = patient().with_max_queued_records(records);
    let rig = Rig::new(&settings, [], Play::Answer(unreachable()));
    rig.push(10);
    rig.push(10);
    rig.until(20).await;
    assert_eq!(rig.push_sized(10, 1), Err(Refusal::Full));
    assert_eq!(rig.counts().lost_by(LossReason::DeliveryQueueFull), 10);
    rig.then(Play::Answer(accepted()));
    assert_eq!(rig.settle().await.delivered(), 20);
    rig.push(25);
    assert_eq!(rig.settle().await.delivered(), 45);
}

#[tokio::test(start_paused = true)]
async fn never_more_are_under_way_than_allowed() {
    for max in [1, 2, 4, 9] {
        let settings = patient().with_max_in_flight(NonZeroUsize::new(max).unwrap());
        let late = Play::Late(Duration::from_secs(10), accepted());
        let rig = Rig::new(&settings, [], late);
        for _ in 0..20 {
            rig.push(1);
        }
        rig.until(9).await;
        assert_eq!(rig.times().len(), max);
        assert_eq!(rig.settle().await.delivered(), 20);
    }
}

/// The safety net under all of the above: whatever happens, in whatever order, every record is in
/// one place, and at the end everything is delivered or lost.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_without_a_count_whatever_happens() {
    for seed in 0..200 {
        let random = std::cell::RefCell::new(fastrand::Rng::with_seed(seed));
        let mut answers = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let script: Vec<_> = (0..60)
            .map(|_| {
                let answer = match answers.u8(0..14) {
                    0..3 => accepted(),
                    3 => unreachable(),
                    4 => http(503),
                    5 => wait(429, answers.u64(0..400)),
                    6 => http(413),
                    7 => http(400),
                    8 => http(401),
                    9 => Answer::TimedOut(Duration::from_secs(1)),
                    10 => return Play::Panic,
                    11 => return Play::UpTo(500),
                    _ => Answer::Accepted {
                        rejected: answers.u64(0..12),
                        message: "partly".into(),
                    },
                };
                if answers.bool() {
                    Play::Answer(answer)
                } else {
                    Play::Late(Duration::from_millis(answers.u64(0..20_000)), answer)
                }
            })
            .collect();
        let settings = DeliverySettings::default()
            .with_max_queued_records(NonZeroUsize::new(100).unwrap())
            .with_authorization_probe(Duration::from_secs(5));
        let mut rig = Rig::new(&settings, script, Play::Answer(accepted()));
        for _ in 0..40 {
            let (what, number) = {
                let mut random = random.borrow_mut();
                (random.u8(0..10), random.usize(1..12))
            };
            match what {
                0..6 => {
                    let _ = rig.push_sized(number, number * 10);
                }
                6 => rig.queue.set_online(number % 2 == 0),
                7 => {
                    let _ = rig.queue.flush(&[Signal::Logs], std::time::Instant::now());
                }
                _ => tokio::time::sleep(Duration::from_secs(number as u64)).await,
            }
            rig.turn().await;
        }
        let then = rig.now();
        let counts = rig.close().await;
        assert_eq!(
            counts.emitted(),
            counts.delivered() + counts.lost(),
            "seed {seed}"
        );
        assert!(
            rig.now().saturating_sub(then) < Duration::from_secs(300),
            "seed {seed}"
        );
    }
}
