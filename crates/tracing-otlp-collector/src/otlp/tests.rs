//! What real senders write, what must be refused with the path of the bad field, and that all forms
//! of a message mean the same.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as V;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point as number};
use prost::Message as _;
use serde_json::{Value, json};

use super::from_json::convert;
use super::schema::{LOGS_REQUEST, METRICS_REQUEST, Message, TRACE_REQUEST};
use super::{check, to_json};

fn read<M: prost::Message + Default>(schema: &'static Message, json: &Value) -> Result<M, String> {
    let bytes = convert(schema, &serde_json::to_vec(json).unwrap())?;
    check::check(schema, &bytes).unwrap();
    let message = M::decode(&*bytes).unwrap();
    Ok(message)
}

fn logs_request(json: &Value) -> Result<ExportLogsServiceRequest, String> {
    read(&LOGS_REQUEST, json)
}

fn trace_request(json: &Value) -> Result<ExportTraceServiceRequest, String> {
    read(&TRACE_REQUEST, json)
}

fn metrics_request(json: &Value) -> Result<ExportMetricsServiceRequest, String> {
    read(&METRICS_REQUEST, json)
}

fn request_with(record: &Value) -> Value {
    json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] })
}

fn record(record: &Value) -> LogRecord {
    let request = logs_request(&request_with(record)).unwrap();
    request.resource_logs[0].scope_logs[0].log_records[0].clone()
}

fn problem(record: &Value) -> String {
    let error = logs_request(&request_with(record)).unwrap_err();
    let record_path = "resourceLogs[0].scopeLogs[0].logRecords[0]";
    error
        .strip_prefix(record_path)
        .unwrap_or_else(|| panic!("no path in {error:?}"))
        .to_owned()
}

fn body(value: &Value) -> Option<V> {
    record(&json!({ "body": value })).body.unwrap().value
}

#[test]
fn a_full_record_is_read_field_by_field() {
    let record = record(&json!({
        "timeUnixNano": "1700000000000000001",
        "observedTimeUnixNano": 1_700_000_000_000_000_002_u64,
        "severityNumber": 17,
        "severityText": "ERROR",
        "body": { "stringValue": "hello" },
        "attributes": [{ "key": "n", "value": { "intValue": "-9223372036854775808" } }],
        "droppedAttributesCount": 3,
        "flags": 1,
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "eee19b7ec3c1b174",
        "eventName": "order.placed",
        "someFieldOfTheFuture": { "any": ["thing"] },
    }));
    assert_eq!(record.time_unix_nano, 1_700_000_000_000_000_001);
    assert_eq!(record.observed_time_unix_nano, 1_700_000_000_000_000_002);
    assert_eq!(
        (record.severity_number, record.severity_text.as_str()),
        (17, "ERROR")
    );
    assert_eq!(
        record.body.unwrap().value,
        Some(V::StringValue("hello".into()))
    );
    let value = record.attributes[0].value.clone().unwrap().value;
    assert_eq!(value, Some(V::IntValue(i64::MIN)));
    assert_eq!((record.dropped_attributes_count, record.flags), (3, 1));
    assert_eq!(record.trace_id[..4], [0x5b, 0x8e, 0xff, 0xf7]);
    assert_eq!(record.span_id.len(), 8);
    assert_eq!(record.event_name, "order.placed");
}

