//! The receiver: a child process that counts what arrives.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::programs;

/// A running receiver; it ends with this.
pub struct Receiver {
    child: Child,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
    port: String,
}

/// What arrived since it was asked last.
#[derive(Debug, Clone, Copy)]
pub struct Arrived {
    pub bytes: f64,
    pub records: f64,
}

impl Receiver {
    pub fn start() -> Self {
        let mut child = Command::new("./sink-bench-sink")
            .current_dir(programs::folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the receiver starts");
        let say = child.stdin.take().expect("a pipe");
        let hear = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut receiver = Self {
            child,
            say,
            hear,
            port: String::new(),
        };
        receiver.port = receiver.line();
        receiver
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What arrived since the last time.
    pub fn count(&mut self) -> Arrived {
        writeln!(self.say, "count").expect("the receiver listens");
        let line = self.line();
        let mut figures = line.split(' ').map(|text| text.parse().expect("a number"));
        let mut next = || figures.next().expect("three figures");
        let _requests = next();
        Arrived {
            bytes: next(),
            records: next(),
        }
    }

    /// What each level of each compressor makes of what arrived, as lines of a table.
    pub fn levels(&mut self) -> Vec<String> {
        writeln!(self.say, "levels").expect("the receiver listens");
        let lines = std::iter::repeat_with(|| self.line());
        lines.take_while(|line| !line.is_empty()).collect()
    }

    /// It reads requests from now on, and never answers.
    pub fn stall(&mut self) {
        writeln!(self.say, "stall").expect("the receiver listens");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.hear.read_line(&mut line).expect("the receiver speaks");
        line.trim().to_owned()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
