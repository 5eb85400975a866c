//! Records, spans and resources of every kind, by chance.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use opentelemetry::{
    Array, InstrumentationScope, Key, KeyValue, SpanId, StringValue, TraceFlags, TraceId, Value,
    logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity},
    trace::{Event, Link, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::{
    Resource,
    logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider},
    trace::{SpanData, SpanEvents, SpanLinks},
};

use crate::encode::dropped;

pub(super) struct Chance {
    rng: fastrand::Rng,
    logger: SdkLogger,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            logger: SdkLoggerProvider::builder().build().logger("any"),
        }
    }

    pub(super) fn number(&mut self, below: usize) -> usize {
        self.rng.usize(..below)
    }

    fn one_in(&mut self, number: usize) -> bool {
        self.number(number) == 0
    }

    fn choice<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.number(of.len())]
    }

    pub(super) fn text(&mut self) -> String {
        let len = match self.number(40) {
            0 => 0,
            1 => 127,
            2 => 128,
            3 => 200 + self.number(300),
            4 => 16_384 + self.number(5000),
            _ => 1 + self.number(20),
        };
        let letters = ['a', 'b', ' ', '"', '\n', '\0', 'é', '字', '🦀'];
        (0..len).map(|_| self.choice(&letters)).collect()
    }

    fn key(&mut self) -> Key {
        // A few of them, so that some come twice.
        match self.number(12) {
            0 => Key::from_static_str(dropped::ATTRIBUTE),
            1 => Key::from_static_str(""),
            2 => self.text().into(),
            number => format!("key.{number}").into(),
        }
    }

    fn int(&mut self) -> i64 {
        let any = self.rng.i64(..);
        self.choice(&[0, 1, -1, 127, 128, i64::MIN, i64::MAX, any, any >> 40])
    }

    fn double(&mut self) -> f64 {
        let any = self.rng.f64();
        let odd = f64::from_bits(0x7ff8_0000_0000_0001 | self.rng.u64(..) >> 12);
        self.choice(&[
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            any,
            odd,
        ])
    }

    /// A value that is at most so many levels deep.
    pub(super) fn any(&mut self, levels: usize) -> AnyValue {
        match self.number(if levels == 0 { 6 } else { 8 }) {
            0 => AnyValue::Int(self.int()),
            1 => AnyValue::Double(self.double()),
            2 => AnyValue::Boolean(self.rng.bool()),
            3 => AnyValue::Bytes(Box::new(self.text().into_bytes())),
            4 | 5 => AnyValue::String(self.text().into()),
            6 => {
                let items = (0..self.number(5)).map(|_| self.any(levels - 1));
                AnyValue::ListAny(Box::new(items.collect()))
            }
            _ => {
                let pairs = (0..self.number(5)).map(|_| (self.key(), self.any(levels - 1)));
                AnyValue::Map(Box::new(pairs.collect::<HashMap<_, _>>()))
            }
        }
    }

    fn value(&mut self) -> Value {
        match self.number(8) {
            0 => self.int().into(),
            1 => self.double().into(),
            2 => self.rng.bool().into(),
            3 => Value::Array(Array::I64(
                (0..self.number(4)).map(|_| self.int()).collect(),
            )),
            4 => Value::Array(Array::F64(
                (0..self.number(4)).map(|_| self.double()).collect(),
            )),
            5 => Value::Array(Array::Bool(vec![true; self.number(4)])),
            6 => {
                let texts = (0..self.number(4)).map(|_| StringValue::from(self.text()));
                Value::Array(Array::String(texts.collect()))
            }
            _ => self.text().into(),
        }
    }

    fn attributes(&mut self) -> Vec<KeyValue> {
        let number = self.number(6);
        let attributes = (0..number).map(|_| KeyValue::new(self.key(), self.value()));
        attributes.collect()
    }

    fn time(&mut self) -> SystemTime {
        let since = Duration::from_nanos(self.rng.u64(..));
        let before = UNIX_EPOCH - Duration::from_secs(5);
        self.choice(&[UNIX_EPOCH, before, UNIX_EPOCH + since])
    }

    pub(super) fn scope(&mut self) -> InstrumentationScope {
        let name = self.choice(&[
            "",
            "app",
            "app::db",
            "a name as long as a scope's name may well be",
        ]);
        let mut builder = InstrumentationScope::builder(name);
        if self.one_in(3) {
            builder = builder.with_version(self.choice(&["1.2.3", "1.2.4"]));
        }
        if self.one_in(3) {
            builder = builder.with_schema_url(self.choice(&["https://schema", "https://other"]));
        }
        if self.one_in(3) {
            // No double: a NaN is equal to nothing, and the official grouping would make two of one
            // scope.
            let int = KeyValue::new("k", self.choice(&[0, -1, i64::MAX]));
            let text = self.text();
            let other: Value = self.choice(&[true, false]).into();
            let other = if self.one_in(2) { text.into() } else { other };
            let both = [int, KeyValue::new("other", other)];
            let number = self.number(3);
            builder = builder.with_attributes(both.into_iter().take(number));
        }
        builder.build()
    }

    pub(super) fn resource(&mut self) -> Resource {
        let builder = Resource::builder_empty();
        if self.one_in(2) {
            builder.with_attributes(self.attributes()).build()
        } else {
            builder
                .with_schema_url(self.attributes(), "https://resource")
                .build()
        }
    }

    fn ids(&mut self) -> (TraceId, SpanId) {
        let (trace, span) = (self.rng.u128(..), self.rng.u64(..));
        (
            TraceId::from(self.choice(&[trace, trace, 0])),
            SpanId::from(self.choice(&[span, span, 0])),
        )
    }

    pub(super) fn empty_record(&self) -> SdkLogRecord {
        self.logger.create_log_record()
    }

    pub(super) fn record(&mut self) -> SdkLogRecord {
        let mut record = self.empty_record();
        if !self.one_in(8) {
            record.set_timestamp(self.time());
        }
        if !self.one_in(8) {
            record.set_observed_timestamp(self.time());
        }
        if !self.one_in(8) {
            let severities = [
                Severity::Trace,
                Severity::Debug2,
                Severity::Info4,
                Severity::Warn3,
                Severity::Error,
                Severity::Fatal4,
            ];
            record.set_severity_number(self.choice(&severities));
        }
        if !self.one_in(8) {
            record.set_severity_text(self.choice(&["INFO", ""]));
        }
        if !self.one_in(8) {
            let body = self.any(3);
            record.set_body(body);
        }
        if self.one_in(2) {
            record.set_event_name(self.choice(&["event", ""]));
        }
        if self.one_in(4) {
            record.set_target(self.choice(&["app", "target"]));
        }
        if !self.one_in(4) {
            let (trace, span) = self.ids();
            let flags = TraceFlags::new(self.rng.u8(..));
            record.set_trace_context(trace, span, self.choice(&[None, Some(flags)]));
        }
        for _ in 0..self.number(14) {
            let key = self.key();
            let levels = self.choice(&[0, 0, 1, 4]);
            record.add_attribute(key, self.any(levels));
        }
        record
    }

    fn span_context(&mut self) -> SpanContext {
        let (trace, span) = self.ids();
        let state = if self.one_in(2) {
            TraceState::from_key_value([("vendor", "x")]).unwrap()
        } else {
            TraceState::default()
        };
        let flags = TraceFlags::new(self.rng.u8(..));
        SpanContext::new(trace, span, flags, self.rng.bool(), state)
    }

    pub(super) fn span(&mut self) -> SpanData {
        let mut events = SpanEvents::default();
        for _ in 0..self.number(3) {
            let (name, time, dropped) = (self.text(), self.time(), self.rng.u32(..));
            let attributes = self.attributes();
            events
                .events
                .push(Event::new(name, time, attributes, dropped));
        }
        events.dropped_count = self.rng.u32(..2);
        let mut links = SpanLinks::default();
        for _ in 0..self.number(3) {
            let (context, attributes) = (self.span_context(), self.attributes());
            links
                .links
                .push(Link::new(context, attributes, self.rng.u32(..300)));
        }
        links.dropped_count = self.rng.u32(..2);
        let description = self.text().into();
        SpanData {
            span_context: self.span_context(),
            parent_span_id: self.ids().1,
            parent_span_is_remote: self.rng.bool(),
            span_kind: match self.number(5) {
                0 => SpanKind::Client,
                1 => SpanKind::Server,
                2 => SpanKind::Producer,
                3 => SpanKind::Consumer,
                _ => SpanKind::Internal,
            },
            name: self.text().into(),
            start_time: self.time(),
            end_time: self.time(),
            attributes: self.attributes(),
            dropped_attributes_count: self.rng.u32(..2),
            events,
            links,
            status: match self.number(3) {
                0 => Status::Unset,
                1 => Status::Ok,
                _ => Status::Error { description },
            },
            instrumentation_scope: self.scope(),
        }
    }
}
