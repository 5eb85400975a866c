//! What filters match, where they are wrong, and that no text makes the parser panic.

use super::*;
use crate::query::scan::{Go, Order, Scan, What};
use crate::retain::samples::{attribute, indexed_logs, indexed_spans, record, span};
use crate::retain::{Capacity, Store};
use opentelemetry_proto::tonic::common::v1::KeyValueList;
use opentelemetry_proto::tonic::common::v1::any_value::Value as V;
use opentelemetry_proto::tonic::trace::v1::Status;

const NOW: u64 = 1_700_000_000_000_000_000;

fn store() -> Store {
    let mut first = record("Payment TIMEOUT for Zoë", NOW, 1, 2);
    first.severity_number = 13;
    first.event_name = "payment.slow".into();
    let nested = KeyValueList {
        values: vec![attribute("id", V::StringValue("ada".into()))],
    };
    first.attributes = vec![
        attribute("status", V::IntValue(500)),
        attribute("ratio", V::DoubleValue(0.5)),
        attribute("retry", V::BoolValue(true)),
        attribute("my key", V::StringValue("x y".into())),
        attribute("user", V::KvlistValue(nested)),
        attribute("version", V::StringValue("10".into())),
    ];
    let mut second = record("order placed", NOW + 1_000_000_000, 0, 0);
    second.severity_number = 9;
    second.attributes = vec![attribute("status", V::IntValue(200))];
    let mut third = record("", NOW + 2_000_000_000, 7, 7);
    third.severity_number = 0;
    third.body = Some(opentelemetry_proto::tonic::common::v1::AnyValue {
        value: Some(V::IntValue(4711)),
    });
    let mut fourth = span("GET /orders", NOW, 1, 2, 0);
    fourth.kind = 2;
    fourth.end_time_unix_nano = NOW + 250_000_000;
    fourth.status = Some(Status {
        code: 2,
        message: "upstream gone".into(),
    });
    let store = Store::new(Capacity::default(), false);
    store.accept_at(indexed_logs(vec![first, second, third]), None, NOW);
    store.accept_at(indexed_spans(vec![fourth]), None, NOW);
    store
}

/// The order numbers of what matches.
fn found(store: &Store, filter: &str) -> Vec<u64> {
    let filter = Filter::parse(filter, NOW).unwrap_or_else(|e| panic!("{filter}: {e}"));
    let scan = Scan::new(store, &filter, What::Both, NOW + 120_000_000_000);
    let mut found = Vec::new();
    scan.run(Order::OldestFirst, 0, |item| {
        found.push(item.seq());
        Go::On
    });
    found
}

