//! The dead-letter page: which requests were refused, and why.

use super::write::{list, number};
use crate::otlp::to_json::{ObjectWriter, string};
use crate::retain::clock::rfc3339;
use crate::retain::rejected::Rejected;

/// Writes the refused requests, newest first.
pub(crate) fn page(rejected: &[Rejected]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut object = ObjectWriter::new(&mut out);
    list(rejected.iter().rev(), object.member("items"), |one, out| {
        let mut item = ObjectWriter::new(out);
        number(one.id, item.member("id"));
        string(&rfc3339(one.at), item.member("at"));
        named(one.signal, item.member("signal"));
        named(one.protocol, item.member("protocol"));
        string(&one.path, item.member("path"));
        number(one.status, item.member("status"));
        string(&one.reason, item.member("reason"));
        number(one.size, item.member("bytes"));
        number(one.body.len(), item.member("kept"));
        let mut headers = ObjectWriter::new(item.member("headers"));
        for (name, value) in &one.headers {
            string(value, headers.member(name));
        }
        headers.end();
        item.end();
    });
    object.end();
    out
}

fn named(name: Option<impl std::fmt::Display>, out: &mut Vec<u8>) {
    match name {
        Some(name) => string(&name.to_string(), out),
        None => out.extend_from_slice(b"null"),
    }
}
