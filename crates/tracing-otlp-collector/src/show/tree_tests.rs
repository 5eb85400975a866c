//! Drawings, as a person sees them.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1::Status;

use super::*;
use crate::retain::samples::{attribute, record, span, stored_logs, stored_spans, text};

fn draw(
    logs: Vec<opentelemetry_proto::tonic::logs::v1::LogRecord>,
    spans: Vec<opentelemetry_proto::tonic::trace::v1::Span>,
) -> String {
    TraceTree::of(&stored_logs(logs), &stored_spans(spans)).to_string()
}

#[test]
fn records_stand_inside_their_spans_in_the_order_of_time() {
    let mut server = span("GET /orders", 1_000, 1, 1, 0);
    server.kind = 2;
    server.end_time_unix_nano = 12_501_000;
    server.status = Some(Status {
        code: 1,
        message: String::new(),
    });
    let mut client = span("db.query", 3_000, 1, 2, 1);
    client.kind = 3;
    client.status = Some(Status {
        code: 2,
        message: "connection reset".into(),
    });
    let mut slow = record("slow query", 4_000, 1, 2);
    (slow.severity_number, slow.severity_text) = (13, String::new());
    let mut first = record("fetching order", 2_000, 1, 1);
    first.attributes = vec![
        attribute("order.id", Value::IntValue(42)),
        attribute("user", Value::StringValue("ada".into())),
        attribute("note", Value::StringValue("two words".into())),
    ];
    // Children arrive before their parents, records in any order.
    let logs = vec![
        record("done", 9_000, 1, 1),
        slow,
        record("starting up", 0, 0, 0),
        first,
    ];
    let other = span("cleanup", 500_000, 2, 1, 0);
    let drawing = draw(logs, vec![other, client, server]);
    assert_eq!(
        drawing,
        "\
trace 01010101010101010101010101010101 · 2 spans · 3 records
└─ GET /orders [server] · 12.5ms · ok
   ├─ INFO  fetching order  order.id=42 user=ada note=\"two words\"
   ├─ db.query [client] · 1.0ms · error: connection reset
   │  └─ WARN  slow query
   └─ INFO  done

trace 02020202020202020202020202020202 · 1 span · 0 records
└─ cleanup · 1.0ms

unlinked · 1 record
└─ INFO  starting up"
    );
}

#[test]
fn what_never_arrived_is_marked() {
    let mut remote = span("handler", 5, 1, 7, 80);
    remote.flags = 0x300;
    let mut half = record("half an id", 4, 1, 0);
    half.severity_text = "WARN".into();
    let drawing = draw(
        vec![record("lost", 3, 1, 9), half],
        vec![span("child of the lost", 2, 1, 2, 9), remote],
    );
    assert_eq!(
        drawing,
        "\
trace 01010101010101010101010101010101 · 2 spans · 1 record
├─ ? span 0909090909090909 never arrived
│  ├─ child of the lost · 1.0ms
│  └─ INFO  lost
└─ handler · 1.0ms

orphaned by malformed ids · 1 record
└─ WARN  half an id"
    );
    assert_eq!(draw(vec![], vec![]), "nothing arrived");
}

#[test]
fn spans_that_are_their_own_ancestors_are_drawn_once() {
    let drawing = draw(
        vec![record("in b", 30, 1, 2)],
        vec![
            span("a", 10, 1, 1, 2),
            span("b", 20, 1, 2, 1),
            span("self", 5, 1, 3, 3),
            span("twin", 6, 1, 3, 0),
        ],
    );
    assert_eq!(
        drawing,
        "\
trace 01010101010101010101010101010101 · 4 spans · 1 record
├─ self · 1.0ms
├─ twin · 1.0ms
└─ a · 1.0ms
   └─ b · 1.0ms
      └─ INFO  in b"
    );
}

#[test]
fn a_chain_of_spans_as_long_as_a_sender_likes_is_drawn_in_bounds() {
    let spans = (1..=20_000_u64)
        .map(|n| {
            let mut span = span("s", n, 1, 1, 0);
            span.span_id = n.to_be_bytes().to_vec();
            span.parent_span_id = (n - 1).to_be_bytes().to_vec();
            span
        })
        .collect();
    let drawing = draw(vec![], spans);
    assert_eq!(drawing.lines().count(), 20_001);
    assert!(drawing.lines().all(|line| line.len() < 300));
}

#[test]
fn nothing_a_sender_writes_breaks_the_lines() {
    let mut log = record("two\nlines and \u{1b}[31mred\u{1b}[0m", 0, 0, 0);
    log.attributes = vec![attribute(
        "key\r\n",
        Value::StringValue("\u{7}bell ring".into()),
    )];
    let mut endless = record(&"x".repeat(1_000), 1, 0, 0);
    endless.attributes = (0..12)
        .map(|n| attribute(&format!("k{n}"), Value::StringValue("y".repeat(90))))
        .collect();
    let drawing = draw(vec![log, endless], vec![]);
    assert_eq!(drawing.lines().count(), 3);
    assert!(
        drawing.chars().all(|c| c == '\n' || !c.is_control()),
        "{drawing:?}"
    );
    assert!(drawing.contains(r"two\nlines"));
    let last = drawing.lines().last().unwrap_or_default();
    assert!(
        last.ends_with("(+4 more)") && last.chars().count() < 700,
        "{last}"
    );
}

#[test]
fn values_of_every_kind_are_written_short() {
    let array = ArrayValue {
        values: vec![text("a"), AnyValue::default(), text("b c")],
    };
    let list = KeyValueList {
        values: vec![attribute("k", Value::BoolValue(true))],
    };
    let mut log = record("", 0, 0, 0);
    log.body = None;
    log.event_name = "order.placed".into();
    log.attributes = vec![
        attribute("array", Value::ArrayValue(array)),
        attribute("list", Value::KvlistValue(list)),
        attribute("bytes", Value::BytesValue(vec![1, 0xff])),
        attribute("double", Value::DoubleValue(2.0)),
        attribute("empty", Value::StringValue(String::new())),
    ];
    assert_eq!(
        draw(vec![log], vec![]).lines().last(),
        Some(
            "└─ INFO  order.placed  array=[a, null, \"b c\"] list={k: true} bytes=0x01ff double=2.0 empty=\"\""
        )
    );
}
