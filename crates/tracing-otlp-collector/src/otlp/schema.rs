//! The messages of OTLP as a table: numbers, names in JSON, and what a field holds.
//!
//! `check`, `to_json` and `from_json` read it. It follows the `.proto` files of OTLP 1.10, without
//! profiles; a unit test compares it with the official crate field by field.

use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) fields: &'static [Field],
    /// Where in `fields` a number stands, plus one; zero for numbers without a field.
    by_number: [u8; NUMBERS],
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) json: &'static str,
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    Many,
    /// One of several, of which the last on the wire counts.
    Choice,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Enum(fn(&str) -> Option<i32>),
    Fixed32,
    Fixed64,
    Sfixed64,
    Double,
    String,
    /// Base64 in JSON.
    Bytes,
    /// A trace or span id: hex in JSON.
    Id,
    Message(&'static Message),
}

impl Message {
    const fn new(fields: &'static [Field]) -> Self {
        let mut by_number = [0; NUMBERS];
        let mut nth = 0;
        while nth < fields.len() {
            #[expect(clippy::cast_possible_truncation, reason = "a message has few fields")]
            {
                by_number[fields[nth].number as usize] = nth as u8 + 1;
            }
            nth += 1;
        }
        Self { fields, by_number }
    }

    #[inline]
    pub(crate) fn field(&self, number: u32) -> Option<&'static Field> {
        let nth = *self.by_number.get(number as usize)?;
        self.fields.get(usize::from(nth).wrapping_sub(1))
    }

    /// The field with this name in JSON, also as `snake_case`.
    pub(crate) fn named(&self, name: &str) -> Option<&'static Field> {
        let exact = self.fields.iter().find(|field| field.json == name);
        if exact.is_some() || !name.contains('_') {
            return exact;
        }
        self.fields
            .iter()
            .find(|field| is_snake_case_of(name, field.json))
    }
}

/// Whether `snake` is `camel` with each capital written as an underscore and a small letter.
fn is_snake_case_of(snake: &str, camel: &str) -> bool {
    let mut snake = snake.bytes();
    let all = camel.bytes().all(|letter| {
        if letter.is_ascii_uppercase() {
            snake.next() == Some(b'_') && snake.next() == Some(letter.to_ascii_lowercase())
        } else {
            snake.next() == Some(letter)
        }
    });
    all && snake.next().is_none()
}

const fn one(number: u32, json: &'static str, kind: Kind) -> Field {
    let shape = Shape::One;
    Field {
        number,
        json,
        kind,
        shape,
    }
}

const fn many(number: u32, json: &'static str, kind: Kind) -> Field {
    let shape = Shape::Many;
    Field {
        number,
        json,
        kind,
        shape,
    }
}

const fn choice(number: u32, json: &'static str, kind: Kind) -> Field {
    let shape = Shape::Choice;
    Field {
        number,
        json,
        kind,
        shape,
    }
}

fn severity(name: &str) -> Option<i32> {
    SeverityNumber::from_str_name(name).map(Into::into)
}

fn span_kind(name: &str) -> Option<i32> {
    SpanKind::from_str_name(name).map(Into::into)
}

fn status_code(name: &str) -> Option<i32> {
    StatusCode::from_str_name(name).map(Into::into)
}

fn temporality(name: &str) -> Option<i32> {
    AggregationTemporality::from_str_name(name).map(Into::into)
}

/// The highest field number of any message is 16.
const NUMBERS: usize = 17;

use Kind as K;

pub(crate) static LOGS_REQUEST: Message =
    Message::new(&[many(1, "resourceLogs", K::Message(&RESOURCE_LOGS))]);

pub(crate) static RESOURCE_LOGS: Message = Message::new(&[
    one(1, "resource", K::Message(&RESOURCE)),
    many(2, "scopeLogs", K::Message(&SCOPE_LOGS)),
    one(3, "schemaUrl", K::String),
]);

pub(crate) static SCOPE_LOGS: Message = Message::new(&[
    one(1, "scope", K::Message(&SCOPE)),
    many(2, "logRecords", K::Message(&LOG_RECORD)),
    one(3, "schemaUrl", K::String),
]);

pub(crate) static LOG_RECORD: Message = Message::new(&[
    one(1, "timeUnixNano", K::Fixed64),
    one(11, "observedTimeUnixNano", K::Fixed64),
    one(2, "severityNumber", K::Enum(severity)),
    one(3, "severityText", K::String),
    one(5, "body", K::Message(&ANY_VALUE)),
    many(6, "attributes", K::Message(&KEY_VALUE)),
    one(7, "droppedAttributesCount", K::Uint32),
    one(8, "flags", K::Fixed32),
    one(9, "traceId", K::Id),
    one(10, "spanId", K::Id),
    one(12, "eventName", K::String),
]);

