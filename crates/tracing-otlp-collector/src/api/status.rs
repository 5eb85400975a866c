//! How the collector is doing.

use super::site::Site;
use crate::otlp::to_json::{ObjectWriter, string};
use crate::query::write::{list, number};
use crate::retain::clock::rfc3339;

pub(super) fn status(site: &Site) -> Vec<u8> {
    let (counts, kept) = (site.store.counts(), site.store.holdings());
    let mut out = Vec::new();
    let mut object = ObjectWriter::new(&mut out);
    string(env!("CARGO_PKG_VERSION"), object.member("version"));
    string(&rfc3339(site.started), object.member("startedAt"));
    list(
        &site.listening,
        object.member("listening"),
        |address, out| {
            string(&format!("http://{address}"), out);
        },
    );
    let mut counted = ObjectWriter::new(object.member("counts"));
    for (name, count) in [
        ("logRequests", counts.log_requests),
        ("traceRequests", counts.trace_requests),
        ("metricRequests", counts.metric_requests),
        ("refused", counts.refused),
        ("logs", counts.logs),
        ("spans", counts.spans),
        ("dataPoints", counts.data_points),
        ("evictedLogs", counts.evicted_logs),
        ("evictedSpans", counts.evicted_spans),
    ] {
        number(count, counted.member(name));
    }
    counted.end();
    let mut holdings = ObjectWriter::new(object.member("kept"));
    number(kept.logs, holdings.member("logs"));
    number(kept.spans, holdings.member("spans"));
    number(kept.points, holdings.member("dataPoints"));
    number(kept.bytes, holdings.member("bytes"));
    number(kept.capacity, holdings.member("capacityBytes"));
    match kept.oldest {
        Some(oldest) => string(&rfc3339(oldest), holdings.member("oldest")),
        None => holdings.member("oldest").extend_from_slice(b"null"),
    }
    number(kept.next, holdings.member("nextSeq"));
    holdings.end();
    match site.intake.files() {
        None => object.member("files").extend_from_slice(b"null"),
        Some(status) => {
            let mut files = ObjectWriter::new(object.member("files"));
            string(&status.dir.display().to_string(), files.member("dir"));
            number(status.written, files.member("written"));
            number(status.failed, files.member("failed"));
            number(status.unread, files.member("unread"));
            files.end();
        }
    }
    match site.intake.onward() {
        None => object.member("forward").extend_from_slice(b"null"),
        Some(onward) => onward.status(object.member("forward")),
    }
    object.end();
    out
}
