//! A page of log records.
//!
//! The API and the command line ask for it, newest first unless told otherwise.

use super::scan::{Go, Order, Outcome, Scan};
use super::write;
use crate::otlp::to_json::{ObjectWriter, string};

/// Writes at most `limit` records as the answer to a query.
pub(crate) fn page(scan: &Scan<'_>, order: Order, cursor: Option<u64>, limit: usize) -> Vec<u8> {
    let start = cursor.unwrap_or(match order {
        Order::NewestFirst => u64::MAX,
        Order::OldestFirst => 0,
    });
    let mut items: Vec<u8> = Vec::new();
    let mut n = 0;
    let outcome = scan.run(order, start, |item| {
        if n > 0 {
            items.push(b',');
        }
        write::log(item, &mut items);
        n += 1;
        if n < limit && items.len() < MAX_PAGE {
            Go::On
        } else {
            Go::Enough
        }
    });
    answer(&items, outcome)
}

/// `{"items":[…],"next":"…","scanned":n,"truncated":false}`
pub(crate) fn answer(items: &[u8], outcome: Outcome) -> Vec<u8> {
    let mut out = Vec::with_capacity(items.len() + 100);
    let mut object = ObjectWriter::new(&mut out);
    let list = object.member("items");
    list.push(b'[');
    list.extend_from_slice(items);
    list.push(b']');
    let next = object.member("next");
    match outcome.next {
        Some(number) => string(&number.to_string(), next),
        None => next.extend_from_slice(b"null"),
    }
    write::number(outcome.scanned, object.member("scanned"));
    write::number(outcome.truncated, object.member("truncated"));
    object.end();
    out
}

/// A page of huge records ends early.
pub(crate) const MAX_PAGE: usize = 16 * 1024 * 1024;