pub(crate) static TRACE_REQUEST: Message =
    Message::new(&[many(1, "resourceSpans", K::Message(&RESOURCE_SPANS))]);

pub(crate) static RESOURCE_SPANS: Message = Message::new(&[
    one(1, "resource", K::Message(&RESOURCE)),
    many(2, "scopeSpans", K::Message(&SCOPE_SPANS)),
    one(3, "schemaUrl", K::String),
]);

pub(crate) static SCOPE_SPANS: Message = Message::new(&[
    one(1, "scope", K::Message(&SCOPE)),
    many(2, "spans", K::Message(&SPAN)),
    one(3, "schemaUrl", K::String),
]);

pub(crate) static SPAN: Message = Message::new(&[
    one(1, "traceId", K::Id),
    one(2, "spanId", K::Id),
    one(3, "traceState", K::String),
    one(4, "parentSpanId", K::Id),
    one(16, "flags", K::Fixed32),
    one(5, "name", K::String),
    one(6, "kind", K::Enum(span_kind)),
    one(7, "startTimeUnixNano", K::Fixed64),
    one(8, "endTimeUnixNano", K::Fixed64),
    many(9, "attributes", K::Message(&KEY_VALUE)),
    one(10, "droppedAttributesCount", K::Uint32),
    many(11, "events", K::Message(&EVENT)),
    one(12, "droppedEventsCount", K::Uint32),
    many(13, "links", K::Message(&LINK)),
    one(14, "droppedLinksCount", K::Uint32),
    one(15, "status", K::Message(&STATUS)),
]);

static EVENT: Message = Message::new(&[
    one(1, "timeUnixNano", K::Fixed64),
    one(2, "name", K::String),
    many(3, "attributes", K::Message(&KEY_VALUE)),
    one(4, "droppedAttributesCount", K::Uint32),
]);

static LINK: Message = Message::new(&[
    one(1, "traceId", K::Id),
    one(2, "spanId", K::Id),
    one(3, "traceState", K::String),
    many(4, "attributes", K::Message(&KEY_VALUE)),
    one(5, "droppedAttributesCount", K::Uint32),
    one(6, "flags", K::Fixed32),
]);

static STATUS: Message = Message::new(&[
    one(2, "message", K::String),
    one(3, "code", K::Enum(status_code)),
]);

pub(crate) static METRICS_REQUEST: Message =
    Message::new(&[many(1, "resourceMetrics", K::Message(&RESOURCE_METRICS))]);

pub(crate) static RESOURCE_METRICS: Message = Message::new(&[
    one(1, "resource", K::Message(&RESOURCE)),
    many(2, "scopeMetrics", K::Message(&SCOPE_METRICS)),
    one(3, "schemaUrl", K::String),
]);

pub(crate) static SCOPE_METRICS: Message = Message::new(&[
    one(1, "scope", K::Message(&SCOPE)),
    many(2, "metrics", K::Message(&METRIC)),
    one(3, "schemaUrl", K::String),
]);

pub(crate) static METRIC: Message = Message::new(&[
    one(1, "name", K::String),
    one(2, "description", K::String),
    one(3, "unit", K::String),
    choice(5, "gauge", K::Message(&GAUGE)),
    choice(7, "sum", K::Message(&SUM)),
    choice(9, "histogram", K::Message(&HISTOGRAM)),
    choice(
        10,
        "exponentialHistogram",
        K::Message(&EXPONENTIAL_HISTOGRAM),
    ),
    choice(11, "summary", K::Message(&SUMMARY)),
    many(12, "metadata", K::Message(&KEY_VALUE)),
]);

static GAUGE: Message = Message::new(&[many(1, "dataPoints", K::Message(&NUMBER_POINT))]);

static SUM: Message = Message::new(&[
    many(1, "dataPoints", K::Message(&NUMBER_POINT)),
    one(2, "aggregationTemporality", K::Enum(temporality)),
    one(3, "isMonotonic", K::Bool),
]);

static HISTOGRAM: Message = Message::new(&[
    many(1, "dataPoints", K::Message(&HISTOGRAM_POINT)),
    one(2, "aggregationTemporality", K::Enum(temporality)),
]);

static EXPONENTIAL_HISTOGRAM: Message = Message::new(&[
    many(1, "dataPoints", K::Message(&EXPONENTIAL_POINT)),
    one(2, "aggregationTemporality", K::Enum(temporality)),
]);

