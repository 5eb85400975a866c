//! Makes two requests of one that is too large.
//!
//! Part of `deliver`, behind an answer that calls for smaller requests, or before sending when the
//! destination's limit is known.

#[cfg(feature = "relay")]
mod metrics;

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    logs::v1::ResourceLogs,
    trace::v1::ResourceSpans,
};
use prost::Message as _;

use crate::{
    admit::{SeverityBand, Tally},
    encode::{Request, Shape},
    settings::Signal,
};

/// The two halves of a request, in order. `None` when it holds only one record.
pub(super) fn halve(
    request: &Request,
    shape: &Shape,
) -> Result<Option<(Request, Request)>, String> {
    let plain = request.protobuf(shape.max_bytes)?;
    let Some((first, second, in_first)) = split(request.signal, plain)? else {
        return Ok(None);
    };
    let whole = request.severities;
    let mut rest = whole.minus(&in_first);
    let mut part = in_first;
    if part.plus(&rest) != whole {
        // It came from a spool, where the severities are not known.
        (part, rest) = whole.split(in_first.total());
    }
    Ok(Some((shape.fit(first, part)?, shape.fit(second, rest)?)))
}

fn severities(logs: &[ResourceLogs]) -> Tally {
    let mut tally = Tally::default();
    let records = logs.iter().flat_map(|resource| &resource.scope_logs);
    for record in records.flat_map(|scope| &scope.log_records) {
        let index = usize::try_from(record.severity_number - 1).map(|number| number / 4);
        let band = index.ok().and_then(|index| SeverityBand::ALL.get(index));
        tally.add(band.copied().unwrap_or(SeverityBand::Info), 1);
    }
    tally
}

fn split(signal: Signal, plain: Bytes) -> Result<Option<(Bytes, Bytes, Tally)>, String> {
    match signal {
        Signal::Logs => {
            let failed = |error: prost::DecodeError| error.to_string();
            let mut request = ExportLogsServiceRequest::decode(plain).map_err(failed)?;
            let records = request.resource_logs.iter().flat_map(|r| &r.scope_logs);
            let half = records.map(|s| s.log_records.len()).sum::<usize>() / 2;
            if half == 0 {
                return Ok(None);
            }
            let mut left = half;
            let second = ExportLogsServiceRequest {
                resource_logs: take_after(&mut request.resource_logs, &mut left, resource_logs),
            };
            let in_first = severities(&request.resource_logs);
            Ok(Some((encoded(&request), encoded(&second), in_first)))
        }
        Signal::Traces => {
            let failed = |error: prost::DecodeError| error.to_string();
            let mut request = ExportTraceServiceRequest::decode(plain).map_err(failed)?;
            let spans = request.resource_spans.iter().flat_map(|r| &r.scope_spans);
            let half = spans.map(|s| s.spans.len()).sum::<usize>() / 2;
            if half == 0 {
                return Ok(None);
            }
            let mut left = half;
            let second = ExportTraceServiceRequest {
                resource_spans: take_after(&mut request.resource_spans, &mut left, resource_spans),
            };
            Ok(Some((
                encoded(&request),
                encoded(&second),
                (half as u64).into(),
            )))
        }
        #[cfg(feature = "relay")]
        Signal::Metrics => metrics::split(plain),
        #[cfg(not(feature = "relay"))]
        Signal::Metrics => Ok(None),
    }
}

fn encoded(message: &impl prost::Message) -> Bytes {
    message.encode_to_vec().into()
}

/// Leaves the first `left` records where they are and takes the groups and parts of groups that
/// come after. `cut` does the same within one group, and gives what came after as a group of its
/// own, if there is anything.
fn take_after<G>(
    groups: &mut Vec<G>,
    left: &mut usize,
    cut: impl Fn(&mut G, &mut usize) -> Option<G>,
) -> Vec<G> {
    let mut after = Vec::new();
    for index in 0..groups.len() {
        let rest = cut(&mut groups[index], left);
        if rest.is_some() || *left == 0 {
            let others = groups.split_off(index + 1);
            after.extend(rest);
            after.extend(others);
            break;
        }
    }
    after
}

fn resource_logs(group: &mut ResourceLogs, left: &mut usize) -> Option<ResourceLogs> {
    let after = take_after(&mut group.scope_logs, left, |scope, left| {
        let records = cut_records(&mut scope.log_records, left)?;
        let (scope, schema_url) = (scope.scope.clone(), scope.schema_url.clone());
        Some(opentelemetry_proto::tonic::logs::v1::ScopeLogs {
            scope,
            log_records: records,
            schema_url,
        })
    });
    (!after.is_empty()).then(|| ResourceLogs {
        resource: group.resource.clone(),
        scope_logs: after,
        schema_url: group.schema_url.clone(),
    })
}

fn resource_spans(group: &mut ResourceSpans, left: &mut usize) -> Option<ResourceSpans> {
    let after = take_after(&mut group.scope_spans, left, |scope, left| {
        let records = cut_records(&mut scope.spans, left)?;
        let (scope, schema_url) = (scope.scope.clone(), scope.schema_url.clone());
        Some(opentelemetry_proto::tonic::trace::v1::ScopeSpans {
            scope,
            spans: records,
            schema_url,
        })
    });
    (!after.is_empty()).then(|| ResourceSpans {
        resource: group.resource.clone(),
        scope_spans: after,
        schema_url: group.schema_url.clone(),
    })
}

