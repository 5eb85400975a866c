//! Reads a logs request.
//!
//! `decode` calls it for `application/json` on `/v1/logs`.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use serde_json::Value;

use super::common::{any_value, key_value, resource, scope};
use super::error::JsonError;
use super::object::Object;
use super::scalar::{enumeration, hex, integer, string};

pub(crate) fn logs_request(value: &Value) -> Result<ExportLogsServiceRequest, JsonError> {
    let object = Object::of(value)?;
    Ok(ExportLogsServiceRequest {
        resource_logs: object.list("resourceLogs", resource_logs)?,
    })
}

fn resource_logs(value: &Value) -> Result<ResourceLogs, JsonError> {
    let object = Object::of(value)?;
    Ok(ResourceLogs {
        resource: object.optional("resource", resource)?,
        scope_logs: object.list("scopeLogs", scope_logs)?,
        schema_url: object.field("schemaUrl", string)?,
    })
}

fn scope_logs(value: &Value) -> Result<ScopeLogs, JsonError> {
    let object = Object::of(value)?;
    Ok(ScopeLogs {
        scope: object.optional("scope", scope)?,
        log_records: object.list("logRecords", log_record)?,
        schema_url: object.field("schemaUrl", string)?,
    })
}

fn log_record(value: &Value) -> Result<LogRecord, JsonError> {
    let object = Object::of(value)?;
    Ok(LogRecord {
        time_unix_nano: object.field("timeUnixNano", integer)?,
        observed_time_unix_nano: object.field("observedTimeUnixNano", integer)?,
        severity_number: object
            .field("severityNumber", enumeration(SeverityNumber::from_str_name))?,
        severity_text: object.field("severityText", string)?,
        body: object.optional("body", any_value)?,
        attributes: object.list("attributes", key_value)?,
        dropped_attributes_count: object.field("droppedAttributesCount", integer)?,
        flags: object.field("flags", integer)?,
        trace_id: object.field("traceId", hex)?,
        span_id: object.field("spanId", hex)?,
        event_name: object.field("eventName", string)?,
    })
}
