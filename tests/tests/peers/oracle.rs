//! The oracle reads what it should, and refuses the rest.

use prost::Message;
use serde_json::json;
use tracing_otlp_tests::peers::{Format, Oracle, Signal};

use crate::requests::*;

#[test]
fn the_oracle_reads_every_type_from_protobuf() {
    let Some(oracle) = Oracle::find() else { return };
    let records = oracle
        .logs(Format::Protobuf, &hand_made_logs().encode_to_vec())
        .unwrap();
    assert_eq!(records.len(), 2);
    expect_full(&records[0]);
    assert_eq!(records[0].dropped_attributes_count, Some(3));
    expect_bare(&records[1]);
}

#[test]
fn the_oracle_reads_every_type_from_json() {
    let Some(oracle) = Oracle::find() else { return };
    let records = oracle
        .logs(Format::Json, hand_made_logs_json().as_bytes())
        .unwrap();
    assert_eq!(records.len(), 2);
    expect_full(&records[0]);
    assert_eq!(records[0].dropped_attributes_count, Some(3));
    expect_bare(&records[1]);
}

#[test]
fn the_oracle_reads_spans_with_events_and_links() {
    let Some(oracle) = Oracle::find() else { return };
    let spans = oracle
        .spans(Format::Protobuf, &hand_made_spans().encode_to_vec())
        .unwrap();
    expect_spans(&spans);
}

#[test]
fn the_oracle_reads_metrics() {
    let Some(oracle) = Oracle::find() else { return };
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{
        "name": "otel.sdk.log.created",
        "unit": "{log_record}",
        "sum": {
            "aggregationTemporality": 2,
            "isMonotonic": true,
            "dataPoints": [{"asInt": "7", "timeUnixNano": "5"}],
        },
    }]}]}]});
    let document = oracle
        .read(Signal::Metrics, Format::Json, body.to_string().as_bytes())
        .unwrap();
    let metric = &document["records"][0];
    assert_eq!(metric["name"], "otel.sdk.log.created");
    assert_eq!(
        (&metric["type"], &metric["monotonic"]),
        (&json!("sum"), &json!(true))
    );
    assert_eq!(metric["points"][0]["value"], json!({"int": "7"}));
}

#[test]
fn the_oracle_reads_many_bodies_in_order() {
    let Some(oracle) = Oracle::find() else { return };
    let bodies: Vec<Vec<u8>> = ["one", "two", "three"]
        .map(|text| one_log(Some(string(text))).encode_to_vec())
        .into();
    let records = oracle.logs_of_each(Format::Protobuf, &bodies).unwrap();
    let texts: Vec<_> = records
        .iter()
        .filter_map(|record| record.body.as_str())
        .collect();
    assert_eq!(texts, ["one", "two", "three"]);
}

#[test]
fn the_oracle_refuses_what_it_does_not_know() {
    let Some(oracle) = Oracle::find() else { return };
    let record = |fields: serde_json::Value| {
        json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [fields]}]}]}).to_string()
    };
    let refused = [
        ("no JSON", "{".to_owned()),
        ("an unknown field", record(json!({"severity": 9}))),
        ("a name of protobuf", record(json!({"severity_number": 9}))),
        (
            "an id in base64",
            record(json!({"traceId": "AQIDBAUGBwgJCgsMDQ4PEA=="})),
        ),
        ("a short id", record(json!({"spanId": "01020304"}))),
        (
            "two values in one",
            record(json!({"body": {"intValue": "1", "boolValue": true}})),
        ),
        (
            "a number for a text",
            record(json!({"body": {"stringValue": 1}})),
        ),
        (
            "a bare NaN",
            r#"{"resourceLogs":[{"schemaUrl":NaN}]}"#.to_owned(),
        ),
        (
            "a name twice",
            r#"{"resourceLogs":[],"resourceLogs":[]}"#.to_owned(),
        ),
    ];
    for (what, body) in refused {
        let answer = oracle.read(Signal::Logs, Format::Json, body.as_bytes());
        assert!(answer.is_err(), "the oracle took {what}: {body}");
    }
    let mut cut = hand_made_logs().encode_to_vec();
    cut.truncate(cut.len() - 1);
    assert!(
        oracle.read(Signal::Logs, Format::Protobuf, &cut).is_err(),
        "it took a cut message"
    );
    let unknown_field = [0x7a, 1, b'a'];
    let answer = oracle.read(Signal::Logs, Format::Protobuf, &unknown_field);
    assert!(
        answer
            .unwrap_err()
            .to_string()
            .contains("unknown fields [15]")
    );
}

#[test]
fn the_oracle_tells_of_duplicate_keys_and_deviations() {
    let Some(oracle) = Oracle::find() else { return };
    let mut twice = one_log(None);
    record_of(&mut twice).attributes = vec![attribute("k", int(1)), attribute("k", int(2))];
    let body = twice.encode_to_vec();
    let document = oracle.read(Signal::Logs, Format::Protobuf, &body).unwrap();
    assert_eq!(
        document["duplicate_keys"],
        json!(["records[0].attributes: k"])
    );
    assert!(
        oracle
            .logs(Format::Protobuf, &body)
            .unwrap_err()
            .to_string()
            .contains("duplicate")
    );

    let body = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"timeUnixNano": 5, "severityNumber": "SEVERITY_NUMBER_INFO", "body": null},
    ]}]}]});
    let body = body.to_string();
    let document = oracle
        .read(Signal::Logs, Format::Json, body.as_bytes())
        .unwrap();
    assert_eq!(document["deviations"].as_array().map(Vec::len), Some(3));
    assert!(oracle.logs(Format::Json, body.as_bytes()).is_err());
}
