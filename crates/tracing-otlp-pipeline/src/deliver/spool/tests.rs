//! The spool as its users meet it: on the file system of this machine, with its thread.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    Entry, Recovered, Refusal, Spool, SpoolError, SpoolEvent, SpoolSettings, SpoolState,
    entry::nanos,
    model::{entry, number_of},
    sim::{Fault, Random, SimDisk},
};
use crate::{
    encode::Request,
    settings::{Protocol, Signal},
};

/// A directory of its own, gone with the value.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

impl Temporary {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "tracing-otlp-spool-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn fresh(number: u64, size: usize) -> Entry {
    entry(number, size, nanos(SystemTime::now()))
}

fn open(settings: &SpoolSettings) -> (Spool, Recovered) {
    patiently(
        || Spool::open(settings, &Signal::ALL, |_| {}),
        SpoolError::is_locked,
    )
    .unwrap()
}

/// Another test that starts a process may hold our lock for a moment: between `fork` and `exec`
/// the child has every open file.
pub(super) fn patiently<T, E>(
    open: impl Fn() -> Result<T, E>,
    is_locked: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let until = Instant::now() + Duration::from_secs(2);
    loop {
        match open() {
            Err(error) if is_locked(&error) && Instant::now() < until => {
                thread::sleep(Duration::from_millis(2));
            }
            outcome => return outcome,
        }
    }
}

/// On a current-thread runtime, as delivery has it.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

async fn drain(spool: &Spool) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(replay) = spool.next().await {
        numbers.push(number_of(replay.entry()));
        replay.ack();
    }
    numbers
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[test]
fn what_a_ticket_confirms_is_replayed_by_the_next_process_oldest_first() {
    let directory = Temporary::new();
    let settings = SpoolSettings::new(directory.path().join("a/b"));
    let (spool, recovered) = open(&settings);
    assert_eq!(recovered, Recovered::default());
    let tickets: Vec<_> = (1..=50)
        .map(|n| spool.append(fresh(n, 100)).unwrap())
        .collect();
    block_on(async {
        for ticket in tickets {
            ticket.await.unwrap();
        }
    });
    let counts = spool.counts();
    assert_eq!(counts.appended.entries(), 50);
    assert_eq!(counts.spooled, counts.appended);
    assert!(spool.shutdown(soon()));
    assert!(spool.shutdown(soon()));
    assert_eq!(spool.state(), SpoolState::Closed);
    assert_eq!(
        spool.append(fresh(99, 0)).unwrap_err().reason,
        Refusal::Closed
    );

    let (spool, recovered) = open(&settings);
    assert_eq!(recovered.spooled, counts.appended);
    assert_eq!(recovered.torn_bytes, 0);
    block_on(async {
        let first = spool.next().await.unwrap();
        assert_eq!(first.entry().destination.as_ref(), "http://localhost:4318");
        assert_eq!(number_of(first.entry()), 1);
        drop(first);
        assert_eq!(drain(&spool).await, (1..=50).collect::<Vec<_>>());
        assert!(spool.sync().await);
    });
    assert_eq!(spool.counts().acked, recovered.spooled);
    assert_eq!(spool.counts().spooled.entries(), 0);
    assert!(spool.shutdown(soon()));
    assert_eq!(open(&settings).1.spooled.entries(), 0);
}

