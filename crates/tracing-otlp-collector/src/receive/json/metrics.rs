//! Reads a metrics request.
//!
//! `decode` calls it for `application/json` on `/v1/metrics`.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge,
    Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    Summary, SummaryDataPoint, exemplar, number_data_point,
};
use serde_json::Value;

use super::common::{key_value, resource, scope};
use super::error::JsonError;
use super::object::Object;
use super::scalar::{boolean, double, enumeration, hex, integer, string};

pub(crate) fn metrics_request(value: &Value) -> Result<ExportMetricsServiceRequest, JsonError> {
    let object = Object::of(value)?;
    let resource_metrics = object.list("resourceMetrics", resource_metrics)?;
    Ok(ExportMetricsServiceRequest { resource_metrics })
}

fn resource_metrics(value: &Value) -> Result<ResourceMetrics, JsonError> {
    let object = Object::of(value)?;
    Ok(ResourceMetrics {
        resource: object.optional("resource", resource)?,
        scope_metrics: object.list("scopeMetrics", scope_metrics)?,
        schema_url: object.field("schemaUrl", string)?,
    })
}

fn scope_metrics(value: &Value) -> Result<ScopeMetrics, JsonError> {
    let object = Object::of(value)?;
    Ok(ScopeMetrics {
        scope: object.optional("scope", scope)?,
        metrics: object.list("metrics", metric)?,
        schema_url: object.field("schemaUrl", string)?,
    })
}

fn metric(value: &Value) -> Result<Metric, JsonError> {
    let object = Object::of(value)?;
    let data = if let Some(gauge) = object.optional("gauge", gauge)? {
        Some(Data::Gauge(gauge))
    } else if let Some(sum) = object.optional("sum", sum)? {
        Some(Data::Sum(sum))
    } else if let Some(histogram) = object.optional("histogram", histogram)? {
        Some(Data::Histogram(histogram))
    } else if let Some(histogram) =
        object.optional("exponentialHistogram", exponential_histogram)?
    {
        Some(Data::ExponentialHistogram(histogram))
    } else {
        object.optional("summary", summary)?.map(Data::Summary)
    };
    Ok(Metric {
        name: object.field("name", string)?,
        description: object.field("description", string)?,
        unit: object.field("unit", string)?,
        metadata: object.list("metadata", key_value)?,
        data,
    })
}

fn gauge(value: &Value) -> Result<Gauge, JsonError> {
    Ok(Gauge {
        data_points: Object::of(value)?.list("dataPoints", number_data_point)?,
    })
}

fn sum(value: &Value) -> Result<Sum, JsonError> {
    let object = Object::of(value)?;
    Ok(Sum {
        data_points: object.list("dataPoints", number_data_point)?,
        aggregation_temporality: temporality(&object)?,
        is_monotonic: object.field("isMonotonic", boolean)?,
    })
}

fn histogram(value: &Value) -> Result<Histogram, JsonError> {
    let object = Object::of(value)?;
    Ok(Histogram {
        data_points: object.list("dataPoints", histogram_data_point)?,
        aggregation_temporality: temporality(&object)?,
    })
}

fn exponential_histogram(value: &Value) -> Result<ExponentialHistogram, JsonError> {
    let object = Object::of(value)?;
    Ok(ExponentialHistogram {
        data_points: object.list("dataPoints", exponential_histogram_data_point)?,
        aggregation_temporality: temporality(&object)?,
    })
}

fn summary(value: &Value) -> Result<Summary, JsonError> {
    Ok(Summary {
        data_points: Object::of(value)?.list("dataPoints", summary_data_point)?,
    })
}

fn temporality(object: &Object<'_>) -> Result<i32, JsonError> {
    object.field(
        "aggregationTemporality",
        enumeration(AggregationTemporality::from_str_name),
    )
}

