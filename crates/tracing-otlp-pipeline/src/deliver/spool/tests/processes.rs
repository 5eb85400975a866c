//! Other processes: a second one at the same directory, and one that is killed.

use super::*;

#[test]
fn a_second_user_of_the_directory_is_told_so() {
    let directory = Temporary::new();
    let settings = SpoolSettings::new(directory.path());
    let (spool, _) = open(&settings);
    let refused = Spool::open(&settings, &Signal::ALL, |_| {}).unwrap_err();
    assert!(refused.is_locked());
    assert!(refused.to_string().contains("in use by another process"));
    // Another process too.
    let mut child = Re::execute("locked", directory.path());
    assert_eq!(child.line().as_deref(), Some("locked"));
    drop(child);
    assert!(spool.shutdown(soon()));
    open(&settings);
}

#[test]
fn no_confirmed_entry_is_lost_when_the_process_is_killed_at_any_moment() {
    let directory = Temporary::new();
    let settings = SpoolSettings::new(directory.path()).with_segment_bytes(SMALL_SEGMENT);
    let mut random = Random::new(nanos(SystemTime::now()));
    let (mut confirmed, mut killed_with) = (0, 0);
    for round in 0..30 {
        let mut child = Re::execute("append", directory.path());
        // From before its start is over to well into its work: by the clock, which may mean never at
        // work on a slow machine, or by what it has done.
        let mut lines = Vec::new();
        if round % 2 == 0 {
            thread::sleep(Duration::from_millis(random.below(90)));
        } else {
            for _ in 0..=random.below(150) {
                lines.push(child.line().unwrap());
            }
        }
        child.process.kill().unwrap();
        lines.extend(std::iter::from_fn(|| child.line()));
        let printed: Vec<u64> = lines.iter().filter_map(|line| line.parse().ok()).collect();
        drop(child);
        confirmed += printed.len();
        killed_with += usize::from(!printed.is_empty());
        let (spool, recovered) = open(&settings);
        let found = block_on(drain(&spool));
        assert!(found.is_sorted(), "{found:?}");
        for number in &printed {
            assert!(
                found.contains(number),
                "round {round}: lost {number} of {printed:?}"
            );
        }
        assert_eq!(recovered.spooled.entries(), found.len() as u64);
        assert_eq!(recovered.corrupt.entries(), 0);
        assert!(spool.shutdown(soon()));
    }
    println!("{confirmed} entries confirmed, {killed_with} of 30 killed at work");
    assert!(killed_with >= 15 && confirmed > 300);
}

/// This test binary once more, as another process that does one thing to a directory.
struct Re {
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Re {
    fn execute(role: &str, directory: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "deliver::spool::tests::processes::child",
                "--exact",
                "--nocapture",
            ])
            .env("SPOOL_CHILD", role)
            .env("SPOOL_DIRECTORY", directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    /// The next line it says, past those of the test harness.
    fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap_or(0) == 0 || !line.ends_with('\n') {
                return None;
            }
            if let Some(said) = line.trim_end().strip_prefix("said ") {
                return Some(said.to_owned());
            }
        }
    }
}

impl Drop for Re {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the other process does; without its environment it does nothing.
#[test]
fn child() {
    let (Ok(role), Ok(directory)) = (
        std::env::var("SPOOL_CHILD"),
        std::env::var("SPOOL_DIRECTORY"),
    ) else {
        return;
    };
    let settings = SpoolSettings::new(directory)
        .with_segment_bytes(SMALL_SEGMENT)
        .with_commit_interval(Duration::from_millis(2));
    println!();
    match (role.as_str(), Spool::open(&settings, &Signal::ALL, |_| {})) {
        ("append", Ok((spool, _))) => block_on(async {
            for first in (1..).step_by(20) {
                let numbers = first..first + 20;
                let tickets: Vec<_> = numbers
                    .clone()
                    .map(|number| spool.append(fresh(number, 200)).unwrap())
                    .collect();
                for (number, ticket) in numbers.zip(tickets) {
                    ticket.await.unwrap();
                    println!("said {number}");
                }
            }
        }),
        ("locked", Err(error)) if error.is_locked() => println!("said locked"),
        (_, Ok(_)) => println!("said opened"),
        (_, Err(error)) => println!("said {error}"),
    }
}
