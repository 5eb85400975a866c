//! What the store keeps, lets go and waits for.

use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::*;
use crate::Protocol;
use crate::retain::samples::{indexed_logs, indexed_spans, record, span};

fn logs(bodies: &[&str]) -> Indexed {
    indexed_logs(bodies.iter().map(|body| record(body, 0, 0, 0)).collect())
}

fn spans(names: &[&str]) -> Indexed {
    indexed_spans(names.iter().map(|name| span(name, 0, 1, 1, 0)).collect())
}

fn rejected(body: &[u8]) -> Rejected {
    let rejected = Rejected {
        id: 0,
        at: 0,
        signal: Some(Signal::Logs),
        protocol: None,
        path: "/v1/logs".to_owned(),
        status: 400,
        reason: "bad".to_owned(),
        size: 0,
        headers: vec![],
        body: Bytes::new(),
    };
    rejected.with_body(body)
}

fn request(bytes: usize) -> ReceivedRequest {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("pylf_v1_secret"));
    let body = Bytes::from(vec![0; bytes]);
    ReceivedRequest::new(Signal::Logs, Protocol::Grpc, None, headers, body, bytes)
}

fn bodies(store: &Store) -> Vec<String> {
    store
        .logs()
        .iter()
        .map(|log| log.body_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_oldest_records_and_spans_leave_first_and_are_counted() {
    let store = Store::new(Capacity::default().with_records(2).with_spans(1), false);
    store.accept(logs(&["a"]), None);
    store.accept(logs(&["b", "c"]), None);
    store.accept(spans(&["x", "y", "z"]), None);
    assert_eq!(bodies(&store), ["b", "c"]);
    assert_eq!(store.spans()[0].name(), "z");
    let counts = store.counts();
    assert_eq!((counts.logs, counts.evicted_logs), (3, 1));
    assert_eq!((counts.spans, counts.evicted_spans), (3, 2));
    assert_eq!(store.snapshot().0.audit().evicted, 3);
}

#[test]
fn a_full_byte_budget_is_made_up_by_the_oldest_of_any_kind() {
    let capacity = Capacity::default().with_bytes(6_000);
    let store = Store::new(capacity, true);
    store.accept(logs(&["first"]), Some(request(1_000)));
    store.accept(spans(&["second"]), None);
    store.accept(logs(&["third"]), Some(request(4_500)));
    let counts = store.counts();
    // The first request is the oldest; after it, room is needed as long as the sum is too large.
    assert_eq!(counts.evicted_requests, 1);
    assert_eq!(store.requests()[0].wire_size(), 4_500);
    assert_eq!(bodies(&store).last().unwrap(), "third");
    store.accept(logs(&["fourth"]), Some(request(5_000)));
    // The record that came with the second request is younger than it, and there is room.
    assert_eq!(bodies(&store), ["third", "fourth"]);
    assert_eq!(store.spans().len(), 0);
    assert_eq!(store.requests()[0].wire_size(), 5_000);
    let state = store.lock();
    assert!(state.bytes <= 6_000, "{}", state.bytes);
}

#[test]
fn an_item_larger_than_the_whole_budget_leaves_at_once() {
    let store = Store::new(Capacity::default().with_bytes(10), false);
    store.accept(logs(&["too large for ten bytes"]), None);
    assert_eq!(store.logs(), []);
    assert_eq!(store.counts().evicted_logs, 1);
    assert_eq!(store.lock().bytes, 0);
}

#[test]
fn what_is_kept_weighs_its_bytes_and_a_fixed_head_for_each_record() {
    // Nothing but two bytes a record: the worst that a sender can do.
    let bytes = [0x0a, 0x08, 0x12, 0x06, 0x12, 0, 0x12, 0, 0x12, 0];
    let indexed = super::super::index::index(Signal::Logs, bytes.to_vec().into(), 10).unwrap();
    let weight = indexed.chunk.weight();
    assert!(weight < 3 * 64 + 300, "{weight}");
    let store = Store::new(Capacity::default().with_bytes(10 * weight), false);
    for _ in 0..100 {
        let bytes = bytes.to_vec().into();
        store.accept(
            super::super::index::index(Signal::Logs, bytes, 10).unwrap(),
            None,
        );
    }
    assert_eq!(store.logs().len(), 30);
    assert_eq!(store.holdings().bytes, 10 * weight);
}

#[test]
fn the_index_of_spans_shrinks_with_them() {
    let store = Store::new(Capacity::default().with_spans(2), false);
    let span_n = |n: u8| indexed_spans(vec![span("s", 0, 1, n, 0)]);
    for n in 1..=3 {
        store.accept(span_n(n), None);
    }
    let presence = |n: u8| store.presence(&([1; 16], [n; 8]));
    assert_eq!(presence(1), Presence::Unknown);
    assert_eq!(presence(2), Presence::Ended);
    assert_eq!(presence(3), Presence::Ended);
}

#[test]
fn refused_requests_are_kept_within_their_own_bound() {
    let store = Store::new(Capacity::default().with_bytes(64_000), false);
    store.accept(logs(&["stays"]), None);
    for _ in 0..20 {
        store.refuse(None, rejected(&[7; 500]));
    }
    let kept = store.rejected();
    assert!((1..20).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.last().unwrap().id, 20);
    assert_eq!(kept[0].body.len(), 500);
    assert_eq!(store.counts().refused, 20);
    assert_eq!(bodies(&store), ["stays"]);
    assert!(store.holdings().bytes <= 64_000);
    // One that is larger than the bound is counted only.
    store.refuse(None, rejected(&[7; 5_000]));
    assert_eq!(store.rejected().len(), 0);
}

#[test]
fn order_numbers_run_through_all_signals_and_are_never_used_again() {
    let store = Store::new(Capacity::default(), false);
    store.accept(logs(&["a", "b"]), None);
    store.accept(spans(&["c"]), None);
    store.clear();
    store.accept(logs(&["d"]), None);
    let kept = store.after(&[Signal::Logs, Signal::Traces], 0, 10);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].chunk.first, 4);
}