fn number_data_point(value: &Value) -> Result<NumberDataPoint, JsonError> {
    use number_data_point::Value as V;
    let object = Object::of(value)?;
    let value = match object.optional("asDouble", double)? {
        Some(number) => Some(V::AsDouble(number)),
        None => object.optional("asInt", integer)?.map(V::AsInt),
    };
    Ok(NumberDataPoint {
        attributes: object.list("attributes", key_value)?,
        start_time_unix_nano: object.field("startTimeUnixNano", integer)?,
        time_unix_nano: object.field("timeUnixNano", integer)?,
        exemplars: object.list("exemplars", exemplar)?,
        flags: object.field("flags", integer)?,
        value,
    })
}

fn histogram_data_point(value: &Value) -> Result<HistogramDataPoint, JsonError> {
    let object = Object::of(value)?;
    Ok(HistogramDataPoint {
        attributes: object.list("attributes", key_value)?,
        start_time_unix_nano: object.field("startTimeUnixNano", integer)?,
        time_unix_nano: object.field("timeUnixNano", integer)?,
        count: object.field("count", integer)?,
        sum: object.optional("sum", double)?,
        bucket_counts: object.list("bucketCounts", integer)?,
        explicit_bounds: object.list("explicitBounds", double)?,
        exemplars: object.list("exemplars", exemplar)?,
        flags: object.field("flags", integer)?,
        min: object.optional("min", double)?,
        max: object.optional("max", double)?,
    })
}

fn exponential_histogram_data_point(
    value: &Value,
) -> Result<ExponentialHistogramDataPoint, JsonError> {
    let object = Object::of(value)?;
    Ok(ExponentialHistogramDataPoint {
        attributes: object.list("attributes", key_value)?,
        start_time_unix_nano: object.field("startTimeUnixNano", integer)?,
        time_unix_nano: object.field("timeUnixNano", integer)?,
        count: object.field("count", integer)?,
        sum: object.optional("sum", double)?,
        scale: object.field("scale", integer)?,
        zero_count: object.field("zeroCount", integer)?,
        positive: object.optional("positive", buckets)?,
        negative: object.optional("negative", buckets)?,
        flags: object.field("flags", integer)?,
        exemplars: object.list("exemplars", exemplar)?,
        min: object.optional("min", double)?,
        max: object.optional("max", double)?,
        zero_threshold: object.field("zeroThreshold", double)?,
    })
}

fn buckets(value: &Value) -> Result<Buckets, JsonError> {
    let object = Object::of(value)?;
    Ok(Buckets {
        offset: object.field("offset", integer)?,
        bucket_counts: object.list("bucketCounts", integer)?,
    })
}

fn summary_data_point(value: &Value) -> Result<SummaryDataPoint, JsonError> {
    let object = Object::of(value)?;
    Ok(SummaryDataPoint {
        attributes: object.list("attributes", key_value)?,
        start_time_unix_nano: object.field("startTimeUnixNano", integer)?,
        time_unix_nano: object.field("timeUnixNano", integer)?,
        count: object.field("count", integer)?,
        sum: object.field("sum", double)?,
        quantile_values: object.list("quantileValues", value_at_quantile)?,
        flags: object.field("flags", integer)?,
    })
}

fn value_at_quantile(value: &Value) -> Result<ValueAtQuantile, JsonError> {
    let object = Object::of(value)?;
    Ok(ValueAtQuantile {
        quantile: object.field("quantile", double)?,
        value: object.field("value", double)?,
    })
}

fn exemplar(value: &Value) -> Result<Exemplar, JsonError> {
    use exemplar::Value as V;
    let object = Object::of(value)?;
    let value = match object.optional("asDouble", double)? {
        Some(number) => Some(V::AsDouble(number)),
        None => object.optional("asInt", integer)?.map(V::AsInt),
    };
    Ok(Exemplar {
        filtered_attributes: object.list("filteredAttributes", key_value)?,
        time_unix_nano: object.field("timeUnixNano", integer)?,
        span_id: object.field("spanId", hex)?,
        trace_id: object.field("traceId", hex)?,
        value,
    })
}
