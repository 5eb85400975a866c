//! How the kept log records are linked to their spans, as it looks now.
//!
//! The same question as [`Audit`](crate::Audit) answers for a finished run, asked of the store without
//! decoding anything, and with the fourth answer of a program that still runs.

use super::link::Link;
use super::scan::{Go, Order, Scan};
use super::text::plain;
use super::write::{list, number};
use crate::Counts;
use crate::otlp::any_value::View;
use crate::otlp::to_json::{ObjectWriter, string};
use crate::retain::head::Ids;

struct Orphan {
    seq: u64,
    trace: String,
    span: String,
    reason: &'static str,
    body: String,
}

/// Writes the counts and the first orphans.
pub(crate) fn audit(scan: &Scan<'_>, counts: Counts) -> Vec<u8> {
    let mut links = [0_u64; 4];
    let mut orphans = Vec::new();
    let outcome = scan.run(Order::OldestFirst, 0, |item| {
        let link = item.link().unwrap_or(Link::Unlinked);
        links[link as usize] += 1;
        if link == Link::Orphaned && orphans.len() < MAX_ORPHANS {
            let mut body = String::new();
            if let Some(value) = item.body() {
                plain(&View::of(&value), &mut body);
            }
            orphans.push(Orphan {
                seq: item.seq(),
                trace: item.trace_hex().unwrap_or_default(),
                span: item.span_hex().unwrap_or_default(),
                reason: match item.head.ids {
                    Ids::Malformed => "malformedIds",
                    _ => "spanMissing",
                },
                body: body.chars().take(MAX_BODY).collect(),
            });
        }
        Go::On
    });
    let mut out = Vec::new();
    let mut object = ObjectWriter::new(&mut out);
    number(links.iter().sum::<u64>(), object.member("records"));
    for (link, count) in Link::ALL.iter().zip([
        links[Link::Linked as usize],
        links[Link::Unlinked as usize],
        links[Link::Pending as usize],
        links[Link::Orphaned as usize],
    ]) {
        number(count, object.member(link.name()));
    }
    number(
        counts.evicted_logs + counts.evicted_spans,
        object.member("evicted"),
    );
    number(outcome.truncated, object.member("truncated"));
    list(orphans, object.member("orphans"), |orphan, out| {
        let mut one = ObjectWriter::new(out);
        number(orphan.seq, one.member("seq"));
        string(&orphan.trace, one.member("traceId"));
        string(&orphan.span, one.member("spanId"));
        string(orphan.reason, one.member("reason"));
        string(&orphan.body, one.member("body"));
        one.end();
    });
    object.end();
    out
}

const MAX_ORPHANS: usize = 100;
const MAX_BODY: usize = 200;
