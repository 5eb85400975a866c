//! Who goes first, how many at once, and that every record stays in the account.

use super::*;

#[tokio::test(start_paused = true)]
async fn fresh_data_is_not_held_up_by_data_that_failed_before() {
    let rig = Rig::new(&patient(), [], Play::Answer(accepted()));
    let timeout = Duration::from_secs(10);
    rig.pick(move |seen| {
        let old = seen.bodies[0].starts_with("old");
        old.then_some(Play::Late(timeout, Answer::TimedOut(timeout)))
    });
    for _ in 0..12 {
        rig.push_bodies(std::iter::once("old".into())).unwrap();
    }
    // After a few rounds of four there are retries only.
    rig.until(61).await;
    for second in 62..100 {
        rig.push_bodies(std::iter::once("new".into())).unwrap();
        rig.until(second).await;
        assert_eq!(rig.counts().delivered(), second - 61, "at {second} s");
    }
}

#[tokio::test(start_paused = true)]
async fn data_that_failed_before_is_not_held_up_by_fresh_data() {
    let settings = patient().with_max_in_flight(NonZeroUsize::MIN);
    let late = |answer| Play::Late(Duration::from_millis(100), answer);
    let rig = Rig::new(&settings, [late(http(503))], late(accepted()));
    rig.push_bodies(std::iter::once("old".into())).unwrap();
    for _ in 0..1000 {
        rig.push_bodies(std::iter::once("new".into())).unwrap();
    }
    rig.until(3).await;
    let old = |seen: &crate::deliver::rig::Seen| seen.bodies[0] == "old";
    assert_eq!(rig.seen().into_iter().filter(old).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again_stays_in_the_account() {
    let records = NonZeroUsize::new(25).unwrap();
    let settings = patient().with_max_queued_records(records);
    let rig = Rig::new(&settings, [], Play::Answer(unreachable()));
    rig.push(10);
    rig.push(10);
    rig.until(20).await;
    assert_eq!(rig.push_sized(10, 1), Err(Refusal::Full));
    assert_eq!(rig.counts().lost_by(LossReason::DeliveryQueueFull), 10);
    rig.then(Play::Answer(accepted()));
    assert_eq!(rig.settle().await.delivered(), 20);
    rig.push(25);
    assert_eq!(rig.settle().await.delivered(), 45);
}

#[tokio::test(start_paused = true)]
async fn never_more_are_under_way_than_allowed() {
    for max in [1, 2, 4, 9] {
        let settings = patient().with_max_in_flight(NonZeroUsize::new(max).unwrap());
        let late = Play::Late(Duration::from_secs(10), accepted());
        let rig = Rig::new(&settings, [], late);
        for _ in 0..20 {
            rig.push(1);
        }
        rig.until(9).await;
        assert_eq!(rig.times().len(), max);
        assert_eq!(rig.settle().await.delivered(), 20);
    }
}

/// The safety net under all of the above: whatever happens, in whatever order, every record is in
/// one place, and at the end everything is delivered or lost.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_without_a_count_whatever_happens() {
    for seed in 0..200 {
        let random = std::cell::RefCell::new(fastrand::Rng::with_seed(seed));
        let mut answers = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let script: Vec<_> = (0..60)
            .map(|_| {
                let answer = match answers.u8(0..14) {
                    0..3 => accepted(),
                    3 => unreachable(),
                    4 => http(503),
                    5 => wait(429, answers.u64(0..400)),
                    6 => http(413),
                    7 => http(400),
                    8 => http(401),
                    9 => Answer::TimedOut(Duration::from_secs(1)),
                    10 => return Play::Panic,
                    11 => return Play::UpTo(500),
                    _ => Answer::Accepted {
                        rejected: answers.u64(0..12),
                        message: "partly".into(),
                    },
                };
                if answers.bool() {
                    Play::Answer(answer)
                } else {
                    Play::Late(Duration::from_millis(answers.u64(0..20_000)), answer)
                }
            })
            .collect();
        let settings = DeliverySettings::default()
            .with_max_queued_records(NonZeroUsize::new(100).unwrap())
            .with_authorization_probe(Duration::from_secs(5));
        let mut rig = Rig::new(&settings, script, Play::Answer(accepted()));
        for _ in 0..40 {
            let (what, number) = {
                let mut random = random.borrow_mut();
                (random.u8(0..10), random.usize(1..12))
            };
            match what {
                0..6 => {
                    let _ = rig.push_sized(number, number * 10);
                }
                6 => rig.queue.set_online(number % 2 == 0),
                7 => {
                    let _ = rig.queue.flush(&[Signal::Logs], std::time::Instant::now());
                }
                _ => tokio::time::sleep(Duration::from_secs(number as u64)).await,
            }
            rig.turn().await;
        }
        let then = rig.now();
        let counts = rig.close().await;
        assert_eq!(
            counts.emitted(),
            counts.delivered() + counts.lost(),
            "seed {seed}"
        );
        assert!(
            rig.now().saturating_sub(then) < Duration::from_secs(300),
            "seed {seed}"
        );
    }
}
