//! `valuable` values, under tracing's own cfg.
#![cfg(all(tracing_unstable, feature = "valuable"))]

mod support;

use std::collections::BTreeMap;

use opentelemetry::logs::AnyValue;
use support::Rig;
use tracing::info;
use valuable::Valuable;

#[derive(Valuable)]
enum Kind {
    Plain,
    Pair(u8, bool),
}

#[derive(Valuable)]
struct User {
    id: u64,
    tags: Vec<&'static str>,
    kinds: (Kind, Kind),
    extra: BTreeMap<&'static str, f64>,
}

#[test]
fn a_valuable_value_is_maps_and_lists() {
    let rig = Rig::default();
    let user = User {
        id: 7,
        tags: vec!["a", "b"],
        kinds: (Kind::Plain, Kind::Pair(1, true)),
        extra: BTreeMap::from([("x", 0.5)]),
    };
    rig.run(|| info!(user = user.as_value(), "seen"));
    let Some(AnyValue::Map(map)) = rig.only().attr("user") else {
        panic!("a map")
    };
    let list = |items: Vec<AnyValue>| Some(AnyValue::ListAny(Box::new(items)));
    let text = |text: &'static str| AnyValue::String(text.into());
    assert_eq!(map.get("id"), Some(&AnyValue::Int(7)));
    assert_eq!(map.get("tags").cloned(), list(vec![text("a"), text("b")]));
    let pair = AnyValue::from_iter([(
        "Pair",
        list(vec![AnyValue::Int(1), AnyValue::Boolean(true)]).expect("a list"),
    )]);
    assert_eq!(map.get("kinds").cloned(), list(vec![text("Plain"), pair]));
    assert_eq!(map.get("extra"), Some(&AnyValue::from_iter([("x", 0.5)])));
}
