//! Asks the program what it is: its version, and the names of its components.
//!
//! The names change: from v0.144.0 on the OTLP exporters are `otlp_http` and `otlp_grpc`, before
//! they were `otlphttp` and `otlp`. And a distribution has what its makers put into it. So we ask.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::Fault;
use super::config::Kind;
use super::log::read_lines;

/// What a collector says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) program: PathBuf,
    pub(super) version: String,
    /// Names by section: `receivers`, `processors`, `exporters`, `extensions`.
    components: BTreeMap<String, BTreeSet<String>>,
}

impl Facts {
    /// Runs `PROGRAM components`, which every collector answers.
    pub(super) fn ask(program: &Path) -> Result<Self, Fault> {
        let said = run(program, &["components".as_ref()], &[])
            .map_err(|source| Fault::missing(program, source))?;
        let facts = Self::read(program, &said.out);
        if said.is_success && facts.components.contains_key("exporters") {
            return Ok(facts);
        }
        Err(Fault::NotACollector {
            program: program.to_owned(),
            said: said.all(),
        })
    }

    fn read(program: &Path, lines: &[String]) -> Self {
        let mut facts = Self {
            program: program.to_owned(),
            version: String::new(),
            components: BTreeMap::new(),
        };
        let mut section = "";
        for line in lines {
            let entry = line.trim();
            if let Some(version) = entry.strip_prefix("version:") {
                version.trim().clone_into(&mut facts.version);
            } else if !line.starts_with([' ', '-']) {
                section = entry.split(':').next().unwrap_or_default();
            } else if let Some(name) = entry.strip_prefix("- ") {
                // Older ones list bare names.
                let name = name.strip_prefix("name:").unwrap_or(name).trim();
                let names = facts.components.entry(section.to_owned()).or_default();
                names.insert(name.to_owned());
            }
        }
        facts
    }

    pub(super) fn has(&self, section: &str, name: &str) -> bool {
        self.components
            .get(section)
            .is_some_and(|names| names.contains(name))
    }

    pub(super) fn has_health_check(&self) -> bool {
        self.has("extensions", "health_check")
    }

    /// The exporter's name in this collector.
    pub(super) fn exporter(&self, kind: Kind) -> &'static str {
        let (new, old) = match kind {
            Kind::OtlpHttp => ("otlp_http", "otlphttp"),
            Kind::OtlpGrpc => ("otlp_grpc", "otlp"),
            Kind::File => ("file", "file"),
            Kind::Debug => ("debug", "debug"),
        };
        if self.has("exporters", new) { new } else { old }
    }

    pub(super) fn lack(&self, name: &str) -> Fault {
        let list = |section: &str| {
            let names = self.components.get(section).into_iter().flatten();
            names.map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        Fault::Lacks {
            program: self.program.clone(),
            component: name.to_owned(),
            has: format!("{}; {}", list("receivers"), list("exporters")),
        }
    }

    /// Has the program check a configuration; the error is its own message.
    pub(super) fn validate<'a>(
        &self,
        location: &OsStr,
        environment: impl IntoIterator<Item = &'a (String, String)>,
    ) -> Result<(), Vec<String>> {
        let environment: Vec<_> = environment.into_iter().cloned().collect();
        let arguments = ["validate".as_ref(), location];
        match run(&self.program, &arguments, &environment) {
            Ok(said) if !said.is_success => Err(said.all()),
            // Very old ones have no such command; whoever asks knows that something is wrong.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// What a short run printed.
struct Said {
    is_success: bool,
    out: Vec<String>,
    err: Vec<String>,
}

impl Said {
    fn all(self) -> Vec<String> {
        let mut lines = self.out;
        lines.extend(self.err);
        lines.retain(|line| !line.is_empty());
        lines
    }
}

/// Runs the program to its end, or kills it when it takes too long.
fn run(program: &Path, arguments: &[&OsStr], environment: &[(String, String)]) -> io::Result<Said> {
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let out = lines_of(child.stdout.take());
    let err = lines_of(child.stderr.take());
    let deadline = Instant::now() + LONGEST_RUN;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() >= deadline {
            // Both fail only for a process that is gone.
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        thread::sleep(Duration::from_millis(5));
    };
    // Whatever it started may hold the pipes open; the lines so far are enough then.
    let collect = |lines: mpsc::Receiver<String>| {
        let mut collected = Vec::new();
        while collected.len() < MOST_LINES {
            match lines.recv_timeout(Duration::from_secs(1)) {
                Ok(line) => collected.push(line),
                Err(_) => break,
            }
        }
        collected
    };
    Ok(Said {
        is_success: status.is_some_and(|status| status.success()),
        out: collect(out),
        err: collect(err),
    })
}

fn lines_of(from: Option<impl io::Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(from) = from {
        // Without a thread there are no lines, and the program is taken for no collector.
        let _ = thread::Builder::new()
            .name("otelcol-says".to_owned())
            .spawn(move || read_lines(from, |line| drop(sender.send(line))));
    }
    receiver
}

/// `components` and `validate` take a second on a busy machine.
const LONGEST_RUN: Duration = Duration::from_secs(20);
/// The largest distribution prints some 3,000 lines.
const MOST_LINES: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str) -> Facts {
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        Facts::read(Path::new("otelcol"), &lines)
    }

    #[test]
    fn a_new_collector_has_the_new_names() {
        let facts = facts(
            "buildinfo:\n    command: otelcol\n    version: 0.161.0\nreceivers:\n    - name: otlp\n      \
             module: m v0.161.0\n      stability:\n        logs: Stable\nexporters:\n    - name: otlp_grpc\n    \
             - name: otlp_http\n      module: m\nextensions:\n    - name: health_check\n",
        );
        assert_eq!(facts.version, "0.161.0");
        assert_eq!(facts.exporter(Kind::OtlpHttp), "otlp_http");
        assert_eq!(facts.exporter(Kind::OtlpGrpc), "otlp_grpc");
        assert!(facts.has_health_check());
        assert!(facts.has("receivers", "otlp"));
        assert!(!facts.has("exporters", "otlp"));
    }

    #[test]
    fn an_old_collector_has_the_old_names() {
        let facts = facts(
            "buildinfo:\n    version: 0.92.0\nreceivers:\n    - otlp\nexporters:\n    - otlp\n    - otlphttp\n",
        );
        assert_eq!(facts.exporter(Kind::OtlpHttp), "otlphttp");
        assert_eq!(facts.exporter(Kind::OtlpGrpc), "otlp");
        assert!(!facts.has_health_check());
        assert!(facts.has("receivers", "otlp"));
    }
}