#[test]
fn what_the_serde_types_reject_is_taken() {
    let array = |values: usize| move |value: Option<V>| matches!(value, Some(V::ArrayValue(array)) if array.values.len() == values);
    assert!(array(0)(body(&json!({ "arrayValue": {} }))));
    assert!(array(0)(body(&json!({ "arrayValue": { "values": null } }))));
    assert!(array(2)(body(
        &json!({ "arrayValue": { "values": [null, {}] } })
    )));
    assert!(matches!(
        body(&json!({ "kvlistValue": {} })),
        Some(V::KvlistValue(_))
    ));
    assert!(
        matches!(body(&json!({ "doubleValue": "NaN" })), Some(V::DoubleValue(n)) if n.is_nan())
    );
    let doubles = [
        (json!("Infinity"), f64::INFINITY),
        (json!("-Infinity"), f64::NEG_INFINITY),
        (json!(1), 1.0),
        (json!("1.5e3"), 1500.0),
        (json!(-0.25), -0.25),
    ];
    for (written, read) in doubles {
        assert_eq!(
            body(&json!({ "doubleValue": written })),
            Some(V::DoubleValue(read))
        );
    }
    let integers = [
        (json!(5), 5),
        (json!("5"), 5),
        (json!(5.0), 5),
        (json!(-3e3), -3000),
        (json!("-7"), -7),
    ];
    for (written, read) in integers {
        assert_eq!(
            body(&json!({ "intValue": written })),
            Some(V::IntValue(read))
        );
    }
    assert_eq!(
        body(&json!({ "boolValue": false })),
        Some(V::BoolValue(false))
    );
    for written in ["+/8=", "+/8", "-_8=", "-_8"] {
        let read = body(&json!({ "bytesValue": written }));
        assert_eq!(read, Some(V::BytesValue(vec![0xfb, 0xff])), "{written}");
    }
    assert_eq!(body(&json!({})), None);
    assert_eq!(
        body(&json!({ "stringValue": null, "intValue": 1 })),
        Some(V::IntValue(1))
    );
    assert_eq!(record(&json!({ "body": null })).body, None);
}

#[test]
fn null_means_missing_everywhere() {
    assert_eq!(
        logs_request(&json!(null)).unwrap(),
        ExportLogsServiceRequest::default()
    );
    let request = logs_request(
        &json!({ "resourceLogs": [null, { "resource": null, "scopeLogs": [
        { "scope": null, "schemaUrl": null, "logRecords": null },
        { "logRecords": [null, { "attributes": null, "traceId": null, "timeUnixNano": null }] },
    ] }] }),
    )
    .unwrap();
    assert_eq!(request.resource_logs.len(), 1);
    let scopes = &request.resource_logs[0].scope_logs;
    assert_eq!(
        (scopes[0].log_records.len(), scopes[1].log_records.len()),
        (0, 1)
    );
    assert_eq!(scopes[1].log_records[0], LogRecord::default());
}

#[test]
fn half_a_character_is_replaced_and_costs_nothing_else() {
    let read = |text: &str| {
        let json = format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{{"stringValue":"{text}"}}}}]}}]}}]}}"#
        );
        let bytes = super::from_json::convert(&super::schema::LOGS_REQUEST, json.as_bytes())?;
        let request = ExportLogsServiceRequest::decode(&*bytes).unwrap();
        let record = &request.resource_logs[0].scope_logs[0].log_records[0];
        match record.body.clone().unwrap().value.unwrap() {
            V::StringValue(text) => Ok(text),
            other => panic!("{other:?}"),
        }
    };
    for (written, text) in [
        (r"cut \ud83d", "cut \u{fffd}"),
        (r"\uDE00 cut", "\u{fffd} cut"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
        (r"\ud83dx\ude00", "\u{fffd}x\u{fffd}"),
        (r"\ud83d\n", "\u{fffd}\n"),
        // What only looks like one stays, also beside one.
        (r"\\ud83d \ud83d", "\\ud83d \u{fffd}"),
        (r"\\\ud83d", "\\\u{fffd}"),
        (r"\u00e9 \ud83d\ude00 \ud83d", "\u{e9} \u{1f600} \u{fffd}"),
    ] {
        assert_eq!(read(written).as_deref(), Ok(text), "{written}");
    }
    for broken in [r"\ud83", r"\ud83d\", r"\u+83d \ud83d", r"\x"] {
        let problem: Result<String, String> = read(broken);
        assert!(problem.is_err(), "{broken}");
    }
}

#[test]
fn enums_are_read_as_numbers_or_names() {
    for written in [json!(13), json!("13"), json!("SEVERITY_NUMBER_WARN")] {
        assert_eq!(
            record(&json!({ "severityNumber": written })).severity_number,
            13
        );
    }
    assert_eq!(record(&json!({ "severityNumber": 99 })).severity_number, 99);
    let request = trace_request(&json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [
        { "kind": "SPAN_KIND_CLIENT", "status": { "code": "STATUS_CODE_ERROR", "message": "no" } },
    ] }] }] }))
    .unwrap();
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(span.kind, 3);
    assert_eq!(span.status.as_ref().unwrap().code, 2);
}

