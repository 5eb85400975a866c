//! One span as it arrived, with the answers tests ask for.
//!
//! The store hands it out; it is decoded from the bytes that arrived when it is first looked at.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags};

use super::attributes::{self, hex_or_none, shared_accessors};
use super::head::Head;
use super::origin::Origin;
use super::view::View;

/// A span with the resource and the scope it came with; cloning is cheap.
#[derive(Clone)]
pub struct StoredSpan {
    view: Arc<View>,
    index: u32,
}

impl StoredSpan {
    pub(crate) fn new(view: Arc<View>, index: u32) -> Self {
        Self { view, index }
    }

    pub(crate) fn head(&self) -> Option<&Head> {
        self.view.head(self.index)
    }

    fn origin(&self) -> &Origin {
        self.view.origin(self.index)
    }

    /// The span as the wire had it.
    pub fn span(&self) -> &Span {
        self.view.span(self.index)
    }

    /// The span's name.
    pub fn name(&self) -> &str {
        &self.span().name
    }

    /// The span's kind; numbers that the specification does not know count as unspecified.
    pub fn kind(&self) -> SpanKind {
        SpanKind::try_from(self.span().kind).unwrap_or(SpanKind::Unspecified)
    }

    /// The status code; unset when there is none or the specification does not know it.
    pub fn status_code(&self) -> StatusCode {
        self.span()
            .status
            .as_ref()
            .and_then(|status| StatusCode::try_from(status.code).ok())
            .unwrap_or(StatusCode::Unset)
    }

    /// The status message, empty when there is none.
    pub fn status_message(&self) -> &str {
        self.span()
            .status
            .as_ref()
            .map_or("", |status| status.message.as_str())
    }

    /// The parent's span id in hex, `None` for a root.
    pub fn parent_span_id_hex(&self) -> Option<String> {
        hex_or_none(&self.span().parent_span_id)
    }

    /// Whether the parent lives in another process, `None` when the sender does not say.
    pub fn is_parent_remote(&self) -> Option<bool> {
        let has = |flag: SpanFlags| self.span().flags & (flag as u32) != 0;
        has(SpanFlags::ContextHasIsRemoteMask).then(|| has(SpanFlags::ContextIsRemoteMask))
    }

    /// The time between start and end, zero when the end lies before the start.
    pub fn duration(&self) -> Duration {
        let Span {
            start_time_unix_nano,
            end_time_unix_nano,
            ..
        } = *self.span();
        Duration::from_nanos(end_time_unix_nano.saturating_sub(start_time_unix_nano))
    }

    /// The flags; the lowest eight bits are the trace flags, 1 meaning sampled.
    pub fn flags(&self) -> u32 {
        self.span().flags
    }

    shared_accessors!(span);
}

impl PartialEq for StoredSpan {
    fn eq(&self, other: &Self) -> bool {
        self.span() == other.span() && self.origin() == other.origin()
    }
}

impl fmt::Debug for StoredSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSpan")
            .field("origin", self.origin())
            .field("span", self.span())
            .finish()
    }
}