#[test]
fn nobody_has_to_wait_for_an_answer() {
    let directory = Temporary::new();
    let settings = SpoolSettings::new(directory.path());
    let (spool, _) = open(&settings);
    for number in 1..=10 {
        drop(spool.append(fresh(number, 10)).unwrap());
    }
    block_on(async {
        assert!(spool.sync().await);
        // A future that is given up does not take an entry with it, at whatever point that is.
        for wait in 0..40 {
            let _ = tokio::time::timeout(Duration::from_micros(wait * 5), spool.next()).await;
        }
        assert_eq!(drain(&spool).await, (1..=10).collect::<Vec<_>>());
    });
    // Dropping the last handle ends the thread, which frees the directory.
    drop(spool);
    let until = soon();
    while Spool::open(&settings, &Signal::ALL, |_| {}).is_err() {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_append_is_durable_within_the_commit_interval_and_a_single_fsync() {
    let sim = SimDisk::new(1);
    let settings = SpoolSettings::new("sim").with_commit_interval(Duration::from_millis(50));
    let (spool, _) = Spool::open_on(sim.clone(), &settings, &Signal::ALL, |_| {}).unwrap();
    let before = sim.operations();
    let started = Instant::now();
    let tickets: Vec<_> = (1..=1000)
        .map(|n| spool.append(fresh(n, 100)).unwrap())
        .collect();
    block_on(async {
        for ticket in tickets {
            ticket.await.unwrap();
        }
    });
    assert!(started.elapsed() >= Duration::from_millis(40));
    // Create, header, entries, fsync, directory; some more in case the machine was slow.
    assert!(
        sim.operations() - before <= 12,
        "{}",
        sim.operations() - before
    );
    assert!(spool.shutdown(soon()));
}

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
fn a_full_disk_gives_entries_back_says_so_once_and_is_tried_again() {
    for (fault, most) in [(Fault::Full, 1), (Fault::Failing, 40)] {
        let sim = SimDisk::new(7);
        let told = Arc::new(Mutex::new(Vec::new()));
        let settings = SpoolSettings::new("sim").with_commit_interval(Duration::from_millis(1));
        let on_event = {
            let told = Arc::clone(&told);
            move |event: &SpoolEvent| {
                told.lock().unwrap().push(event.clone());
                panic!("a callback may do that");
            }
        };
        let (spool, _) = Spool::open_on(sim.clone(), &settings, &Signal::ALL, on_event).unwrap();
        block_on(async {
            spool.append(fresh(1, 10)).unwrap().await.unwrap();
            sim.fail(fault);
            let mut number = 2;
            let mut kept = vec![1];
            let back = loop {
                match spool.append(fresh(number, 10)).unwrap().await {
                    Ok(()) => kept.push(number),
                    Err(back) => break back,
                }
                number += 1;
                assert!(number <= most + 2);
            };
            assert_eq!(back.reason, Refusal::Degraded);
            assert_eq!(number_of(&back.entry), number);
            assert!(matches!(spool.state(), SpoolState::Degraded { .. }));
            // At once, without the disk.
            let refused = spool.append(fresh(90, 10)).unwrap_err();
            assert_eq!(refused.reason, Refusal::Degraded);
            sim.heal();
            let until = soon();
            loop {
                assert!(Instant::now() < until);
                match spool.append(fresh(91, 10)) {
                    Ok(ticket) => break ticket.await.unwrap(),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
            assert_eq!(spool.state(), SpoolState::Working);
            kept.push(91);
            let mut found = drain(&spool).await;
            found.sort_unstable();
            assert_eq!(found, kept);
        });
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(matches!(told[0], SpoolEvent::Degraded { .. }));
        assert_eq!(told[1], SpoolEvent::Restored);
    }
}

#[test]
fn more_than_the_hand_off_holds_and_what_is_too_large_comes_back() {
    let directory = Temporary::new();
    let settings =
        SpoolSettings::new(directory.path()).with_max_bytes(NonZeroUsize::new(64 * 1024).unwrap());
    let (spool, _) = open(&settings);
    block_on(async {
        let back = spool.append(fresh(1, 70_000)).unwrap().await.unwrap_err();
        assert_eq!(back.reason, Refusal::TooLarge);
        assert_eq!(back.entry.body.len(), 70_018);
        // One that fits alone evicts the others.
        spool.append(fresh(2, 10)).unwrap().await.unwrap();
        spool.append(fresh(3, 65_000)).unwrap().await.unwrap();
        assert_eq!(spool.counts().evicted.entries(), 1);
        assert_eq!(drain(&spool).await, [3]);
    });
    let large = fresh(4, 5 * 1024 * 1024);
    let until = soon();
    let busy = loop {
        assert!(Instant::now() < until);
        match spool.append(large.clone()) {
            Err(back) if back.reason == Refusal::Busy => break back,
            _ => {}
        }
    };
    assert_eq!(busy.entry, large);
}

#[test]
fn too_old_entries_leave_whole_segments_and_one_by_one() {
    let directory = Temporary::new();
    let settings = SpoolSettings::new(directory.path()).with_max_age(Duration::from_secs(3600));
    let (spool, _) = open(&settings);
    let old = nanos(SystemTime::now() - Duration::from_secs(3601));
    let future = nanos(SystemTime::now() + Duration::from_secs(86_400));
    block_on(async {
        spool.append(entry(1, 10, old)).unwrap().await.unwrap();
        spool.append(entry(2, 10, future)).unwrap().await.unwrap();
        assert_eq!(drain(&spool).await, [2]);
        assert!(spool.sync().await);
        assert_eq!(spool.counts().expired.entries(), 1);
    });
    assert!(spool.shutdown(soon()));
    let (spool, _) = open(&SpoolSettings::new(directory.path()));
    block_on(async { spool.append(entry(3, 10, old)).unwrap().await.unwrap() });
    assert!(spool.shutdown(soon()));
    let (spool, recovered) = open(&settings);
    assert_eq!(recovered.spooled.entries(), 1);
    assert_eq!(spool.counts().expired.entries(), 1);
    assert!(
        !files(directory.path())
            .iter()
            .any(|name| name.contains(".seg"))
    );
}

#[test]
fn what_nobody_here_sends_is_passed_over_at_once_and_is_there_at_the_next_start() {
    let directory = Temporary::new();
    let settings = SpoolSettings::new(directory.path()).with_segment_bytes(SMALL_SEGMENT);
    let (spool, _) = open(&settings);
    block_on(async {
        for number in 1..=99 {
            spool.append(fresh(number, 500)).unwrap().await.unwrap();
        }
    });
    assert!(spool.shutdown(soon()));
    let is_span = |number: &u64| number % 3 == 0;
    let wanted = [[Signal::Logs], [Signal::Traces]];
    for (signals, already) in wanted.iter().zip([0, 66]) {
        let open = || Spool::open(&settings, signals, |_| {});
        let (spool, recovered) = patiently(open, SpoolError::is_locked).unwrap();
        assert_eq!(recovered.spooled.entries(), 99 - already);
        let logs = signals == &[Signal::Logs];
        let expected: Vec<u64> = (1..=99).filter(|n| is_span(n) != logs).collect();
        block_on(async {
            assert_eq!(drain(&spool).await, expected);
            assert!(spool.sync().await);
        });
        let counts = spool.counts();
        assert_eq!(counts.acked.entries(), expected.len() as u64);
        assert_eq!(counts.spooled.entries(), 33 * u64::from(logs));
        assert_eq!(counts.corrupt.entries(), 0);
        assert!(spool.shutdown(soon()));
    }
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn garbage_of_any_kind_does_not_stop_a_start() {
    let directory = Temporary::new();
    let put = |name: &str, content: &[u8]| fs::write(directory.path().join(name), content).unwrap();
    let mut noise = vec![0; 3_000_000];
    let mut random = Random::new(3);
    noise.fill_with(|| u8::try_from(random.below(256)).unwrap());
    put("spool-0000000000000001.seg", &noise);
    put(
        "spool-0000000000000002.seg",
        &[0xE5, b'n', b't', 1].repeat(300_000),
    );
    put("spool-0000000000000003.seg", &[]);
    put("spool-0000000000000004.seg", &[0; 5000]);
    put("spool-0000000000000005.ack", &noise);
    put("spool-FFFFFFFFFFFFFFFF.seg", b"the name is not ours");
    put("spool-1.seg", b"nor this");
    put("notes.txt", b"nor that");
    fs::create_dir(directory.path().join("spool-0000000000000006.seg")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(
        "/dev/zero",
        directory.path().join("spool-0000000000000007.seg"),
    )
    .unwrap();
    let settings = SpoolSettings::new(directory.path());
    let (spool, recovered) = open(&settings);
    assert_eq!(recovered.spooled.entries(), 0);
    assert_eq!(recovered.torn_bytes, 3_000_000 + 1_200_000 + 5000);
    block_on(async {
        spool.append(fresh(1, 10)).unwrap().await.unwrap();
        assert_eq!(drain(&spool).await, [1]);
    });
    assert!(spool.shutdown(soon()));
    for kept in ["notes.txt", "spool-1.seg", "spool-FFFFFFFFFFFFFFFF.seg"] {
        assert!(files(directory.path()).contains(&kept.to_owned()));
    }
}

#[test]
fn a_segment_of_another_version_is_left_alone() {
    for version in [1, 3] {
        let directory = Temporary::new();
        let settings = SpoolSettings::new(directory.path());
        let (spool, _) = open(&settings);
        block_on(async { spool.append(fresh(1, 10)).unwrap().await.unwrap() });
        assert!(spool.shutdown(soon()));
        let path = directory.path().join("spool-0000000000000001.seg");
        let mut bytes = fs::read(&path).unwrap();
        for start in [0, 48] {
            assert_eq!(bytes[start + 8], 2);
            bytes[start + 8] = version;
            let crc = crc32c::crc32c(&bytes[start..start + 40]);
            bytes[start + 40..start + 44].copy_from_slice(&crc.to_le_bytes());
        }
        fs::write(&path, &bytes).unwrap();
        let (spool, recovered) = open(&settings);
        assert_eq!(recovered.spooled.entries(), 0);
        block_on(async {
            assert!(spool.next().await.is_none());
            spool.append(fresh(2, 10)).unwrap().await.unwrap();
        });
        assert!(spool.shutdown(soon()));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_body_that_looks_like_an_entry_is_not_one() {
    let directory = Temporary::new();
    let settings = SpoolSettings::new(directory.path());
    let (spool, _) = open(&settings);
    block_on(async { spool.append(fresh(1, 10)).unwrap().await.unwrap() });
    assert!(spool.shutdown(soon()));
    let path = directory.path().join("spool-0000000000000001.seg");
    let segment = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    // Somebody logs a whole segment, and the entry that holds it loses its header.
    let (spool, _) = open(&settings);
    let mut carrier = fresh(2, 0);
    carrier.body = segment.into();
    block_on(async {
        spool.append(carrier).unwrap().await.unwrap();
        spool.append(fresh(3, 10)).unwrap().await.unwrap();
    });
    assert!(spool.shutdown(soon()));
    let mut bytes = fs::read(&path).unwrap();
    bytes[96] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (spool, _) = open(&settings);
    block_on(async { assert_eq!(drain(&spool).await, [3]) });
    assert_eq!(spool.counts().corrupt.entries(), 1);
    assert_eq!(spool.counts().corrupt.all_records(), 2 + 3 + 1 + 2 + 3);
}

#[test]
fn an_entry_carries_a_request_there_and_back() {
    for (content_type, content_encoding) in [
        ("application/x-protobuf", Some("gzip")),
        ("application/json", None),
        ("application/grpc", Some("zstd")),
    ] {
        let request = Request {
            signal: Signal::Logs,
            body: "body".into(),
            content_type,
            content_encoding,
            records: 9,
            severities: 9.into(),
            source: None,
        };
        let entry = Entry::of(&request, Protocol::Grpc);
        let again = entry.to_request().unwrap();
        assert_eq!(format!("{again:?}"), format!("{request:?}"));
        assert_eq!(again.content_type, content_type);
        assert_eq!(again.content_encoding, content_encoding);
        assert!(!format!("{entry:?}").contains("body"), "{entry:?}");
    }
    let mut strange = fresh(1, 0);
    strange.content_type = "text/html".into();
    assert!(strange.to_request().is_none());
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = Temporary::new();
    let path = directory.path().join("new/spool");
    let settings = SpoolSettings::new(&path);
    let (spool, _) = open(&settings);
    block_on(async {
        spool.append(fresh(1, 10)).unwrap().await.unwrap();
        spool.append(fresh(2, 10)).unwrap().await.unwrap();
        spool.next().await.unwrap().ack();
        assert!(spool.sync().await);
    });
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let names = files(&path);
    assert_eq!(names.len(), 3, "{names:?}");
    for name in names {
        assert_eq!(mode(&path.join(&name)), 0o600, "{name}");
    }
}

#[test]
fn a_directory_that_cannot_be_used_is_an_error_with_a_reason() {
    let directory = Temporary::new();
    let file = directory.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = Spool::open(&SpoolSettings::new(&file), &Signal::ALL, |_| {}).unwrap_err();
    assert!(!error.is_locked());
    assert!(
        error.to_string().starts_with("cannot create the spool"),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());
    // Nobody can create anything there, root neither.
    #[cfg(target_os = "linux")]
    Spool::open(&SpoolSettings::new("/proc/spool"), &Signal::ALL, |_| {}).unwrap_err();
}

#[cfg(target_os = "linux")]
struct Mounted(PathBuf);

#[cfg(target_os = "linux")]
impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Real file systems of a few hundred kilobytes, read-only ones too; needs root and is skipped
/// where mounting is not allowed, because the simulated disk shows the same.
#[cfg(target_os = "linux")]
#[test]
fn a_real_file_system_that_is_full_or_read_only_is_borne() {
    let directory = Temporary::new();
    let mount = |arguments: &[&str]| {
        let status = Command::new("mount")
            .args(arguments)
            .arg(directory.path())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=256k", "none"]) {
        return;
    }
    let _mounted = Mounted(directory.path().to_owned());
    let settings = SpoolSettings::new(directory.path());
    let (spool, _) = open(&settings);
    let (mut kept, mut back) = (Vec::new(), 0);
    block_on(async {
        for number in 1..=40 {
            match spool.append(fresh(number, 10_000)) {
                Ok(ticket) => match ticket.await {
                    Ok(()) => kept.push(number),
                    Err(refused) => {
                        assert_eq!(refused.reason, Refusal::Degraded);
                        back += 1;
                    }
                },
                Err(_) => back += 1,
            }
        }
    });
    assert!(kept.len() > 10 && back > 10, "{kept:?}");
    let SpoolState::Degraded { reason } = spool.state() else {
        panic!("{:?}", spool.state());
    };
    assert!(reason.contains("No space left"), "{reason}");
    assert!(!spool.shutdown(soon()));
    let (spool, recovered) = open(&settings);
    assert_eq!(recovered.spooled.entries(), kept.len() as u64);
    block_on(async { assert_eq!(drain(&spool).await, kept) });
    assert!(spool.shutdown(soon()));
    assert!(mount(&["-o", "remount,ro"]));
    let error = patiently(
        || Spool::open(&settings, &Signal::ALL, |_| {}),
        SpoolError::is_locked,
    )
    .unwrap_err();
    assert!(error.to_string().contains("Read-only"), "{error}");
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

const SMALL_SEGMENT: NonZeroUsize = NonZeroUsize::new(16 * 1024).unwrap();

/// This test binary once more, as another process that does one thing to a directory.
struct Re {
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Re {
    fn execute(role: &str, directory: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["deliver::spool::tests::child", "--exact", "--nocapture"])
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