/// The records after the first `left`, if there are any.
fn cut_records<R>(records: &mut Vec<R>, left: &mut usize) -> Option<Vec<R>> {
    let keep = records.len().min(*left);
    *left -= keep;
    let after = records.split_off(keep);
    (!after.is_empty()).then_some(after)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{
        common::v1::InstrumentationScope,
        logs::v1::{LogRecord, ScopeLogs},
        resource::v1::Resource,
        trace::v1::{ScopeSpans, Span},
    };

    use super::*;
    use crate::settings::{Compression, Protocol};

    /// Numbers of records, by scope, by resource; the records are numbered through.
    fn logs(shape: &[&[u32]]) -> ExportLogsServiceRequest {
        let mut next = 0;
        let resource_logs = shape
            .iter()
            .enumerate()
            .map(|(index, scopes)| ResourceLogs {
                resource: Some(Resource {
                    dropped_attributes_count: u32::try_from(index).unwrap(),
                    ..Resource::default()
                }),
                schema_url: format!("resource {index}"),
                scope_logs: scopes
                    .iter()
                    .map(|records| ScopeLogs {
                        scope: Some(InstrumentationScope {
                            name: format!("scope of {records}"),
                            ..InstrumentationScope::default()
                        }),
                        schema_url: "scope".into(),
                        log_records: (0..*records)
                            .map(|_| {
                                next += 1;
                                LogRecord {
                                    time_unix_nano: next,
                                    ..LogRecord::default()
                                }
                            })
                            .collect(),
                    })
                    .collect(),
            });
        ExportLogsServiceRequest {
            resource_logs: resource_logs.collect(),
        }
    }

    /// Every record with where it belongs.
    fn flat(request: &ExportLogsServiceRequest) -> Vec<(String, String, u64)> {
        let mut all = Vec::new();
        for resource in &request.resource_logs {
            for scope in &resource.scope_logs {
                assert!(!scope.log_records.is_empty(), "an empty scope");
                for record in &scope.log_records {
                    all.push((
                        resource.schema_url.clone(),
                        scope.scope.as_ref().unwrap().name.clone(),
                        record.time_unix_nano,
                    ));
                }
            }
        }
        all
    }

    fn shape(protocol: Protocol, compression: Compression, signal: Signal) -> Shape {
        Shape {
            signal,
            protocol,
            compression,
            max_bytes: 1 << 20,
        }
    }

    #[test]
    fn halves_hold_every_record_once_in_order_and_with_its_scope() {
        let cases: [&[&[u32]]; 7] = [
            &[&[2]],
            &[&[7]],
            &[&[1, 1]],
            &[&[1], &[1]],
            &[&[3, 2], &[4, 1, 5]],
            &[&[1, 9], &[1]],
            &[&[4], &[4]],
        ];
        for case in cases {
            let whole = logs(case);
            let all = flat(&whole);
            for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc] {
                for compression in [Compression::None, Compression::Gzip] {
                    let shape = shape(protocol, compression, Signal::Logs);
                    let request = shape.fit(encoded(&whole), all.len() as u64).unwrap();
                    let (first, second) = halve(&request, &shape).unwrap().unwrap();
                    assert_eq!(first.content_type, request.content_type);
                    assert_eq!(first.content_encoding, request.content_encoding);
                    let parts: Vec<_> = [&first, &second]
                        .into_iter()
                        .map(|half| {
                            let plain = half.protobuf(1 << 20).unwrap();
                            let part = flat(&ExportLogsServiceRequest::decode(plain).unwrap());
                            assert_eq!(part.len() as u64, half.records);
                            part
                        })
                        .collect();
                    assert!(parts[0].len().abs_diff(parts[1].len()) <= 1, "{case:?}");
                    assert_eq!(parts.concat(), all, "{case:?}");
                }
            }
        }
    }

    #[test]
    fn one_record_cannot_be_split() {
        let shape = shape(Protocol::Grpc, Compression::Gzip, Signal::Logs);
        for case in [&[&[1u32][..]][..], &[]] {
            let request = shape.fit(encoded(&logs(case)), 1).unwrap();
            assert!(halve(&request, &shape).unwrap().is_none());
        }
    }

    #[test]
    fn spans_are_split_too() {
        let spans = |range: std::ops::Range<u64>| ScopeSpans {
            spans: range
                .map(|start_time_unix_nano| Span {
                    start_time_unix_nano,
                    ..Span::default()
                })
                .collect(),
            ..ScopeSpans::default()
        };
        let whole = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![spans(0..2), spans(2..5)],
                ..ResourceSpans::default()
            }],
        };
        let shape = shape(Protocol::HttpProtobuf, Compression::None, Signal::Traces);
        let request = shape.fit(encoded(&whole), 5).unwrap();
        let (first, second) = halve(&request, &shape).unwrap().unwrap();
        assert_eq!((first.records, second.records), (2, 3));
        let all: Vec<u64> = [first, second]
            .iter()
            .flat_map(|half| {
                ExportTraceServiceRequest::decode(half.body.clone())
                    .unwrap()
                    .resource_spans
            })
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .map(|span| span.start_time_unix_nano)
            .collect();
        assert_eq!(all, [0, 1, 2, 3, 4]);
    }
}
