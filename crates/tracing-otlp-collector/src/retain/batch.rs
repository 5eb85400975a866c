//! Takes a decoded request apart into items that stand for themselves.
//!
//! It stands between `receive`'s decoder and the store, and runs before the store's lock is taken.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use super::origin::{Origin, Source};
use super::{StoredLog, StoredSpan};

/// The items of one request, each with its weight in bytes.
#[derive(Debug)]
pub(crate) enum Batch {
    Logs(Vec<(StoredLog, usize)>),
    Spans(Vec<(StoredSpan, usize)>),
    DataPoints(u64),
}

impl From<ExportLogsServiceRequest> for Batch {
    fn from(request: ExportLogsServiceRequest) -> Self {
        let mut logs = Vec::new();
        for group in request.resource_logs {
            let source = source(group.resource, group.schema_url);
            for scoped in group.scope_logs {
                let origin = origin(&source, scoped.scope, scoped.schema_url);
                let share = share(&origin, scoped.log_records.len());
                logs.extend(scoped.log_records.into_iter().map(|record| {
                    let bytes = record.encoded_len() + size_of::<LogRecord>() + share;
                    (StoredLog::new(Arc::clone(&origin), record), bytes)
                }));
            }
        }
        Self::Logs(logs)
    }
}

impl From<ExportTraceServiceRequest> for Batch {
    fn from(request: ExportTraceServiceRequest) -> Self {
        let mut spans = Vec::new();
        for group in request.resource_spans {
            let source = source(group.resource, group.schema_url);
            for scoped in group.scope_spans {
                let origin = origin(&source, scoped.scope, scoped.schema_url);
                let share = share(&origin, scoped.spans.len());
                spans.extend(scoped.spans.into_iter().map(|span| {
                    let bytes = span.encoded_len() + size_of::<Span>() + share;
                    (StoredSpan::new(Arc::clone(&origin), span), bytes)
                }));
            }
        }
        Self::Spans(spans)
    }
}

impl From<ExportMetricsServiceRequest> for Batch {
    fn from(request: ExportMetricsServiceRequest) -> Self {
        let points = request
            .resource_metrics
            .iter()
            .flat_map(|group| &group.scope_metrics)
            .flat_map(|scoped| &scoped.metrics)
            .map(|metric| match &metric.data {
                None => 0,
                Some(Data::Gauge(gauge)) => gauge.data_points.len(),
                Some(Data::Sum(sum)) => sum.data_points.len(),
                Some(Data::Histogram(histogram)) => histogram.data_points.len(),
                Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
                Some(Data::Summary(summary)) => summary.data_points.len(),
            })
            .sum::<usize>();
        Self::DataPoints(points as u64)
    }
}

fn source(resource: Option<Resource>, schema_url: String) -> Arc<Source> {
    Arc::new(Source {
        resource: resource.unwrap_or_default(),
        schema_url,
    })
}

fn origin(
    source: &Arc<Source>,
    scope: Option<InstrumentationScope>,
    schema_url: String,
) -> Arc<Origin> {
    Arc::new(Origin {
        source: Arc::clone(source),
        scope: scope.unwrap_or_default(),
        schema_url,
    })
}

/// What each of `n` records carries of their common origin's weight.
fn share(origin: &Origin, n: usize) -> usize {
    let bytes = origin.source.resource.encoded_len()
        + origin.source.schema_url.len()
        + origin.scope.encoded_len()
        + origin.schema_url.len();
    bytes.div_ceil(n.max(1))
}
