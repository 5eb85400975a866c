//! Writes one log record.
//!
//! Part of `direct`: `LogRecord` of logs.proto, without its own length.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::{TraceFlags, logs::AnyValue};
use opentelemetry_sdk::logs::SdkLogRecord;

use super::{
    value::Levels,
    wire::{
        Out, bytes, fixed32, fixed64, put_bytes, put_fixed32, put_fixed64, put_number, put_text,
        varint,
    },
};
use crate::encode::dropped;

const TIME: u8 = fixed64(1);
const SEVERITY_NUMBER: u8 = varint(2);
const SEVERITY_TEXT: u8 = bytes(3);
const BODY: u8 = bytes(5);
const ATTRIBUTE: u8 = bytes(6);
const DROPPED_ATTRIBUTES: u8 = varint(7);
const FLAGS: u8 = fixed32(8);
const TRACE_ID: u8 = bytes(9);
const SPAN_ID: u8 = bytes(10);
const OBSERVED_TIME: u8 = fixed64(11);
const EVENT_NAME: u8 = bytes(12);

pub(super) fn put(out: &mut Out, record: &SdkLogRecord, levels: &mut Levels) {
    put_time(out, TIME, record.timestamp());
    let severity = record.severity_number().map_or(0, |number| number as u32);
    put_number(out, SEVERITY_NUMBER, severity);
    put_text(out, SEVERITY_TEXT, record.severity_text().unwrap_or(""));
    if let Some(body) = record.body() {
        levels.put_value(out, BODY, body);
    }
    let mut dropped = 0_u32;
    // Folded, not looped over: the iterator is a chain of two.
    record.attributes_iter().for_each(|(key, value)| {
        let key = key.as_str();
        match value {
            AnyValue::Int(count) if key == dropped::ATTRIBUTE => {
                dropped = dropped.saturating_add(dropped::number(*count));
            }
            _ => levels.put_attribute(out, ATTRIBUTE, key, value),
        }
    });
    put_number(out, DROPPED_ATTRIBUTES, dropped);
    if let Some(context) = record.trace_context() {
        let flags = context.trace_flags.map_or(0, TraceFlags::to_u8);
        if flags != 0 {
            put_fixed32(out, FLAGS, flags.into());
        }
        put_bytes(out, TRACE_ID, &context.trace_id.to_bytes());
        put_bytes(out, SPAN_ID, &context.span_id.to_bytes());
    }
    put_time(out, OBSERVED_TIME, record.observed_timestamp());
    put_text(out, EVENT_NAME, record.event_name().unwrap_or(""));
}

/// Nanoseconds since 1970; none before, and until 2554, like in the official conversion.
#[inline]
pub(super) fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| {
        since
            .as_secs()
            .wrapping_mul(1_000_000_000)
            .wrapping_add(u64::from(since.subsec_nanos()))
    })
}

/// A time that is left out when there is none.
#[inline]
fn put_time(out: &mut Out, tag: u8, time: Option<SystemTime>) {
    put_nanos(out, tag, time.map_or(0, nanos));
}

#[inline]
pub(super) fn put_nanos(out: &mut Out, tag: u8, nanos: u64) {
    if nanos != 0 {
        put_fixed64(out, tag, nanos);
    }
}
