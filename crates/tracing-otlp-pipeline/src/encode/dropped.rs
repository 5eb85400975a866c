//! Fills in how many attributes a record has lost to limits.
//!
//! Part of `encode`. An SDK record has no place for the number, so the layer sends it along as the
//! attribute that the specification gives to formats without one ("Mapping to non-OTLP Formats",
//! "Dropped Attributes Count"). On the wire it becomes the field that it stands for.
//!
//! `direct` writes it there. The official conversion writes a plain attribute and a count of 0, so
//! behind that the request is decoded and encoded once more, if it holds such a record.

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest, common::v1::any_value::Value,
    logs::v1::LogRecord,
};
use opentelemetry_sdk::logs::LogBatch;
use prost::Message as _;

/// The attribute that carries the number.
pub(super) const ATTRIBUTE: &str = "otel.dropped_attributes_count";

/// Whether a record of the batch has the attribute.
pub(super) fn is_said(batch: &LogBatch<'_>) -> bool {
    let mut attributes = batch
        .iter()
        .flat_map(|(record, _)| record.attributes_iter());
    attributes.any(|(key, _)| key.as_str() == ATTRIBUTE)
}

/// The number that an attribute of that name says.
pub(super) fn number(count: i64) -> u32 {
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}

/// Moves the number from the attribute to the field, in every record of an export request.
pub(super) fn patch(request: Bytes) -> Result<Bytes, String> {
    let mut request =
        ExportLogsServiceRequest::decode(request).map_err(|error| error.to_string())?;
    request
        .resource_logs
        .iter_mut()
        .flat_map(|resource| &mut resource.scope_logs)
        .flat_map(|scope| &mut scope.log_records)
        .for_each(patch_record);
    Ok(request.encode_to_vec().into())
}

fn patch_record(record: &mut LogRecord) {
    let mut dropped = record.dropped_attributes_count;
    record.attributes.retain(|attribute| {
        let value = attribute.value.as_ref().and_then(|any| any.value.as_ref());
        match value {
            Some(Value::IntValue(count)) if attribute.key == ATTRIBUTE => {
                dropped = dropped.saturating_add(number(*count));
                false
            }
            _ => true,
        }
    });
    record.dropped_attributes_count = dropped;
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{
        common::v1::{AnyValue, KeyValue},
        logs::v1::{ResourceLogs, ScopeLogs},
    };

    use super::*;

    fn attribute(key: &str, value: Value) -> KeyValue {
        KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        }
    }

    fn patched(attributes: Vec<KeyValue>) -> LogRecord {
        let record = LogRecord {
            attributes,
            ..LogRecord::default()
        };
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                scope_logs: vec![ScopeLogs {
                    log_records: vec![record],
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        };
        let patched = patch(request.encode_to_vec().into()).unwrap();
        let mut request = ExportLogsServiceRequest::decode(patched).unwrap();
        request.resource_logs[0].scope_logs[0].log_records.remove(0)
    }

    #[test]
    fn the_attribute_becomes_the_field() {
        let kept = attribute("a", Value::IntValue(1));
        let record = patched(vec![kept.clone(), attribute(ATTRIBUTE, Value::IntValue(7))]);
        assert_eq!(record.attributes, [kept]);
        assert_eq!(record.dropped_attributes_count, 7);
    }

    #[test]
    fn what_is_no_number_stays_and_what_is_none_is_zero() {
        let text = attribute(ATTRIBUTE, Value::StringValue("7".to_owned()));
        let record = patched(vec![text.clone()]);
        assert_eq!(record.attributes, [text]);
        assert_eq!(record.dropped_attributes_count, 0);
        let record = patched(vec![attribute(ATTRIBUTE, Value::IntValue(-7))]);
        assert_eq!(
            (record.attributes.len(), record.dropped_attributes_count),
            (0, 0)
        );
        let record = patched(vec![attribute(ATTRIBUTE, Value::IntValue(i64::MAX))]);
        assert_eq!(record.dropped_attributes_count, u32::MAX);
    }
}
