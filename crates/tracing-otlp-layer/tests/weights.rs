//! What a layer tells of a record's weight is what somebody finds who looks at all of it.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::{Arc, Mutex};

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::AnyValue;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider};
use tracing::{Dispatch, error, info, info_span};
use tracing_otlp_layer::{Limits, LogLayer, SpanFields, Weight, weight_in_hand};
use tracing_subscriber::prelude::*;

/// What a layer told, and what was found.
type Weighed = (Option<Weight>, Weight);

/// Asks as a pipeline does, and looks.
#[derive(Debug, Clone, Default)]
struct Scales(Arc<Mutex<Vec<Weighed>>>);

impl LogProcessor for Scales {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        let told = weight_in_hand();
        assert_eq!(weight_in_hand(), None, "it is told once");
        let bytes = |value: &AnyValue| match value {
            AnyValue::String(text) => text.as_str().len(),
            _ => 0,
        };
        let values = record.attributes_iter().map(|(_, value)| value);
        let found = Weight {
            attributes: u32::try_from(record.attributes_iter().count()).unwrap(),
            text_bytes: u32::try_from(values.chain(record.body()).map(bytes).sum::<usize>())
                .unwrap(),
        };
        self.0.lock().unwrap().push((told, found));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
}

fn weighed(
    setup: impl FnOnce(
        LogLayer<opentelemetry_sdk::logs::SdkLogger>,
    ) -> LogLayer<opentelemetry_sdk::logs::SdkLogger>,
    work: impl FnOnce(),
) -> Vec<(Option<Weight>, Weight)> {
    let scales = Scales::default();
    let provider = SdkLoggerProvider::builder()
        .with_log_processor(scales.clone())
        .build();
    let layer = setup(LogLayer::new(&provider).with_weights_told(true));
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::dispatcher::with_default(&Dispatch::new(subscriber), work);
    assert_eq!(weight_in_hand(), None);
    let weighed = scales.0.lock().unwrap();
    weighed.clone()
}

fn events() {
    let outer = info_span!(
        "outer",
        tenant = "blue",
        shard = 7,
        late = tracing::field::Empty
    );
    let _outer = outer.enter();
    let inner = info_span!("inner", tenant = "green", what = ?"debug", empty = "");
    let _inner = inner.enter();
    outer.record("late", "recorded later");
    for number in 0..10 {
        info!("a constant");
        info!(
            method = "GET",
            number,
            ratio = 0.5,
            ok = true,
            "number {number}"
        );
        info!(
            tenant = "mine",
            code.file.path = "elsewhere",
            "over the others"
        );
        info!(big = u64::MAX, none = Option::<u8>::None, elapsed = ?[1, 2], no = "");
        let failed = "x".parse::<u8>().unwrap_err();
        error!(error = &failed as &dyn std::error::Error, "failed");
        error!(error = "only a text");
        info!(
            otel.event.name = "named",
            otel.severity_number = 18,
            "named"
        );
        info!(name: "given", "ñandú");
    }
}

#[test]
fn what_is_told_is_what_is_there() {
    for fields in [SpanFields::off(), SpanFields::all().with_prefix("span.")] {
        let weighed = weighed(
            |layer| {
                layer
                    .with_span_fields(fields.with_span_name("span.name"))
                    .with_thread(true)
            },
            events,
        );
        assert_eq!(weighed.len(), 80);
        for (told, found) in weighed {
            assert_eq!(told, Some(found));
        }
    }
}

#[test]
fn what_the_limits_let_through_is_told_too() {
    let limits = Limits::default()
        .with_attribute_count(3)
        .with_value_length(4)
        .with_body_length(5);
    for (told, found) in weighed(|layer| layer.with_limits(limits), events) {
        assert_eq!(told, Some(found));
    }
}

#[test]
fn where_it_is_not_known_nothing_is_told() {
    let weighed = weighed(
        |layer| layer,
        || {
            info!(bytes = &[1_u8, 2][..], "nested");
            info!(
                twice = 1,
                twice = "two",
                "a value that took another one's place"
            );
        },
    );
    assert_eq!(weighed.len(), 2);
    assert!(
        weighed.iter().all(|(told, _)| told.is_none()),
        "{weighed:?}"
    );
    let silent = self::weighed(|layer| layer.with_weights_told(false), events);
    assert!(silent.iter().all(|(told, _)| told.is_none()));
}
