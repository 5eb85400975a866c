//! Programs of this workspace, and of others, run as a user runs them.
//!
//! [`example`] and [`binary`] have cargo build a program and say where it is; [`Child`] runs one,
//! collects its lines, and kills it when dropped, so that a failed test leaves nothing behind.
//!
//! The one thing to know: waiting is always for something (a line, the exit) and always ends at
//! a deadline; nothing sleeps and hopes.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

mod build;

pub use build::{binary, example, workspace_root};

/// A command without what the environment of the tests would tell the program: every `OTEL_*` and
/// `LOGFIRE_*` variable and `RUST_LOG` are removed. Standard input is empty.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let known = name.to_string_lossy();
        if known.starts_with("OTEL_") || known.starts_with("LOGFIRE_") || known == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// A running program whose lines are collected; killed when dropped.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    stdin: Option<ChildStdin>,
    output: Arc<Output>,
    name: String,
}

impl Child {
    /// Starts `command`, with its standard output and standard error collected.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = Arc::new(Output::default());
        let stdout = process.stdout.take().expect("stdout is piped");
        let stderr = process.stderr.take().expect("stderr is piped");
        let stdin = process.stdin.take();
        collect(stdout, Stream::Out, &output);
        collect(stderr, Stream::Err, &output);
        Ok(Self {
            process,
            stdin,
            output,
            name,
        })
    }

    /// Writes a line to its standard input, if the command has a pipe there.
    ///
    /// # Errors
    ///
    /// When there is none, or nobody reads it any more.
    pub fn tell(&mut self, line: &str) -> io::Result<()> {
        let pipe = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(pipe, "{line}")
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The complete lines of standard output so far, without their ends.
    pub fn stdout(&self) -> Vec<String> {
        self.output.lock().out.clone()
    }

    /// The complete lines of standard error so far, without their ends.
    pub fn stderr(&self) -> Vec<String> {
        self.output.lock().err.clone()
    }

    /// Waits until `enough` likes the lines of standard output, and returns them.
    ///
    /// It is asked once for what is there already, then after every change.
    ///
    /// # Errors
    ///
    /// When the deadline passes, or the output ends, and `enough` still does not like it.
    pub fn wait_for_stdout(
        &self,
        timeout: Duration,
        enough: impl FnMut(&[String]) -> bool,
    ) -> Result<Vec<String>, GaveUp> {
        self.wait_for(Stream::Out, timeout, enough)
    }

    /// As [`Child::wait_for_stdout`], for standard error.
    ///
    /// # Errors
    ///
    /// As [`Child::wait_for_stdout`].
    pub fn wait_for_stderr(
        &self,
        timeout: Duration,
        enough: impl FnMut(&[String]) -> bool,
    ) -> Result<Vec<String>, GaveUp> {
        self.wait_for(Stream::Err, timeout, enough)
    }

    /// Waits for the exit; after it both outputs are complete.
    ///
    /// # Errors
    ///
    /// When the deadline passes first. The program runs on.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus, GaveUp> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Ok(Some(status)) = self.process.try_wait() {
                // The pipes may still hold lines; a grandchild may hold the pipes, so not forever.
                let mut lines = self.output.lock();
                let drained = Instant::now() + Duration::from_secs(5);
                while lines.open > 0 && Instant::now() < drained {
                    lines = self.output.changed_within(lines, Duration::from_millis(50));
                }
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(self.gave_up("it did not exit", timeout));
            }
            let lines = self.output.lock();
            // The end of the outputs announces the exit; the short wait covers a program that
            // closes them early or keeps them open through a grandchild.
            drop(self.output.changed_within(lines, Duration::from_millis(10)));
        }
    }

    /// Whether it has exited.
    pub fn has_exited(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Kills it outright, as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Asks it to end, as `kill -TERM` does.
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    #[cfg(unix)]
    pub fn terminate(&self) -> io::Result<()> {
        self.signal("TERM")
    }

    /// Interrupts it, as Ctrl-C does.
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    #[cfg(unix)]
    pub fn interrupt(&self) -> io::Result<()> {
        self.signal("INT")
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) -> io::Result<()> {
        // The program, because the standard library has no call for it and `unsafe` is forbidden.
        let status = Command::new("kill")
            .args(["-s", name, &self.process.id().to_string()])
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other("kill failed"))
        }
    }

    fn wait_for(
        &self,
        stream: Stream,
        timeout: Duration,
        mut enough: impl FnMut(&[String]) -> bool,
    ) -> Result<Vec<String>, GaveUp> {
        let deadline = Instant::now() + timeout;
        let mut lines = self.output.lock();
        loop {
            if enough(lines.of(stream)) {
                return Ok(lines.of(stream).to_vec());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.open == 0 || left.is_zero() {
                let why = if lines.open == 0 {
                    "its output ended"
                } else {
                    "nothing came"
                };
                drop(lines);
                return Err(self.gave_up(why, timeout));
            }
            lines = self.output.changed_within(lines, left);
        }
    }

    fn gave_up(&self, why: &str, timeout: Duration) -> GaveUp {
        let lines = self.output.lock();
        GaveUp(format!(
            "{}: {why} (deadline {timeout:?})\n--- its standard output\n{}\n--- its standard error\n{}",
            self.name,
            tail(&lines.out),
            tail(&lines.err),
        ))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waiting ended without what was waited for. It prints what the program said so far.
pub struct GaveUp(String);

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As `Display`, so that `unwrap` in a test shows lines and not `\n`.
impl fmt::Debug for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GaveUp {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

#[derive(Debug)]
struct Lines {
    out: Vec<String>,
    err: Vec<String>,
    /// How many of the two are still open.
    open: u8,
}

impl Lines {
    fn of(&self, stream: Stream) -> &[String] {
        match stream {
            Stream::Out => &self.out,
            Stream::Err => &self.err,
        }
    }
}

#[derive(Debug)]
struct Output {
    lines: Mutex<Lines>,
    changed: Condvar,
}

impl Default for Output {
    fn default() -> Self {
        let lines = Lines {
            out: Vec::new(),
            err: Vec::new(),
            open: 2,
        };
        Self {
            lines: Mutex::new(lines),
            changed: Condvar::new(),
        }
    }
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        // A predicate that panicked has failed its own test; the lines are whole.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed_within<'a>(
        &self,
        lines: MutexGuard<'a, Lines>,
        timeout: Duration,
    ) -> MutexGuard<'a, Lines> {
        let result = self.changed.wait_timeout(lines, timeout);
        result.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn collect(from: impl Read + Send + 'static, stream: Stream, output: &Arc<Output>) {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while let Ok(1..) = reader.read_until(b'\n', &mut line) {
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            let mut lines = output.lock();
            match stream {
                Stream::Out => lines.out.push(text),
                Stream::Err => lines.err.push(text),
            }
            drop(lines);
            output.changed.notify_all();
        }
        output.lock().open -= 1;
        output.changed.notify_all();
    });
}

fn tail(lines: &[String]) -> String {
    lines[lines.len().saturating_sub(40)..].join("\n")
}