#[test]
fn names_in_snake_case_are_read_too() {
    let request = json!({ "resource_logs": [{ "scope_logs": [{ "log_records": [
        { "time_unix_nano": "7", "severity_text": "INFO", "body": { "string_value": "b" } },
    ] }] }] });
    let request = logs_request(&request).unwrap();
    let record = &request.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!(
        (record.time_unix_nano, record.severity_text.as_str()),
        (7, "INFO")
    );
    assert_eq!(
        record.body.as_ref().unwrap().value,
        Some(V::StringValue("b".into()))
    );
}

#[test]
fn what_cannot_be_read_is_named_by_its_path() {
    let cases = [
        (
            json!({ "traceId": "xyz" }),
            ".traceId: expected hex digits in pairs",
        ),
        (
            json!({ "traceId": "5b8" }),
            ".traceId: expected hex digits in pairs",
        ),
        (
            json!({ "traceId": "é0" }),
            ".traceId: expected hex digits in pairs",
        ),
        (
            json!({ "spanId": 12 }),
            ".spanId: expected a string, found a number",
        ),
        (
            json!({ "timeUnixNano": "soon" }),
            ".timeUnixNano: expected an integer, found something else",
        ),
        (
            json!({ "timeUnixNano": -1 }),
            ".timeUnixNano: -1 is out of range",
        ),
        (
            json!({ "timeUnixNano": "18446744073709551616" }),
            ".timeUnixNano: 18446744073709551616 is out of range",
        ),
        (
            json!({ "timeUnixNano": 1.5 }),
            ".timeUnixNano: expected an integer, found something else",
        ),
        (
            json!({ "timeUnixNano": 1e300 }),
            ".timeUnixNano: expected an integer, found something else",
        ),
        (
            json!({ "timeUnixNano": true }),
            ".timeUnixNano: expected an integer, found a boolean",
        ),
        (
            json!({ "flags": 4_294_967_296_u64 }),
            ".flags: 4294967296 is out of range",
        ),
        (
            json!({ "severityNumber": "WARN" }),
            ".severityNumber: \"WARN\" names nothing here",
        ),
        (
            json!({ "body": "text" }),
            ".body: expected an object, found a string",
        ),
        (
            json!({ "body": { "boolValue": "yes" } }),
            ".body.boolValue: expected a boolean, found a string",
        ),
        (
            json!({ "body": { "doubleValue": "inf" } }),
            ".body.doubleValue: expected a number, found some other string",
        ),
        (
            json!({ "body": { "bytesValue": "?" } }),
            ".body.bytesValue: expected base64",
        ),
        (
            json!({ "attributes": {} }),
            ".attributes: expected a list, found an object",
        ),
        (
            json!({ "attributes": [{ "key": "a" }, { "key": "b", "value": { "arrayValue": {
                "values": [{}, { "intValue": "1x" }],
            } } }] }),
            ".attributes[1].value.arrayValue.values[1].intValue: expected an integer, found something else",
        ),
    ];
    for (record, expected) in cases {
        assert_eq!(problem(&record), expected, "{record}");
    }
    let error = logs_request(&json!([1])).unwrap_err();
    assert_eq!(error, "expected an object, found a list");
}

