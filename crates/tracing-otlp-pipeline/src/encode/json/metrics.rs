//! The part of OTLP/JSON that only metrics have.

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{
        Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
        HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
        SummaryDataPoint, exemplar, exponential_histogram_data_point::Buckets, metric::Data,
        number_data_point, summary_data_point::ValueAtQuantile,
    },
};
use prost::Message as _;

use super::{Members, Out, double, key_value, object, quoted, resource, scope};

pub(super) fn encode(protobuf: Bytes, out: &mut Out) -> Result<(), prost::DecodeError> {
    let request = ExportMetricsServiceRequest::decode(protobuf)?;
    object(out, |o| {
        o.list(
            "resourceMetrics",
            &request.resource_metrics,
            resource_metrics,
        );
    });
    Ok(())
}

fn resource_metrics(metrics: &ResourceMetrics, out: &mut Out) {
    object(out, |o| {
        o.message("resource", metrics.resource.as_ref(), resource);
        o.list("scopeMetrics", &metrics.scope_metrics, scope_metrics);
        o.string("schemaUrl", &metrics.schema_url);
    });
}

fn scope_metrics(metrics: &ScopeMetrics, out: &mut Out) {
    object(out, |o| {
        o.message("scope", metrics.scope.as_ref(), scope);
        o.list("metrics", &metrics.metrics, metric);
        o.string("schemaUrl", &metrics.schema_url);
    });
}

fn metric(metric: &Metric, out: &mut Out) {
    object(out, |o| {
        o.string("name", &metric.name);
        o.string("description", &metric.description);
        o.string("unit", &metric.unit);
        o.list("metadata", &metric.metadata, key_value);
        match &metric.data {
            None => {}
            Some(Data::Gauge(data)) => gauge(data, o.key("gauge")),
            Some(Data::Sum(data)) => sum(data, o.key("sum")),
            Some(Data::Histogram(data)) => histogram(data, o.key("histogram")),
            Some(Data::ExponentialHistogram(data)) => {
                exponential_histogram(data, o.key("exponentialHistogram"));
            }
            Some(Data::Summary(data)) => summary(data, o.key("summary")),
        }
    });
}

fn gauge(data: &Gauge, out: &mut Out) {
    object(out, |o| o.list("dataPoints", &data.data_points, number));
}

fn sum(data: &Sum, out: &mut Out) {
    object(out, |o| {
        o.list("dataPoints", &data.data_points, number);
        o.number("aggregationTemporality", data.aggregation_temporality);
        if data.is_monotonic {
            o.key("isMonotonic").extend_from_slice(b"true");
        }
    });
}

fn histogram(data: &Histogram, out: &mut Out) {
    object(out, |o| {
        o.list("dataPoints", &data.data_points, histogram_point);
        o.number("aggregationTemporality", data.aggregation_temporality);
    });
}

fn exponential_histogram(data: &ExponentialHistogram, out: &mut Out) {
    object(out, |o| {
        o.list("dataPoints", &data.data_points, exponential_point);
        o.number("aggregationTemporality", data.aggregation_temporality);
    });
}

fn summary(data: &Summary, out: &mut Out) {
    object(out, |o| {
        o.list("dataPoints", &data.data_points, summary_point);
    });
}

fn number(point: &NumberDataPoint, out: &mut Out) {
    object(out, |o| {
        o.list("attributes", &point.attributes, key_value);
        o.fixed64("startTimeUnixNano", point.start_time_unix_nano);
        o.fixed64("timeUnixNano", point.time_unix_nano);
        match &point.value {
            None => {}
            Some(number_data_point::Value::AsDouble(value)) => double(*value, o.key("asDouble")),
            Some(number_data_point::Value::AsInt(value)) => {
                quoted(&value.to_string(), o.key("asInt"));
            }
        }
        o.list("exemplars", &point.exemplars, exemplar);
        o.number("flags", point.flags);
    });
}

fn histogram_point(point: &HistogramDataPoint, out: &mut Out) {
    object(out, |o| {
        o.list("attributes", &point.attributes, key_value);
        o.fixed64("startTimeUnixNano", point.start_time_unix_nano);
        o.fixed64("timeUnixNano", point.time_unix_nano);
        o.fixed64("count", point.count);
        optional(o, "sum", point.sum);
        counts(o, &point.bucket_counts);
        o.list("explicitBounds", &point.explicit_bounds, |bound, out| {
            double(*bound, out);
        });
        o.list("exemplars", &point.exemplars, exemplar);
        o.number("flags", point.flags);
        optional(o, "min", point.min);
        optional(o, "max", point.max);
    });
}

fn exponential_point(point: &ExponentialHistogramDataPoint, out: &mut Out) {
    object(out, |o| {
        o.list("attributes", &point.attributes, key_value);
        o.fixed64("startTimeUnixNano", point.start_time_unix_nano);
        o.fixed64("timeUnixNano", point.time_unix_nano);
        o.fixed64("count", point.count);
        optional(o, "sum", point.sum);
        o.number("scale", point.scale);
        o.fixed64("zeroCount", point.zero_count);
        o.message("positive", point.positive.as_ref(), buckets);
        o.message("negative", point.negative.as_ref(), buckets);
        o.number("flags", point.flags);
        o.list("exemplars", &point.exemplars, exemplar);
        optional(o, "min", point.min);
        optional(o, "max", point.max);
        required(o, "zeroThreshold", point.zero_threshold);
    });
}

fn buckets(buckets: &Buckets, out: &mut Out) {
    object(out, |o| {
        o.number("offset", buckets.offset);
        counts(o, &buckets.bucket_counts);
    });
}

fn summary_point(point: &SummaryDataPoint, out: &mut Out) {
    object(out, |o| {
        o.list("attributes", &point.attributes, key_value);
        o.fixed64("startTimeUnixNano", point.start_time_unix_nano);
        o.fixed64("timeUnixNano", point.time_unix_nano);
        o.fixed64("count", point.count);
        required(o, "sum", point.sum);
        o.list("quantileValues", &point.quantile_values, quantile);
        o.number("flags", point.flags);
    });
}

fn quantile(quantile: &ValueAtQuantile, out: &mut Out) {
    object(out, |o| {
        required(o, "quantile", quantile.quantile);
        required(o, "value", quantile.value);
    });
}

fn exemplar(exemplar: &Exemplar, out: &mut Out) {
    object(out, |o| {
        o.list(
            "filteredAttributes",
            &exemplar.filtered_attributes,
            key_value,
        );
        o.fixed64("timeUnixNano", exemplar.time_unix_nano);
        match &exemplar.value {
            None => {}
            Some(exemplar::Value::AsDouble(value)) => double(*value, o.key("asDouble")),
            Some(exemplar::Value::AsInt(value)) => quoted(&value.to_string(), o.key("asInt")),
        }
        o.hex("spanId", &exemplar.span_id);
        o.hex("traceId", &exemplar.trace_id);
    });
}

fn counts(o: &mut Members<'_>, counts: &[u64]) {
    o.list("bucketCounts", counts, |count, out| {
        quoted(&count.to_string(), out);
    });
}

/// What may be absent is written where it is there, also when it is zero.
fn optional(o: &mut Members<'_>, name: &str, value: Option<f64>) {
    if let Some(value) = value {
        double(value, o.key(name));
    }
}

/// What cannot be absent is left out where it is zero; minus zero is not.
fn required(o: &mut Members<'_>, name: &str, value: f64) {
    if value.to_bits() != 0 {
        double(value, o.key(name));
    }
}
