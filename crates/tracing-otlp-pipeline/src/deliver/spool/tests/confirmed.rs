//! What a spool promises of an entry: durable when it says so, replayed in order, gone when
//! acknowledged or too old.

use super::*;

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
