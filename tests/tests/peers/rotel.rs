//! Rotel receives, and what it prints is read back.

use prost::Message;
use tracing_otlp_tests::http;
use tracing_otlp_tests::model::Value;
use tracing_otlp_tests::peers::{Format, Oracle, Rotel};

use crate::requests::*;

#[test]
fn rotel_prints_typed_records_that_are_read_back() {
    let Some(rotel) = Rotel::start() else { return };
    assert_eq!(rotel.logs(), []);
    send(
        &rotel,
        "/v1/logs",
        PROTOBUF,
        &hand_made_logs().encode_to_vec(),
    );
    let records = rotel.logs();
    assert_eq!(records.len(), 2);
    expect_full(&records[0]);
    expect_bare(&records[1]);
}

#[test]
fn rotel_takes_json_and_keeps_the_order_of_requests() {
    let Some(rotel) = Rotel::start() else { return };
    let body = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{
        "severityNumber": 17, "traceId": "0102030405060708090a0b0c0d0e0f10",
        "body": {"stringValue": "in JSON"}, "attributes": [{"key": "n", "value": {"intValue": "7"}}]
    }]}]}]}"#;
    send(&rotel, "/v1/logs", JSON, body.as_bytes());
    for n in 0..100 {
        send(
            &rotel,
            "/v1/logs",
            PROTOBUF,
            &one_log(Some(int(n))).encode_to_vec(),
        );
    }
    let records = rotel.logs();
    assert_eq!(
        (&records[0].body, records[0].severity_number),
        (&"in JSON".into(), 17)
    );
    assert_eq!(records[0].trace_id, "0102030405060708090a0b0c0d0e0f10");
    assert_eq!(records[0].attribute("n"), Some(&Value::Int(7)));
    let numbers: Vec<_> = records[1..]
        .iter()
        .map(|record| record.body.clone())
        .collect();
    assert_eq!(numbers, (0..100).map(Value::Int).collect::<Vec<_>>());
}

#[test]
fn rotel_refuses_bytes_that_are_not_otlp() {
    let Some(rotel) = Rotel::start() else { return };
    let headers = [("Content-Type", PROTOBUF)];
    let answer = http::post(rotel.http_address(), "/v1/logs", &headers, &[0xff; 3]).unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(rotel.logs(), []);
}

#[test]
fn rotel_shows_spans_and_logs_of_one_trace() {
    let Some(rotel) = Rotel::start() else { return };
    for _ in 0..3 {
        send(
            &rotel,
            "/v1/traces",
            PROTOBUF,
            &hand_made_spans().encode_to_vec(),
        );
        send(
            &rotel,
            "/v1/logs",
            PROTOBUF,
            &hand_made_logs().encode_to_vec(),
        );
    }
    let spans = rotel.spans();
    assert_eq!(spans.len(), 6);
    for pair in spans.chunks(2) {
        expect_spans(pair);
    }
    let records = rotel.logs();
    assert_eq!(records.len(), 6);
    assert_eq!(records[4].trace_id, spans[0].trace_id);
    assert_eq!(records[4].span_id, spans[0].span_id);
}

#[test]
fn both_peers_see_the_same_records() {
    let (Some(oracle), Some(rotel)) = (Oracle::find(), Rotel::start()) else {
        return;
    };
    let body = hand_made_logs().encode_to_vec();
    send(&rotel, "/v1/logs", PROTOBUF, &body);
    let mut by_oracle = oracle.logs(Format::Protobuf, &body).unwrap();
    let mut by_rotel = rotel.logs();
    for record in by_oracle.iter_mut().chain(&mut by_rotel) {
        record.dropped_attributes_count = None; // rotel does not print it
        record.attributes.retain(|(key, _)| key != "nan"); // equal to nothing
    }
    assert_eq!(by_oracle, by_rotel);
}

#[test]
fn a_killed_rotel_refuses_connections() {
    let Some(mut rotel) = Rotel::start() else {
        return;
    };
    rotel.kill();
    assert!(http::get(rotel.http_address(), "/").is_err());
}

fn send(rotel: &Rotel, path: &str, content_type: &str, body: &[u8]) {
    let headers = [("Content-Type", content_type)];
    let answer = http::post(rotel.http_address(), path, &headers, body).unwrap();
    assert_eq!(answer.status, 200);
}
