//! Reads a trace request.
//!
//! `decode` calls it for `application/json` on `/v1/traces`.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde_json::Value;

use super::common::{key_value, resource, scope};
use super::error::JsonError;
use super::object::Object;
use super::scalar::{enumeration, hex, integer, string};

pub(crate) fn trace_request(value: &Value) -> Result<ExportTraceServiceRequest, JsonError> {
    let object = Object::of(value)?;
    Ok(ExportTraceServiceRequest {
        resource_spans: object.list("resourceSpans", resource_spans)?,
    })
}

fn resource_spans(value: &Value) -> Result<ResourceSpans, JsonError> {
    let object = Object::of(value)?;
    Ok(ResourceSpans {
        resource: object.optional("resource", resource)?,
        scope_spans: object.list("scopeSpans", scope_spans)?,
        schema_url: object.field("schemaUrl", string)?,
    })
}

fn scope_spans(value: &Value) -> Result<ScopeSpans, JsonError> {
    let object = Object::of(value)?;
    Ok(ScopeSpans {
        scope: object.optional("scope", scope)?,
        spans: object.list("spans", span)?,
        schema_url: object.field("schemaUrl", string)?,
    })
}

fn span(value: &Value) -> Result<Span, JsonError> {
    let object = Object::of(value)?;
    Ok(Span {
        trace_id: object.field("traceId", hex)?,
        span_id: object.field("spanId", hex)?,
        trace_state: object.field("traceState", string)?,
        parent_span_id: object.field("parentSpanId", hex)?,
        flags: object.field("flags", integer)?,
        name: object.field("name", string)?,
        kind: object.field("kind", enumeration(SpanKind::from_str_name))?,
        start_time_unix_nano: object.field("startTimeUnixNano", integer)?,
        end_time_unix_nano: object.field("endTimeUnixNano", integer)?,
        attributes: object.list("attributes", key_value)?,
        dropped_attributes_count: object.field("droppedAttributesCount", integer)?,
        events: object.list("events", event)?,
        dropped_events_count: object.field("droppedEventsCount", integer)?,
        links: object.list("links", link)?,
        dropped_links_count: object.field("droppedLinksCount", integer)?,
        status: object.optional("status", status)?,
    })
}

fn event(value: &Value) -> Result<Event, JsonError> {
    let object = Object::of(value)?;
    Ok(Event {
        time_unix_nano: object.field("timeUnixNano", integer)?,
        name: object.field("name", string)?,
        attributes: object.list("attributes", key_value)?,
        dropped_attributes_count: object.field("droppedAttributesCount", integer)?,
    })
}

fn link(value: &Value) -> Result<Link, JsonError> {
    let object = Object::of(value)?;
    Ok(Link {
        trace_id: object.field("traceId", hex)?,
        span_id: object.field("spanId", hex)?,
        trace_state: object.field("traceState", string)?,
        attributes: object.list("attributes", key_value)?,
        dropped_attributes_count: object.field("droppedAttributesCount", integer)?,
        flags: object.field("flags", integer)?,
    })
}

fn status(value: &Value) -> Result<Status, JsonError> {
    let object = Object::of(value)?;
    Ok(Status {
        message: object.field("message", string)?,
        code: object.field("code", enumeration(StatusCode::from_str_name))?,
    })
}
