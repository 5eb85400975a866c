//! The official conversion is the oracle: both ways decode to the same message.

use std::time::UNIX_EPOCH;

use opentelemetry::{
    InstrumentationScope,
    logs::{AnyValue, LogRecord as _},
};
use opentelemetry_proto::{
    tonic::{
        collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
        common::v1::{self as common, any_value::Value as Proto},
        logs::v1::LogRecord,
        trace::v1::Span,
    },
    transform::{
        common::tonic::ResourceAttributesWithSchema, logs::tonic::group_logs_by_resource_and_scope,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::logs::SdkLogRecord;
use prost::Message;

use super::*;
use crate::{
    admit::Tally,
    encode::{GRPC, dropped},
    settings::Signal,
};

mod generate;
mod json;

use generate::Chance;

type Records = Vec<(SdkLogRecord, InstrumentationScope)>;

/// A debug build takes about a second for so many.
const CASES: u64 = 200;

fn shape(signal: Signal, protocol: Protocol, compression: Compression, max_bytes: usize) -> Shape {
    Shape {
        signal,
        protocol,
        compression,
        max_bytes,
    }
}

fn plain(signal: Signal) -> Shape {
    shape(signal, Protocol::HttpProtobuf, Compression::None, 64 << 20)
}

fn shapes(signal: Signal, max_bytes: usize) -> Vec<Shape> {
    let mut compressions = vec![Compression::None, Compression::Gzip];
    if cfg!(feature = "zstd") {
        compressions.push(Compression::Zstd);
    }
    let protocols = [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc];
    let all = protocols.into_iter().flat_map(|protocol| {
        let compressions = compressions.iter();
        compressions.map(move |&compression| shape(signal, protocol, compression, max_bytes))
    });
    all.collect()
}

fn records(chance: &mut Chance) -> Records {
    let scope = chance.scope();
    // A few of any scopes, or, now and then, many of one.
    let (number, is_one) = match chance.number(40) {
        0 => (150, true),
        _ => (chance.number(12), chance.number(4) == 0),
    };
    let mut record = || {
        let any = chance.scope();
        let scope = if is_one { scope.clone() } else { any };
        (chance.record(), scope)
    };
    (0..number).map(|_| record()).collect()
}

fn encode_logs(direct: &Direct, records: &Records) -> Vec<Piece> {
    let records: Vec<_> = records
        .iter()
        .map(|(record, scope)| (record, scope))
        .collect();
    direct.logs(&LogBatch::new(&records)).unwrap()
}

fn direct(shape: Shape, resource: &Resource) -> Direct {
    let mut direct = Direct::new(shape);
    direct.set_resource(resource);
    direct
}

fn message<M: Message + Default>(piece: &Piece) -> M {
    let request = piece.request.as_ref().unwrap();
    assert_eq!(request.records, piece.records.total());
    if request.content_type == GRPC {
        let is_compressed = u8::from(request.content_encoding.is_some());
        let len = u32::try_from(request.body.len() - FRAME).unwrap();
        assert_eq!(request.body[..1], [is_compressed]);
        assert_eq!(request.body[1..FRAME], len.to_be_bytes());
    }
    let plain = request.protobuf(64 << 20).unwrap();
    let message = M::decode(plain.clone()).unwrap();
    assert!(
        message.encode_to_vec() == plain,
        "every length has as few bytes as it can, and every field is in its place"
    );
    message
}

/// What the official conversion makes of it, where it does not panic.
fn official_logs(records: &Records, resource: &Resource) -> ExportLogsServiceRequest {
    let mut records = records.clone();
    for (record, _) in &mut records {
        if record.observed_timestamp().is_none() {
            record.set_observed_timestamp(UNIX_EPOCH);
        }
    }
    let records: Vec<_> = records
        .iter()
        .map(|(record, scope)| (record, scope))
        .collect();
    let resource = ResourceAttributesWithSchema::from(resource);
    let resource_logs = group_logs_by_resource_and_scope(&LogBatch::new(&records), &resource);
    let request = ExportLogsServiceRequest { resource_logs };
    let patched = dropped::patch(request.encode_to_vec().into()).unwrap();
    ExportLogsServiceRequest::decode(patched).unwrap()
}

/// Puts everything into an order where there is none: bytes can then be compared, NaN and all.
trait Sorted: Message {
    fn sorted(self) -> Vec<u8>;
}

impl Sorted for ExportLogsServiceRequest {
    fn sorted(mut self) -> Vec<u8> {
        for resource in &mut self.resource_logs {
            let scopes = &mut resource.scope_logs;
            scopes.sort_by_key(|group| (group.scope.encode(), group.schema_url.clone()));
            for record in scopes.iter_mut().flat_map(|group| &mut group.log_records) {
                record.body.as_mut().map(sort_value);
                let values = record
                    .attributes
                    .iter_mut()
                    .filter_map(|pair| pair.value.as_mut());
                values.for_each(sort_value);
            }
        }
        self.encode_to_vec()
    }
}

trait Encode {
    fn encode(&self) -> Vec<u8>;
}

impl<M: Message> Encode for Option<M> {
    fn encode(&self) -> Vec<u8> {
        self.as_ref()
            .map(Message::encode_to_vec)
            .unwrap_or_default()
    }
}

fn sort_value(value: &mut common::AnyValue) {
    match &mut value.value {
        Some(Proto::ArrayValue(list)) => list.values.iter_mut().for_each(sort_value),
        Some(Proto::KvlistValue(map)) => {
            map.values.sort_by(|one, two| one.key.cmp(&two.key));
            let values = map.values.iter_mut().filter_map(|pair| pair.value.as_mut());
            values.for_each(sort_value);
        }
        _ => {}
    }
}

#[test]
fn log_records_come_out_as_the_official_conversion_makes_them() {
    // One encoder for all: what it keeps from one batch must not show in the next.
    let mut encoder = Direct::new(plain(Signal::Logs));
    for seed in 0..CASES {
        let mut chance = Chance::new(seed);
        let (records, resource) = (records(&mut chance), chance.resource());
        encoder.set_resource(&resource);
        let pieces = encode_logs(&encoder, &records);
        if records.is_empty() {
            assert!(pieces.is_empty());
            continue;
        }
        assert_eq!(pieces.len(), 1);
        let ours: ExportLogsServiceRequest = message(&pieces[0]);
        let theirs = official_logs(&records, &resource);
        assert!(
            ours.clone().sorted() == theirs.clone().sorted(),
            "seed {seed}: {ours:#?} {theirs:#?}"
        );
    }
}

#[test]
fn spans_come_out_as_the_official_conversion_makes_them() {
    let mut encoder = Direct::new(plain(Signal::Traces));
    for seed in 0..CASES {
        let mut chance = Chance::new(seed);
        let number = 1 + chance.number(8);
        let spans: Vec<_> = (0..number).map(|_| chance.span()).collect();
        let resource = chance.resource();
        encoder.set_resource(&resource);
        let pieces = encoder.spans(spans.clone()).unwrap();
        let ours: ExportTraceServiceRequest = message(&pieces[0]);
        let mut unique_spans = spans;
        for span in &mut unique_spans {
            unique(&mut span.attributes);
        }
        let resource = ResourceAttributesWithSchema::from(&resource);
        let resource_spans = group_spans_by_resource_and_scope(unique_spans, &resource);
        let theirs = ExportTraceServiceRequest { resource_spans };
        // Both keep the order in which the scopes came.
        assert!(
            ours.encode_to_vec() == theirs.encode_to_vec(),
            "seed {seed}: {ours:#?} {theirs:#?}"
        );
    }
}

#[test]
fn every_shape_carries_the_same_message() {
    for (seed, shape) in shapes(Signal::Logs, 64 << 20).into_iter().enumerate() {
        let mut chance = Chance::new(seed as u64);
        let resource = chance.resource();
        let encoder = direct(shape.clone(), &resource);
        for _ in 0..2 {
            let records: Records = (0..40).map(|_| (chance.record(), chance.scope())).collect();
            let pieces = encode_logs(&encoder, &records);
            let ours: ExportLogsServiceRequest = message(&pieces[0]);
            assert!(
                ours.sorted() == official_logs(&records, &resource).sorted(),
                "{shape:?}"
            );
            let request = pieces[0].request.as_ref().unwrap();
            let again = shape.fit(request.protobuf(64 << 20).unwrap(), pieces[0].records);
            let again = again.unwrap();
            assert_eq!(request.content_type, again.content_type);
            assert_eq!(request.content_encoding, again.content_encoding);
            assert_eq!(request.severities, again.severities);
            if shape.compression == Compression::None {
                assert!(request.body == again.body, "{shape:?}");
            }
        }
    }
}

/// A name for each record, to find it again.
fn named(chance: &mut Chance, number: usize) -> Records {
    (0..number)
        .map(|index| {
            let mut record = chance.record();
            record.set_body(AnyValue::Int(i64::try_from(index).unwrap()));
            (record, chance.scope())
        })
        .collect()
}

#[test]
fn a_batch_above_the_limit_makes_several_requests_in_its_order() {
    for seed in 0..12 {
        let mut chance = Chance::new(seed);
        let limit = 300 + chance.number(8000);
        let number = 1 + chance.number(60);
        let records = named(&mut chance, number);
        let resource = chance.resource();
        for shape in shapes(Signal::Logs, limit) {
            let pieces = encode_logs(&direct(shape.clone(), &resource), &records);
            let (mut seen, mut bands) = (Vec::new(), Tally::default());
            for piece in &pieces {
                let request = piece.request.as_ref().unwrap();
                assert!(
                    request.records == 1 || !request.exceeds(limit),
                    "seed {seed}, {shape:?}: {request:?}"
                );
                bands = bands.plus(&piece.records);
                let message: ExportLogsServiceRequest = message(piece);
                let mut part: Vec<_> = bodies(&message);
                part.sort_unstable();
                seen.extend(part);
            }
            let all: Vec<_> = (0..i64::try_from(number).unwrap()).collect();
            assert_eq!(seen, all, "seed {seed}, {shape:?}");
            let of = |record: &SdkLogRecord| SeverityBand::of(record.severity_number());
            for band in SeverityBand::ALL {
                let expected = records
                    .iter()
                    .filter(|(record, _)| of(record) == band)
                    .count();
                assert_eq!(bands.get(band), expected as u64);
            }
        }
    }
}

fn bodies(request: &ExportLogsServiceRequest) -> Vec<i64> {
    let groups = request
        .resource_logs
        .iter()
        .flat_map(|group| &group.scope_logs);
    let records = groups.flat_map(|group| &group.log_records);
    let body = |record: &LogRecord| match record.body.as_ref()?.value.as_ref()? {
        Proto::IntValue(number) => Some(*number),
        _ => None,
    };
    records.filter_map(body).collect()
}

#[test]
fn spans_above_the_limit_make_several_requests_too() {
    for seed in 0..5 {
        let mut chance = Chance::new(seed);
        let spans: Vec<_> = (0..20).map(|_| chance.span()).collect();
        for shape in shapes(Signal::Traces, 2000) {
            let pieces = Direct::new(shape.clone()).spans(spans.clone()).unwrap();
            assert!(pieces.len() > 1, "seed {seed}, {shape:?}");
            let mut seen: Vec<Vec<u8>> = Vec::new();
            for piece in &pieces {
                let request = piece.request.as_ref().unwrap();
                assert!(request.records == 1 || !request.exceeds(2000));
                let message: ExportTraceServiceRequest = message(piece);
                let groups = message
                    .resource_spans
                    .into_iter()
                    .flat_map(|group| group.scope_spans);
                seen.extend(
                    groups
                        .flat_map(|group| group.spans)
                        .map(|span| span.span_id),
                );
            }
            let mut all: Vec<_> = spans
                .iter()
                .map(|span| Span::from(span.clone()).span_id)
                .collect();
            all.sort_unstable();
            seen.sort_unstable();
            assert_eq!(seen, all);
        }
    }
}

#[test]
fn scopes_stand_in_the_order_in_which_they_came() {
    let chance = Chance::new(0);
    let scope = |name: &'static str| InstrumentationScope::builder(name).build();
    let with_target = |target: Option<&'static str>| {
        let mut record = chance.empty_record();
        if let Some(target) = target {
            record.set_target(target);
        }
        record
    };
    let records = vec![
        (with_target(None), scope("b")),
        (with_target(None), scope("a")),
        (with_target(Some("c")), scope("a")),
        (with_target(None), scope("b")),
        (with_target(Some("b")), scope("d")),
    ];
    let pieces = encode_logs(&Direct::new(plain(Signal::Logs)), &records);
    let request: ExportLogsServiceRequest = message(&pieces[0]);
    let groups = request.resource_logs[0].scope_logs.iter();
    let names = groups.map(|group| {
        (
            &*group.scope.as_ref().unwrap().name,
            group.log_records.len(),
        )
    });
    assert_eq!(names.collect::<Vec<_>>(), [("b", 3), ("a", 1), ("c", 1)]);
}

fn chain(levels: usize, map: bool) -> AnyValue {
    (0..levels).fold(AnyValue::Int(1), |inner, _| {
        if map {
            AnyValue::Map(Box::new([("k".into(), inner)].into()))
        } else {
            AnyValue::ListAny(Box::new(vec![inner]))
        }
    })
}

#[test]
fn what_is_nested_too_deeply_is_cut_where_receivers_can_still_read_it() {
    for map in [false, true] {
        for levels in [1, 28, 29, 100, 1000] {
            let mut record = Chance::new(0).empty_record();
            record.set_body(chain(levels, map));
            record.add_attribute("deep", chain(levels, map));
            record.add_attribute("beside", 1);
            let records = vec![(record, InstrumentationScope::default())];
            let whole = shape(Signal::Logs, Protocol::HttpJson, Compression::None, 1 << 20);
            let pieces = encode_logs(&Direct::new(whole), &records);
            let request: ExportLogsServiceRequest = message(&pieces[0]);
            let record = &request.resource_logs[0].scope_logs[0].log_records[0];
            assert_eq!(record.attributes.len(), 2);
            let json = pieces[0].request.as_ref().unwrap().body.clone();
            let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
            assert_eq!(json.to_string().contains("nested too deeply"), levels > 28);
        }
    }
}

#[test]
fn a_large_batch_leaves_no_large_buffers_behind() {
    let chance = Chance::new(0);
    let of = |body: AnyValue| {
        let mut record = chance.empty_record();
        record.set_body(body);
        (record, InstrumentationScope::default())
    };
    let empty_list = || AnyValue::ListAny(Box::default());
    let lists = (0..1 << 20).map(|_| empty_list()).collect();
    let small = (0..1 << 18).map(|_| of(AnyValue::Int(1))).collect();
    let with_scopes = |number: usize| {
        let scope = |index| InstrumentationScope::builder(format!("{index}")).build();
        (0..number)
            .map(|index| (of(AnyValue::Int(1)).0, scope(index)))
            .collect()
    };
    let batches: [Records; 4] = [
        vec![of("x".repeat(8 << 20).into())],
        vec![of(AnyValue::ListAny(Box::new(lists)))],
        small,
        with_scopes(1 << 17),
    ];
    for (index, records) in batches.iter().enumerate() {
        for shape in shapes(Signal::Logs, 64 << 20) {
            let is_usual =
                shape.protocol == Protocol::HttpProtobuf && shape.compression == Compression::Gzip;
            if index > 0 && !is_usual {
                continue;
            }
            let encoder = Direct::new(shape);
            assert_eq!(encode_logs(&encoder, records).len(), 1);
            let kept = encoder.bench().kept();
            assert!(kept < 6 * KEPT_BYTES, "{index}: {kept}");
        }
    }
}