static SUMMARY: Message = Message::new(&[many(1, "dataPoints", K::Message(&SUMMARY_POINT))]);

pub(crate) static NUMBER_POINT: Message = Message::new(&[
    many(7, "attributes", K::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", K::Fixed64),
    one(3, "timeUnixNano", K::Fixed64),
    choice(4, "asDouble", K::Double),
    choice(6, "asInt", K::Sfixed64),
    many(5, "exemplars", K::Message(&EXEMPLAR)),
    one(8, "flags", K::Uint32),
]);

pub(crate) static HISTOGRAM_POINT: Message = Message::new(&[
    many(9, "attributes", K::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", K::Fixed64),
    one(3, "timeUnixNano", K::Fixed64),
    one(4, "count", K::Fixed64),
    one(5, "sum", K::Double),
    many(6, "bucketCounts", K::Fixed64),
    many(7, "explicitBounds", K::Double),
    many(8, "exemplars", K::Message(&EXEMPLAR)),
    one(10, "flags", K::Uint32),
    one(11, "min", K::Double),
    one(12, "max", K::Double),
]);

pub(crate) static EXPONENTIAL_POINT: Message = Message::new(&[
    many(1, "attributes", K::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", K::Fixed64),
    one(3, "timeUnixNano", K::Fixed64),
    one(4, "count", K::Fixed64),
    one(5, "sum", K::Double),
    one(6, "scale", K::Sint32),
    one(7, "zeroCount", K::Fixed64),
    one(8, "positive", K::Message(&BUCKETS)),
    one(9, "negative", K::Message(&BUCKETS)),
    one(10, "flags", K::Uint32),
    many(11, "exemplars", K::Message(&EXEMPLAR)),
    one(12, "min", K::Double),
    one(13, "max", K::Double),
    one(14, "zeroThreshold", K::Double),
]);

static BUCKETS: Message = Message::new(&[
    one(1, "offset", K::Sint32),
    many(2, "bucketCounts", K::Uint64),
]);

pub(crate) static SUMMARY_POINT: Message = Message::new(&[
    many(7, "attributes", K::Message(&KEY_VALUE)),
    one(2, "startTimeUnixNano", K::Fixed64),
    one(3, "timeUnixNano", K::Fixed64),
    one(4, "count", K::Fixed64),
    one(5, "sum", K::Double),
    many(6, "quantileValues", K::Message(&QUANTILE)),
    one(8, "flags", K::Uint32),
]);

static QUANTILE: Message =
    Message::new(&[one(1, "quantile", K::Double), one(2, "value", K::Double)]);

static EXEMPLAR: Message = Message::new(&[
    many(7, "filteredAttributes", K::Message(&KEY_VALUE)),
    one(2, "timeUnixNano", K::Fixed64),
    choice(3, "asDouble", K::Double),
    choice(6, "asInt", K::Sfixed64),
    one(4, "spanId", K::Id),
    one(5, "traceId", K::Id),
]);

pub(crate) static RESOURCE: Message = Message::new(&[
    many(1, "attributes", K::Message(&KEY_VALUE)),
    one(2, "droppedAttributesCount", K::Uint32),
    many(3, "entityRefs", K::Message(&ENTITY_REF)),
]);

static ENTITY_REF: Message = Message::new(&[
    one(1, "schemaUrl", K::String),
    one(2, "type", K::String),
    many(3, "idKeys", K::String),
    many(4, "descriptionKeys", K::String),
]);

pub(crate) static SCOPE: Message = Message::new(&[
    one(1, "name", K::String),
    one(2, "version", K::String),
    many(3, "attributes", K::Message(&KEY_VALUE)),
    one(4, "droppedAttributesCount", K::Uint32),
]);

pub(crate) static KEY_VALUE: Message = Message::new(&[
    one(1, "key", K::String),
    one(2, "value", K::Message(&ANY_VALUE)),
    one(3, "keyStrindex", K::Int32),
]);

pub(crate) static ANY_VALUE: Message = Message::new(&[
    choice(1, "stringValue", K::String),
    choice(2, "boolValue", K::Bool),
    choice(3, "intValue", K::Int64),
    choice(4, "doubleValue", K::Double),
    choice(5, "arrayValue", K::Message(&ARRAY_VALUE)),
    choice(6, "kvlistValue", K::Message(&KVLIST)),
    choice(7, "bytesValue", K::Bytes),
    choice(8, "stringValueStrindex", K::Int32),
]);

pub(crate) static ARRAY_VALUE: Message = Message::new(&[many(1, "values", K::Message(&ANY_VALUE))]);

static KVLIST: Message = Message::new(&[many(1, "values", K::Message(&KEY_VALUE))]);
