//! Makes two requests of one with metrics, by their data points.

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{Metric, ResourceMetrics, ScopeMetrics, metric::Data},
};
use prost::Message as _;

use super::{cut_records, encoded, take_after};
use crate::admit::Tally;

pub(super) fn split(plain: Bytes) -> Result<Option<(Bytes, Bytes, Tally)>, String> {
    let mut request =
        ExportMetricsServiceRequest::decode(plain).map_err(|error| error.to_string())?;
    let scopes = request
        .resource_metrics
        .iter()
        .flat_map(|r| &r.scope_metrics);
    let metrics = scopes.flat_map(|scope| &scope.metrics);
    let half = metrics.map(points).sum::<usize>() / 2;
    if half == 0 {
        return Ok(None);
    }
    let mut left = half;
    let second = ExportMetricsServiceRequest {
        resource_metrics: take_after(&mut request.resource_metrics, &mut left, resource_metrics),
    };
    let in_first = (half as u64).into();
    Ok(Some((encoded(&request), encoded(&second), in_first)))
}

fn points(metric: &Metric) -> usize {
    match &metric.data {
        None => 0,
        Some(Data::Gauge(data)) => data.data_points.len(),
        Some(Data::Sum(data)) => data.data_points.len(),
        Some(Data::Histogram(data)) => data.data_points.len(),
        Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
        Some(Data::Summary(data)) => data.data_points.len(),
    }
}

fn resource_metrics(group: &mut ResourceMetrics, left: &mut usize) -> Option<ResourceMetrics> {
    let after = take_after(&mut group.scope_metrics, left, scope_metrics);
    (!after.is_empty()).then(|| ResourceMetrics {
        resource: group.resource.clone(),
        scope_metrics: after,
        schema_url: group.schema_url.clone(),
    })
}

fn scope_metrics(group: &mut ScopeMetrics, left: &mut usize) -> Option<ScopeMetrics> {
    let after = take_after(&mut group.metrics, left, metric);
    (!after.is_empty()).then(|| ScopeMetrics {
        scope: group.scope.clone(),
        metrics: after,
        schema_url: group.schema_url.clone(),
    })
}

/// The metric with the points after the first `left`; name, unit and kind are those of the whole.
fn metric(metric: &mut Metric, left: &mut usize) -> Option<Metric> {
    macro_rules! cut {
        ($kind:ident, $data:expr) => {{
            let data_points = cut_records(&mut $data.data_points, left)?;
            // Their points are elsewhere: what is copied is small.
            let points = std::mem::take(&mut $data.data_points);
            let mut after = $data.clone();
            $data.data_points = points;
            after.data_points = data_points;
            Data::$kind(after)
        }};
    }
    let data = match metric.data.as_mut()? {
        Data::Gauge(data) => cut!(Gauge, data),
        Data::Sum(data) => cut!(Sum, data),
        Data::Histogram(data) => cut!(Histogram, data),
        Data::ExponentialHistogram(data) => cut!(ExponentialHistogram, data),
        Data::Summary(data) => cut!(Summary, data),
    };
    Some(Metric {
        name: metric.name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        metadata: metric.metadata.clone(),
        data: Some(data),
    })
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, Sum};

    use super::*;

    fn sum(name: &str, points: std::ops::Range<u64>) -> Metric {
        Metric {
            name: name.into(),
            data: Some(Data::Sum(Sum {
                data_points: points
                    .map(|time_unix_nano| NumberDataPoint {
                        time_unix_nano,
                        ..NumberDataPoint::default()
                    })
                    .collect(),
                aggregation_temporality: 2,
                is_monotonic: true,
            })),
            ..Metric::default()
        }
    }

    fn flat(plain: Bytes) -> Vec<(String, u64)> {
        let request = ExportMetricsServiceRequest::decode(plain).unwrap();
        let scopes = request
            .resource_metrics
            .into_iter()
            .flat_map(|r| r.scope_metrics);
        let mut all = Vec::new();
        for metric in scopes.flat_map(|scope| scope.metrics) {
            let Some(Data::Sum(sum)) = metric.data else {
                panic!("{metric:?}");
            };
            assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
            all.extend(
                sum.data_points
                    .iter()
                    .map(|point| (metric.name.clone(), point.time_unix_nano)),
            );
        }
        all
    }

    #[test]
    fn halves_hold_every_data_point_once_in_order_and_with_its_metric() {
        for shape in [&[7][..], &[1, 1], &[3, 2, 9], &[1, 12]] {
            let mut next = 0;
            let metrics = shape.iter().enumerate().map(|(index, points)| {
                next += points;
                sum(&format!("m{index}"), next - points..next)
            });
            let scope = ScopeMetrics {
                metrics: metrics.collect(),
                ..ScopeMetrics::default()
            };
            let whole = encoded(&ExportMetricsServiceRequest {
                resource_metrics: vec![ResourceMetrics {
                    scope_metrics: vec![scope],
                    ..ResourceMetrics::default()
                }],
            });
            let (first, second, in_first) = split(whole.clone()).unwrap().unwrap();
            let (first, second) = (flat(first), flat(second));
            assert_eq!(first.len() as u64, in_first.total());
            assert_eq!([first, second].concat(), flat(whole), "{shape:?}");
        }
    }
}