#[test]
fn filters_find_what_they_say() {
    let store = store();
    let cases: &[(&str, &[u64])] = &[
        ("", &[1, 2, 3, 4]),
        ("   ", &[1, 2, 3, 4]),
        // Text, whatever its case, in bodies, attributes and names.
        ("timeout", &[1]),
        ("TIMEOUT payment", &[1]),
        ("\"timeout for\"", &[1]),
        ("ZOË", &[1]),
        ("zoe", &[]),
        ("ada", &[1]),
        ("4711", &[3]),
        ("/ORDERS", &[4]),
        ("upstream", &[4]),
        ("payment.slow", &[1]),
        // Levels.
        ("level:warn", &[1]),
        ("level>=info", &[1, 2]),
        ("level<warn", &[2]),
        ("level!=warn", &[2, 3, 4]),
        ("level=13", &[1]),
        ("level:unset", &[3, 4]),
        ("has:level", &[1, 2]),
        // Numbers are numbers, text is text.
        ("status=500", &[1]),
        ("status>=200 level>0", &[1, 2]),
        ("status>99 status<300", &[2]),
        ("ratio=0.5", &[1]),
        ("ratio<1", &[1]),
        ("status>199.5", &[1, 2, 4]),
        ("retry=true", &[1]),
        ("version=10", &[1]),
        ("status!=500", &[2, 3, 4]),
        ("attr.status!=500", &[2, 3, 4]),
        // Keys.
        ("\"my key\"=\"x y\"", &[1]),
        ("attr.\"my key\":X", &[1]),
        ("user.id=ada", &[1]),
        ("has:user.id", &[1]),
        ("NOT has:status", &[3]),
        ("has:status", &[1, 2, 4]),
        ("event:slow", &[1]),
        ("body:placed", &[2]),
        ("body=\"order placed\"", &[2]),
        ("body=4711", &[3]),
        ("body>4000", &[1, 2, 3]),
        ("body=~\"^order \\w+$\"", &[2]),
        ("name=~\"^GET \"", &[4]),
        ("kind:server", &[4]),
        ("status:error", &[4]),
        ("duration>100ms", &[4]),
        ("duration>=1s", &[]),
        // Ids and links.
        ("trace:01010101010101010101010101010101", &[1, 4]),
        ("trace:0101", &[1, 4]),
        ("trace=0101", &[]),
        ("span=0202020202020202", &[1, 4]),
        ("link:linked", &[1]),
        ("link:unlinked", &[2]),
        ("link:orphaned", &[3]),
        ("link!=linked", &[2, 3, 4]),
        // Order and time.
        ("seq>=2 seq<4", &[2, 3]),
        ("seq=3", &[3]),
        ("time>2023-11-14T22:13:20Z", &[2, 3]),
        ("time<=-0s", &[1, 4]),
        // Logic.
        ("level:warn OR level:info", &[1, 2]),
        ("(timeout OR placed) status=200", &[2]),
        ("NOT (timeout OR placed)", &[3, 4]),
        ("-timeout -placed", &[3, 4]),
        ("timeout AND status=500", &[1]),
        ("timeout OR placed status=500", &[1]),
        ("- timeout", &[]),
        ("nothing", &[]),
        ("done!", &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(found(&store, filter), *expected, "{filter}");
    }
}

#[test]
fn what_is_wrong_with_a_filter_is_said_with_its_place() {
    let cases = [
        ("(a", 0, "never closed"),
        ("a)", 1, "never opened"),
        ("a OR", 4, "missing at the end"),
        ("OR a", 0, "missing before"),
        ("level:loud", 6, "trace, debug"),
        ("a level>=", 9, "value is missing"),
        ("=x", 0, "key is missing"),
        ("\"open", 0, "closing quote"),
        ("body=~\"(\"", 6, "no regular expression"),
        ("trace:xyz", 6, "hex"),
        ("trace>01", 0, "only be compared"),
        ("seq>a", 4, "whole number"),
        ("duration>fast", 9, "duration"),
        ("time>noon", 5, "a time"),
        ("link:lost", 5, "linked"),
    ];
    for (filter, position, part) in cases {
        let error = Filter::parse(filter, NOW).unwrap_err();
        assert_eq!(error.position, position, "{filter}: {error}");
        assert!(error.message.contains(part), "{filter}: {error}");
    }
    let deep = "(".repeat(1000);
    assert!(
        Filter::parse(&deep, NOW)
            .unwrap_err()
            .message
            .contains("deep")
    );
    let deep = format!("{}a", "-".repeat(1000));
    assert!(
        Filter::parse(&deep, NOW)
            .unwrap_err()
            .message
            .contains("deep")
    );
    let long = "a ".repeat(10_000);
    assert!(
        Filter::parse(&long, NOW)
            .unwrap_err()
            .message
            .contains("long")
    );
    let huge = "body=~\"(a{1000}){1000}\"";
    assert!(
        Filter::parse(huge, NOW)
            .unwrap_err()
            .message
            .contains("expression")
    );
}

#[test]
fn no_text_makes_the_parser_panic_and_what_it_takes_can_be_asked() {
    let store = store();
    let seeds = [
        "level>=warn service:shop timeout (status=500 OR status!=503) -path:/health",
        "body=~\"order \\d+\" \"my key\"=\"x\\\"\" has:user.id NOT ü<=5 time>-15m",
        "attr.\"a b\"=1 resource.x.y:z scope.n>2 seq<9 link:pending duration<=1.5ms trace:ab",
    ];
    let mut random = crate::retain::samples::Random(0x00f1_17e5);
    let mut accepted = 0;
    for _ in 0..3_000 {
        for seed in seeds {
            let bytes = random.mutate(seed.as_bytes(), b"()\"\\:=<>!-~. ORANDNT\xc3");
            let text = String::from_utf8_lossy(&bytes);
            match Filter::parse(&text, NOW) {
                Ok(_) => {
                    found(&store, &text);
                    accepted += 1;
                }
                Err(error) => assert!(error.position <= text.len(), "{text} {error}"),
            }
        }
    }
    assert!(accepted > 100, "{accepted}");
}
