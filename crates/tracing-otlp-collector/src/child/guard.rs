//! Starts the collector behind a guard that ends it when we are gone.
//!
//! The guard is a shell of a few lines, the collector its child. A second shell waits for the end
//! of a pipe whose other end only we hold; however we end, `kill -9` included, the system closes
//! it. Then the collector gets SIGTERM, and after the grace SIGKILL. Closing the pipe is also how we
//! stop it: one way for every end.
//!
//! The one thing to know: the shell that signals is the collector's parent's, and the parent has
//! not waited for it yet. So the process id cannot have gone to somebody else.
//!
//! The alternatives: `PR_SET_PDEATHSIG` needs `unsafe` or the program `setpriv`, is Linux alone,
//! follows the thread instead of the process, and kills without a grace. A process group, which
//! the guard has too, protects from Ctrl-C only: the terminal's signal would end the collector
//! before the application has sent its last records.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A collector that runs behind its guard.
#[derive(Debug)]
pub(super) struct Guarded {
    shell: Child,
    /// Open as long as the collector shall run.
    line: Option<ChildStdin>,
}

impl Guarded {
    /// Starts it; what it prints comes from the second value, first its process id.
    pub(super) fn start(
        program: &Path,
        location: &OsStr,
        environment: &[(String, String)],
        grace: Duration,
    ) -> io::Result<(Self, ChildStdout)> {
        let mut shell = Command::new("/bin/sh")
            .arg("-c")
            .arg(SCRIPT)
            .arg("tracing-otlp-guard")
            .arg(whole_seconds(grace).to_string())
            .arg(program)
            .arg(location)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The script sends it to its standard output.
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let line = shell.stdin.take();
        let output = shell
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("no pipe from the shell"))?;
        Ok((Self { shell, line }, output))
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<String> {
        match self.shell.try_wait() {
            Ok(Some(status)) => Some(describe(status)),
            Ok(None) => None,
            Err(error) => Some(format!("its end is unknown: {error}")),
        }
    }

    /// Asks it to end: SIGTERM now, SIGKILL after the grace.
    pub(super) fn ask_to_end(&mut self) {
        self.line = None;
    }

    /// Ends the shell itself. For a guard that does not do what it should.
    pub(super) fn kill(&mut self) {
        // Both fail only for a process that is gone.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// `sleep` takes whole seconds everywhere.
pub(super) fn whole_seconds(grace: Duration) -> u64 {
    grace.as_secs() + u64::from(grace.subsec_nanos() > 0)
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        // How a shell tells of a signal.
        (Some(code @ 129..=192), _) => format!("signal {}", code - 128),
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("its guard ended by signal {signal}"),
        (None, None) => "an unknown end".to_owned(),
    }
}

/// `$1` is the grace in seconds, the rest the command. Standard input is the pipe.
const SCRIPT: &str = r#"
exec 2>&1 3<&0 </dev/null
grace=$1
shift
/bin/sh -c 'echo "$$"; exec "$@"' sh "$@" 3<&- &
collector=$!
trap '' HUP INT TERM
(
    # For `sleep`: without it there would be no grace.
    PATH=$PATH:/usr/bin:/bin
    read -r _ <&3
    kill -TERM "$collector"
    waited=0
    while [ "$waited" -lt "$grace" ] && kill -0 "$collector"; do
        sleep 1
        waited=$((waited + 1))
    done
    kill -KILL "$collector"
) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$collector"
how=$?
kill -KILL "$watcher" 2>/dev/null
exit "$how"
"#;
