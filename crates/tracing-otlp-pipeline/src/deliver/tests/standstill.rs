//! A destination that is broken, refuses everything, or cannot be reached: the breaker, wrong
//! credentials, being offline.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_probes_alone_and_closes() {
    let settings = DeliverySettings::default();
    let rig = Rig::new(&settings, [], Play::Answer(unreachable()));
    for _ in 0..10 {
        rig.push(1);
    }
    rig.until(8).await;
    // Those that were under way when it opened may be more than the five.
    let at_first = rig.times().len();
    assert!((5..=8).contains(&at_first), "{:?}", rig.times());
    let events = rig.events();
    assert!(
        events.contains(&"breaker of logs open".to_owned()),
        "{events:?}"
    );
    rig.until(29).await;
    // One probe every ten seconds.
    let probes = rig.times()[at_first..].to_vec();
    assert!((1..=2).contains(&probes.len()), "{probes:?}");
    assert_eq!(rig.counts().pending(), 10);
    rig.then(Play::Answer(accepted()));
    let counts = rig.settle().await;
    assert_eq!((counts.delivered(), counts.lost()), (10, 0));
    assert!(rig.now().as_secs() < 45);
    let states: Vec<_> = rig
        .events()
        .into_iter()
        .filter(|event| event.starts_with("breaker"))
        .map(|event| event.rsplit(' ').next().unwrap().to_owned())
        .collect();
    let tail = &states[states.len() - 2..];
    assert_eq!(states[0], "open");
    assert_eq!(tail, ["half-open", "closed"]);
    for pair in states.windows(2) {
        let next = match &*pair[0] {
            "open" => "half-open",
            "closed" => "open",
            _ => continue,
        };
        assert_eq!(pair[1], next, "{states:?}");
    }
    let said = rig.said();
    assert_eq!(said.len(), 2, "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn repeated_fatal_answers_open_the_breaker_and_what_waits_is_kept() {
    let failures = NonZeroU32::new(3).unwrap();
    let settings = DeliverySettings::default()
        .with_max_in_flight(NonZeroUsize::MIN)
        .with_breaker(BreakerSettings::default().with_failures(failures));
    let rig = Rig::new(&settings, [], Play::Answer(http(404)));
    for _ in 0..10 {
        rig.push(1);
    }
    rig.until(9).await;
    assert_eq!(rig.counts().lost_by(LossReason::Rejected), 3);
    rig.until(15).await;
    assert_eq!(rig.counts().lost_by(LossReason::Rejected), 4);
    rig.then(Play::Answer(accepted()));
    assert_eq!(rig.settle().await.delivered(), 6);
}

#[tokio::test(start_paused = true)]
async fn behind_an_open_breaker_requests_still_expire() {
    let settings = DeliverySettings::default()
        .with_breaker(BreakerSettings::default().with_open_for(Duration::from_secs(3600)));
    let rig = Rig::new(&settings, [], Play::Answer(unreachable()));
    for _ in 0..6 {
        rig.push(1);
    }
    rig.until(299).await;
    assert_eq!(rig.counts().lost(), 0);
    rig.until(320).await;
    let counts = rig.counts();
    let tried = counts.lost_by(LossReason::Unreachable);
    // What was never tried has no deadline.
    assert!((4..=6).contains(&tried), "{counts}");
    assert_eq!(counts.pending(), 6 - tried);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_is_followed_by_another() {
    let settings = DeliverySettings::default()
        .with_max_in_flight(NonZeroUsize::MIN)
        .with_breaker(BreakerSettings::default().with_failures(NonZeroU32::MIN));
    let script = [Play::Answer(http(404)), Play::Panic];
    let rig = Rig::new(&settings, script, Play::Answer(accepted()));
    for _ in 0..3 {
        rig.push(1);
    }
    let counts = rig.settle().await;
    assert_eq!(
        (counts.delivered(), counts.lost_by(LossReason::Panic)),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_stop_the_export_until_they_work_again() {
    for status in [401, 403] {
        let rig = Rig::new(
            &DeliverySettings::default(),
            [Play::Answer(http(status)), Play::Answer(http(status))],
            Play::Answer(accepted()),
        );
        rig.push(1);
        rig.turn().await;
        for _ in 0..10 {
            rig.push(1);
        }
        rig.until(59).await;
        assert_eq!(rig.times(), [0.0]);
        // The first question is answered with no, the second with yes, and all go.
        rig.until(119).await;
        assert_eq!(rig.times().len(), 2);
        assert_eq!(rig.counts().lost_by(LossReason::Unauthorized), 2);
        rig.until(121).await;
        let counts = rig.counts();
        assert_eq!((counts.delivered(), counts.pending()), (9, 0));
        let said = rig.said();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].starts_with("export of logs stopped, http://test"),
            "{said:?}"
        );
        assert!(said[1].starts_with("export of logs resumed"), "{said:?}");
        let events = rig.events();
        let of = |what: &str| events.iter().filter(|event| event.contains(what)).count();
        assert_eq!((of("stopped"), of("resumed")), (1, 1), "{events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn offline_burns_neither_attempts_nor_deadlines() {
    let rig = Rig::new(
        &patient(),
        [Play::Answer(http(503))],
        Play::Answer(accepted()),
    );
    rig.push(1);
    rig.turn().await;
    rig.queue.set_online(false);
    rig.push(1);
    rig.until(1000).await;
    // Somebody looks in between, and nothing has expired.
    rig.queue.wake();
    rig.until(3600).await;
    assert_eq!(rig.times(), [0.0]);
    assert_eq!(rig.counts().pending(), 2);
    rig.queue.set_online(true);
    rig.turn().await;
    assert_eq!(rig.counts().delivered(), 2);
    let events = rig.events();
    let of = |what: &str| events.iter().filter(|event| *event == what).count();
    assert_eq!((of("offline"), of("online")), (1, 1), "{events:?}");
    assert!(
        events.contains(&"1 of logs delivered, attempt 2".to_owned()),
        "{events:?}"
    );
    assert!(
        events.contains(&"1 of logs delivered, attempt 1".to_owned()),
        "{events:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_because_the_network_went_does_not_count() {
    let settings = DeliverySettings::default()
        .with_breaker(BreakerSettings::default().with_failures(NonZeroU32::MIN));
    let late = Play::Late(Duration::from_secs(5), unreachable());
    let rig = Rig::new(&settings, [late], Play::Answer(accepted()));
    rig.push(1);
    rig.until(1).await;
    rig.queue.set_online(false);
    rig.until(100).await;
    rig.queue.set_online(true);
    rig.turn().await;
    assert_eq!(rig.counts().delivered(), 1);
    assert_eq!(
        rig.events().last().unwrap(),
        "1 of logs delivered, attempt 1"
    );
}

#[tokio::test(start_paused = true)]
async fn the_callback_for_connectivity_is_asked_and_may_panic() {
    let online = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&online);
    let panics = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&panics);
    let rig = Rig::with_connectivity(
        &patient(),
        [],
        Play::Answer(accepted()),
        Some(Arc::new(move || {
            let online = theirs.load(SeqCst);
            assert!(!online || counted.fetch_add(1, SeqCst) > 0, "the callback");
            online
        })),
    );
    rig.push(1);
    rig.until(60).await;
    assert!(rig.times().is_empty());
    online.store(true, SeqCst);
    rig.until(62).await;
    assert_eq!(rig.counts().delivered(), 1);
    assert!(panics.load(SeqCst) > 0);
}
