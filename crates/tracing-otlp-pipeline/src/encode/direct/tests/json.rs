//! What OTLP/JSON says of generated records, by the rules of the specification ("JSON Protobuf
//! Encoding") told once more: as a tree, from the message that stands beside it.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::*;

fn tree(request: &ExportLogsServiceRequest) -> Value {
    let resources = request.resource_logs.iter().map(|group| {
        let scopes = group.scope_logs.iter().map(|group| {
            let scope = group.scope.as_ref().unwrap();
            object([
                (
                    "scope",
                    object([
                        ("name", text(&scope.name)),
                        ("version", text(&scope.version)),
                        ("attributes", pairs(&scope.attributes)),
                    ]),
                ),
                ("logRecords", list(group.log_records.iter().map(record))),
                ("schemaUrl", text(&group.schema_url)),
            ])
        });
        let attributes = pairs(&group.resource.as_ref().unwrap().attributes);
        object([
            ("resource", object([("attributes", attributes)])),
            ("scopeLogs", list(scopes)),
            ("schemaUrl", text(&group.schema_url)),
        ])
    });
    object([("resourceLogs", list(resources))])
}

fn record(record: &LogRecord) -> Value {
    object([
        ("timeUnixNano", long(record.time_unix_nano)),
        ("observedTimeUnixNano", long(record.observed_time_unix_nano)),
        ("severityNumber", number(record.severity_number)),
        ("severityText", text(&record.severity_text)),
        ("body", record.body.as_ref().map_or(Value::Null, value)),
        ("attributes", pairs(&record.attributes)),
        (
            "droppedAttributesCount",
            number(record.dropped_attributes_count),
        ),
        ("flags", number(record.flags)),
        ("traceId", hex(&record.trace_id)),
        ("spanId", hex(&record.span_id)),
        ("eventName", text(&record.event_name)),
    ])
}

fn value(any: &common::AnyValue) -> Value {
    use base64::Engine as _;
    match any.value.as_ref().unwrap() {
        Proto::StringValue(text) => json!({ "stringValue": text }),
        Proto::BoolValue(truth) => json!({ "boolValue": truth }),
        Proto::IntValue(int) => json!({ "intValue": int.to_string() }),
        Proto::DoubleValue(double) if double.is_nan() => json!({ "doubleValue": "NaN" }),
        Proto::DoubleValue(double) if double.is_infinite() && *double > 0.0 => {
            json!({ "doubleValue": "Infinity" })
        }
        Proto::DoubleValue(double) if double.is_infinite() => {
            json!({ "doubleValue": "-Infinity" })
        }
        Proto::DoubleValue(double) => {
            // The standard library reads the text back exactly, `Value` not quite.
            let text = serde_json::to_string(double).unwrap();
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), double.to_bits());
            json!({ "doubleValue": serde_json::from_str::<Value>(&text).unwrap() })
        }
        Proto::ArrayValue(items) => {
            json!({ "arrayValue": object([("values", list(items.values.iter().map(value)))]) })
        }
        Proto::KvlistValue(map) => {
            json!({ "kvlistValue": object([("values", pairs(&map.values))]) })
        }
        Proto::BytesValue(bytes) => {
            let bytes = base64::engine::general_purpose::STANDARD.encode(bytes);
            json!({ "bytesValue": bytes })
        }
        Proto::StringValueStrindex(_) => unreachable!(),
    }
}

fn pairs(pairs: &[common::KeyValue]) -> Value {
    list(
        pairs
            .iter()
            .map(|pair| json!({ "key": pair.key, "value": value(pair.value.as_ref().unwrap()) })),
    )
}

/// An object without the members that have nothing to say.
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let members = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(
        members
            .map(|(key, value)| (key.to_owned(), value))
            .collect::<Map<_, _>>(),
    )
}

fn list(items: impl Iterator<Item = Value>) -> Value {
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        Value::Null
    } else {
        Value::Array(items)
    }
}

fn text(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        text.into()
    }
}

fn long(number: u64) -> Value {
    if number == 0 {
        Value::Null
    } else {
        number.to_string().into()
    }
}

fn number<N: Into<i64>>(number: N) -> Value {
    let number = number.into();
    if number == 0 {
        Value::Null
    } else {
        number.into()
    }
}

fn hex(bytes: &[u8]) -> Value {
    let mut hex = String::new();
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    text(&hex)
}

#[test]
fn json_says_what_the_message_says_by_the_rules_of_the_specification() {
    let whole = shape(
        Signal::Logs,
        Protocol::HttpJson,
        Compression::None,
        64 << 20,
    );
    let mut encoder = Direct::new(whole);
    for seed in 0..CASES {
        let mut chance = Chance::new(seed);
        let (records, resource) = (records(&mut chance), chance.resource());
        encoder.set_resource(&resource);
        for piece in encode_logs(&encoder, &records) {
            let body = &piece.request.as_ref().unwrap().body;
            let json: Value = serde_json::from_slice(body).unwrap();
            let message: ExportLogsServiceRequest = message(&piece);
            assert_eq!(json, tree(&message), "seed {seed}");
        }
    }
}
