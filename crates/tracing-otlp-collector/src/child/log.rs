//! The collector's last lines, bounded in bytes.
//!
//! They are kept for the moment in which something went wrong; nothing else reads them.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};

/// A ring of lines; the oldest leave first.
#[derive(Debug)]
pub(super) struct LogRing {
    lines: VecDeque<String>,
    bytes: usize,
    capacity: usize,
}

impl LogRing {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            bytes: 0,
            capacity,
        }
    }

    pub(super) fn push(&mut self, line: String) {
        self.bytes += cost(&line);
        self.lines.push_back(line);
        while self.bytes > self.capacity {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= cost(&oldest);
        }
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.bytes = 0;
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

/// Reads lines until the end; a line longer than a few KiB is cut.
pub(super) fn read_lines(mut from: impl Read, mut each: impl FnMut(String)) {
    let mut chunk = [0; 4096];
    let mut line = Vec::new();
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        for byte in &chunk[..read] {
            if *byte == b'\n' {
                each(text(&line));
                line.clear();
            } else if line.len() < LONGEST_LINE {
                line.push(*byte);
            }
        }
    }
    if !line.is_empty() {
        each(text(&line));
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().to_owned()
}

/// What a line costs: its text, and about what keeps it.
fn cost(line: &str) -> usize {
    line.len() + size_of::<String>()
}

const LONGEST_LINE: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lines_leave_first() {
        let mut ring = LogRing::new(3 * (1 + size_of::<String>()));
        for line in ["a", "b", "c", "d"] {
            ring.push(line.to_owned());
        }
        assert_eq!(ring.lines(), ["b", "c", "d"]);
        ring.push("x".repeat(1000));
        assert!(
            ring.lines().is_empty(),
            "a line that does not fit is not kept"
        );
        assert_eq!(ring.bytes, 0);
    }

    #[test]
    fn lines_are_cut_and_the_last_one_needs_no_end() {
        let long = format!("{}\r\nlast", "x".repeat(100_000));
        let mut lines = Vec::new();
        read_lines(long.as_bytes(), |line| lines.push(line));
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), LONGEST_LINE);
        assert_eq!(lines[1], "last");
    }
}