#[test]
fn clear_forgets_everything_and_counts_from_zero() {
    let store = Store::new(Capacity::default(), true);
    store.accept(logs(&["a"]), Some(request(1)));
    store.refuse(None, rejected(b"x"));
    store.clear();
    assert_eq!(store.snapshot().0, Snapshot::default());
    assert_eq!(store.requests().len(), 0);
    store.accept(logs(&["b"]), None);
    assert_eq!(bodies(&store), ["b"]);
    assert_eq!(store.counts().logs, 1);
}

#[test]
fn a_waiter_wakes_for_the_record_that_it_waits_for() {
    // Each round begins when the waiters are done with the one before, so that they mostly sleep.
    const ROUNDS: usize = 200;
    let store = Arc::new(Store::new(Capacity::default(), false));
    let (seen, is_seen) = mpsc::channel();
    let for_logs = thread::spawn({
        let (store, seen) = (Arc::clone(&store), seen.clone());
        move || {
            for n in 1..=ROUNDS {
                let logs = store.wait_for_logs(n, Duration::from_secs(60)).unwrap();
                seen.send(logs.len()).unwrap();
            }
        }
    });
    let for_anything = thread::spawn({
        let store = Arc::clone(&store);
        move || {
            for n in 1..=ROUNDS {
                let is_here = |kept: &Snapshot| kept.logs.len() >= n;
                let kept = store.wait_for(is_here, Duration::from_secs(60)).unwrap();
                seen.send(kept.logs.len()).unwrap();
            }
        }
    });
    for n in 1..=ROUNDS {
        store.accept(logs(&["x"]), None);
        // A waiter that nobody wakes would find the record when its own, longer time is up.
        let next = || is_seen.recv_timeout(Duration::from_secs(5));
        assert_eq!((next(), next()), (Ok(n), Ok(n)));
    }
    for_logs.join().unwrap();
    for_anything.join().unwrap();
}

#[test]
fn a_waiter_that_runs_out_of_time_is_told_what_arrived() {
    let store = Store::new(Capacity::default(), false);
    store.accept(logs(&["a"]), None);
    let error = store
        .wait_for_logs(2, Duration::from_millis(1))
        .unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(
        error.to_string(),
        "waited 1ms for 2 log records, 1 are here"
    );
    assert!(
        store
            .wait_for_spans(1, Duration::ZERO)
            .unwrap_err()
            .is_timeout()
    );
    assert!(
        store
            .wait_for(|_| false, Duration::from_millis(1))
            .unwrap_err()
            .is_timeout()
    );
    assert_eq!(store.wait_for_logs(1, Duration::MAX).unwrap().len(), 1);
}

#[test]
fn debug_of_a_kept_request_hides_its_secrets() {
    let request = request(3);
    assert!(!format!("{request:?}").contains("pylf"));
    assert_eq!(request.header("Authorization"), Some("pylf_v1_secret"));
}
