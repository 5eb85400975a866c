//! Metrics: each with its series and their newest points.
//!
//! Points are kept in the requests they came in; a question puts the series together.

use std::borrow::Cow;
use std::collections::HashMap;

use super::filter::Filter;
use super::item::Item;
use super::scan::{Go, Order, Scan};
use super::write::{list, number};
use crate::otlp::any_value::message_in;
use crate::otlp::schema::{
    EXPONENTIAL_POINT, HISTOGRAM_POINT, Message, NUMBER_POINT, SUMMARY_POINT,
};
use crate::otlp::to_json::{self, ObjectWriter, string};
use crate::otlp::wire::{self, Raw};

/// The kinds of metric: field, name, schema of a point, and the field of a point's attributes.
const KINDS: [(u32, &str, &Message, u32); 5] = [
    (5, "gauge", &NUMBER_POINT, 7),
    (7, "sum", &NUMBER_POINT, 7),
    (9, "histogram", &HISTOGRAM_POINT, 9),
    (10, "exponentialHistogram", &EXPONENTIAL_POINT, 1),
    (11, "summary", &SUMMARY_POINT, 7),
];

type Kind = (u32, &'static str, &'static Message, u32);

#[derive(Debug)]
struct Series {
    attributes: Vec<u8>,
    /// Newest first.
    points: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Metric {
    service: String,
    scope: Vec<u8>,
    name: String,
    description: String,
    unit: String,
    kind: &'static str,
    /// What a sum or a histogram says of its points, as members of the answer.
    facts: Vec<(&'static str, u64)>,
    series: Vec<Series>,
    by_attributes: HashMap<Vec<u8>, usize>,
    is_cut: bool,
}

/// Writes at most `limit` metrics, in the order of service and name.
pub(crate) fn page(scan: &Scan<'_>, limit: usize) -> Vec<u8> {
    let mut metrics: Vec<Metric> = Vec::new();
    let mut by_name: HashMap<(String, Vec<u8>, String, &'static str), usize> = HashMap::new();
    let mut is_cut = false;
    let mut bytes = 0;
    // Each point is asked, not each metric: `route:/orders` wants that route's series alone.
    let everything = Filter::everything();
    let all = Scan {
        filter: &everything,
        ..*scan
    };
    let outcome = all.run(Order::NewestFirst, u64::MAX, |item| {
        let Some((kind, data)) = data(item.message()) else {
            return Go::On;
        };
        // A message in several parts is rare enough to have no attributes to ask for.
        let points: Vec<_> = match &data {
            Cow::Borrowed(data) => wire::all(data, 1)
                .map(Raw::bytes)
                .filter(|point| {
                    item.look_at(point, kind.3);
                    scan.filter.matches(item)
                })
                .collect(),
            Cow::Owned(data) if scan.filter.matches(item) => {
                wire::all(data, 1).map(Raw::bytes).collect()
            }
            Cow::Owned(_) => vec![],
        };
        if points.is_empty() {
            return Go::On;
        }
        let mut scope = Vec::new();
        super::write::scope(item, &mut scope);
        let name = item.name().unwrap_or_default().to_owned();
        let service = item.service().unwrap_or_default().into_owned();
        let key = (service, scope, name, kind.1);
        let nth = match by_name.get(&key) {
            Some(nth) => *nth,
            None if metrics.len() >= limit => {
                is_cut = true;
                return Go::On;
            }
            None => {
                metrics.push(Metric::new(item, &key.0, &key.1, kind, &data));
                by_name.insert(key, metrics.len() - 1);
                metrics.len() - 1
            }
        };
        bytes += metrics[nth].add(kind, &points);
        if bytes > super::logs::MAX_PAGE {
            is_cut = true;
            return Go::Enough;
        }
        Go::On
    });
    metrics.sort_by(|a, b| (&a.service, &a.name, &a.scope).cmp(&(&b.service, &b.name, &b.scope)));
    let mut out = Vec::new();
    let mut object = ObjectWriter::new(&mut out);
    list(metrics, object.member("items"), |metric, out| {
        metric.write(out);
    });
    number(is_cut || outcome.truncated, object.member("truncated"));
    object.end();
    out
}

/// Which kind a metric is, with the message that holds its points.
fn data(metric: &[u8]) -> Option<(Kind, Cow<'_, [u8]>)> {
    let (number, _) = wire::fields(metric)
        .filter(|(number, _)| KINDS.iter().any(|kind| kind.0 == *number))
        .last()?;
    let kind = KINDS.into_iter().find(|kind| kind.0 == number)?;
    Some((kind, message_in(metric, number)?))
}

impl Metric {
    fn new(item: &Item<'_>, service: &str, scope: &[u8], kind: Kind, data: &[u8]) -> Self {
        let text = |number| {
            let text = wire::last(item.message(), number).map_or("", Raw::text);
            text.to_owned()
        };
        let fact = |number| wire::last(data, number).map_or(0, Raw::number);
        let facts = match kind.1 {
            "sum" => vec![("temporality", fact(2)), ("monotonic", fact(3))],
            "histogram" | "exponentialHistogram" => vec![("temporality", fact(2))],
            _ => vec![],
        };
        Self {
            service: service.to_owned(),
            scope: scope.to_vec(),
            name: text(1),
            description: text(2),
            unit: text(3),
            kind: kind.1,
            facts,
            series: Vec::new(),
            by_attributes: HashMap::new(),
            is_cut: false,
        }
    }

    /// Adds the points of one message, the newest of which stands last; returns how much it grew.
    fn add(&mut self, (_, _, schema, field): Kind, points: &[&[u8]]) -> usize {
        let mut grown = 0;
        for point in points.iter().rev() {
            let mut attributes = Vec::new();
            super::write::attributes(point, field, &mut attributes);
            let nth = match self.by_attributes.get(&attributes) {
                Some(nth) => *nth,
                None if self.series.len() >= MAX_SERIES => {
                    self.is_cut = true;
                    continue;
                }
                None => {
                    self.by_attributes
                        .insert(attributes.clone(), self.series.len());
                    self.series.push(Series {
                        attributes,
                        points: Vec::new(),
                    });
                    self.series.len() - 1
                }
            };
            let series = &mut self.series[nth];
            if series.points.len() < MAX_POINTS {
                let mut written = Vec::new();
                to_json::message(schema, point, &mut written);
                grown += written.len();
                series.points.push(written);
            }
        }
        grown
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out);
        string(&self.name, object.member("name"));
        string(&self.description, object.member("description"));
        string(&self.unit, object.member("unit"));
        string(self.kind, object.member("type"));
        for (name, value) in &self.facts {
            if *name == "monotonic" {
                number(*value != 0, object.member(name));
                continue;
            }
            let temporality = match value {
                1 => "delta",
                2 => "cumulative",
                _ => "unspecified",
            };
            string(temporality, object.member(name));
        }
        string(&self.service, object.member("service"));
        object.member("scope").extend_from_slice(&self.scope);
        list(&self.series, object.member("series"), |series, out| {
            let mut one = ObjectWriter::new(out);
            one.member("attributes")
                .extend_from_slice(&series.attributes);
            list(
                series.points.iter().rev(),
                one.member("points"),
                |point, out| {
                    out.extend_from_slice(point);
                },
            );
            one.end();
        });
        number(self.is_cut, object.member("truncated"));
        object.end();
    }
}

const MAX_SERIES: usize = 100;
const MAX_POINTS: usize = 100;
