//! Prints log records, and goes on with what arrives.

use std::process::ExitCode;

use serde_json::Value;

use crate::args::Logs;
use crate::client::Client;
use crate::out::{Trouble, complain, has_colours, line};
use crate::paint::Painter;

pub(crate) fn run(args: &Logs) -> Result<ExitCode, Trouble> {
    let client = Client::new(&args.at.url)?;
    let filter = args.filter.join(" ");
    let since = args.since.as_deref().map(ago);
    let painter = Painter {
        has_colours: has_colours(),
    };
    let show = |item: &Value| {
        if args.json {
            line(item)
        } else {
            line(painter.log(item))
        }
    };
    if args.follow {
        follow(&client, &filter, since.as_deref(), show)?;
        return Err(Trouble::new("the collector ended"));
    }
    let from = since.unwrap_or_default();
    let mut items = Vec::new();
    let mut cursor = String::new();
    while items.len() < args.limit {
        let limit = (args.limit - items.len()).min(1000).to_string();
        let params = [
            ("q", filter.as_str()),
            ("from", &from),
            ("limit", &limit),
            ("cursor", &cursor),
        ];
        let page = client.get("/api/logs", &params)?;
        if let Some(page) = page["items"].as_array() {
            items.extend(page.iter().cloned());
        }
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    items.iter().rev().try_for_each(show)?;
    Ok(ExitCode::SUCCESS)
}

fn follow(
    client: &Client,
    filter: &str,
    since: Option<&str>,
    show: impl Fn(&Value) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let params = [("q", filter), ("since", since.unwrap_or("-1h"))];
    let mut events = Events::default();
    client.follow("/api/logs/stream", &params, |piece| {
        events.feed(piece, |event, data| match event {
            "log" => serde_json::from_slice(data).map_or(Ok(()), |item| show(&item)),
            "lagged" => {
                let lagged: Value = serde_json::from_slice(data).unwrap_or_default();
                complain(format!(
                    "up to {} records left before they could be read",
                    lagged["missed"]
                ));
                Ok(())
            }
            _ => Ok(()),
        })
    })
}

/// `15m` is a time ago as well as `-15m` is.
pub(crate) fn ago(text: &str) -> String {
    let is_duration = text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_alphabetic())
        && !text.contains(['T', 't', ':']);
    if is_duration {
        format!("-{text}")
    } else {
        text.to_owned()
    }
}

/// Puts server-sent events together from the pieces they come in.
#[derive(Default)]
struct Events {
    rest: Vec<u8>,
}

impl Events {
    fn feed(
        &mut self,
        piece: &[u8],
        mut see: impl FnMut(&str, &[u8]) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.rest.extend_from_slice(piece);
        let mut read = 0;
        while let Some(end) = find(&self.rest[read..], b"\n\n") {
            let event = &self.rest[read..read + end];
            read += end + 2;
            let (mut name, mut data) = ("message", &b""[..]);
            for line in event.split(|byte| *byte == b'\n') {
                if let Some(value) = line.strip_prefix(b"event: ") {
                    name = std::str::from_utf8(value).unwrap_or_default();
                } else if let Some(value) = line.strip_prefix(b"data: ") {
                    data = value;
                }
            }
            see(name, data)?;
        }
        self.rest.drain(..read);
        Ok(())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