#[test]
fn every_kind_of_metric_is_read() {
    let point = json!({ "timeUnixNano": "1", "attributes": [], "exemplars": [
        { "asInt": "3", "spanId": "eee19b7ec3c1b174", "filteredAttributes": null },
    ] });
    let with = |more: Value| {
        let mut point = point.clone();
        point
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!([point])
    };
    let request = metrics_request(&json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [
        { "name": "gauge", "unit": "s", "gauge": { "dataPoints": with(json!({ "asDouble": "NaN" })) } },
        { "name": "sum", "sum": {
            "dataPoints": with(json!({ "asInt": "-5" })), "isMonotonic": true,
            "aggregationTemporality": "AGGREGATION_TEMPORALITY_CUMULATIVE",
        } },
        { "name": "histogram", "histogram": { "aggregationTemporality": 1, "dataPoints": with(json!({
            "count": "2", "sum": 3.5, "bucketCounts": ["1", 1], "explicitBounds": [1, "Infinity"],
        })) } },
        { "name": "exponential", "exponentialHistogram": { "dataPoints": with(json!({
            "scale": -2, "zeroCount": "4", "positive": { "offset": -1, "bucketCounts": ["7"] },
        })) } },
        { "name": "summary", "summary": { "dataPoints": [
            { "count": 1, "sum": 2, "quantileValues": [{ "quantile": 0.5, "value": 9 }] },
        ] } },
        { "name": "empty" },
    ] }] }] }))
    .unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let Some(Data::Sum(sum)) = &metrics[1].data else {
        panic!("{:?}", metrics[1])
    };
    assert!(sum.is_monotonic);
    assert_eq!(sum.aggregation_temporality, 2);
    assert_eq!(sum.data_points[0].value, Some(number::Value::AsInt(-5)));
    let Some(Data::Histogram(histogram)) = &metrics[2].data else {
        panic!("{:?}", metrics[2])
    };
    assert_eq!(histogram.data_points[0].bucket_counts, [1, 1]);
    assert_eq!(histogram.data_points[0].sum, Some(3.5));
    let Some(Data::ExponentialHistogram(exponential)) = &metrics[3].data else {
        panic!("{:?}", metrics[3])
    };
    assert_eq!(
        exponential.data_points[0]
            .positive
            .as_ref()
            .unwrap()
            .bucket_counts,
        [7]
    );
    assert_eq!(metrics[5].data, None);
}

#[test]
fn a_message_in_parts_is_written_as_the_one_that_prost_reads() {
    // Twice the resource, a body in two choices and then a list in two parts, a scalar twice.
    let part = |number: u8, inside: &[u8]| {
        let mut part = vec![number << 3 | 2, u8::try_from(inside.len()).unwrap()];
        part.extend_from_slice(inside);
        part
    };
    let text = |number: u8, text: &str| part(number, text.as_bytes());
    let value = |text_: &str| text(1, text_);
    let list = |text_: &str| part(5, &part(1, &value(text_)));
    let body = [value("lost"), list("a"), list("b")].concat();
    let record = [text(3, "first"), part(5, &body), text(3, "last")].concat();
    let resource = |key: &str| part(1, &part(1, &text(1, key)));
    let scopes = part(2, &part(2, &record));
    let bytes = part(1, &[resource("k1"), scopes, resource("k2")].concat());
    check::check(&LOGS_REQUEST, &bytes).unwrap();
    let mut out = Vec::new();
    to_json::message(&LOGS_REQUEST, &bytes, &mut out);
    let written: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        written,
        json!({ "resourceLogs": [{
            "resource": { "attributes": [{ "key": "k1" }, { "key": "k2" }] },
            "scopeLogs": [{ "logRecords": [{ "severityText": "last", "body": { "arrayValue": {
                "values": [{ "stringValue": "a" }, { "stringValue": "b" }],
            } } }] }],
        }] })
    );
    let read = logs_request(&written).unwrap();
    assert_eq!(read, ExportLogsServiceRequest::decode(&*bytes).unwrap());
}

#[test]
fn json_is_written_as_the_specification_has_it() {
    let written = json!({ "resourceLogs": [{ "resource": {}, "scopeLogs": [{
        "scope": { "name": "s\"\\\n\u{1}é", "version": "" },
        "logRecords": [{
            "timeUnixNano": "18446744073709551615", "severityNumber": 9, "flags": 4_294_967_295_u32,
            "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
            "body": { "kvlistValue": { "values": [
                { "key": "int", "value": { "intValue": "-9223372036854775808" } },
                { "key": "double", "value": { "doubleValue": 1e300 } },
                { "key": "nan", "value": { "doubleValue": "NaN" } },
                { "key": "less", "value": { "doubleValue": "-Infinity" } },
                { "key": "bytes", "value": { "bytesValue": "+/8=" } },
                { "key": "bool", "value": { "boolValue": false } },
                { "key": "empty", "value": {} },
                { "key": "list", "value": { "arrayValue": { "values": [{}] } } },
            ] } },
        }],
    }] }] });
    let bytes = convert(&LOGS_REQUEST, &serde_json::to_vec(&written).unwrap()).unwrap();
    let mut out = Vec::new();
    to_json::message(&LOGS_REQUEST, &bytes, &mut out);
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), written);
}
