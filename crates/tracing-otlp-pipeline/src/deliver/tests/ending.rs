//! What a shutdown does with what is left.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_shutdown_during_a_backoff_tries_once_more_and_ends_at_once() {
    for (last, delivered) in [(accepted(), 30), (http(503), 0)] {
        let mut rig = Rig::new(&patient(), [], Play::Answer(http(503)));
        for _ in 0..3 {
            rig.push(10);
        }
        rig.until(40).await;
        let (before, then) = (rig.times().len(), rig.now());
        rig.then(Play::Answer(last));
        let counts = rig.close().await;
        assert_eq!(rig.now(), then, "it waited");
        assert_eq!(rig.times().len(), before + 3);
        assert_eq!(counts.delivered(), delivered);
        assert_eq!(counts.lost_by(LossReason::Unavailable), 30 - delivered);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_at_a_shutdown_gets_its_last_chance_too() {
    let late = |answer| Play::Late(Duration::from_secs(1), answer);
    let mut rig = Rig::new(&patient(), [late(http(503))], Play::Answer(accepted()));
    rig.push(1);
    rig.turn().await;
    assert_eq!(rig.close().await.delivered(), 1);
    let mut rig = Rig::new(&patient(), [], late(http(503)));
    rig.push(1);
    rig.turn().await;
    assert_eq!(rig.close().await.lost_by(LossReason::Unavailable), 1);
    assert_eq!(rig.times(), [0.0, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_asks_a_destination_that_is_down_once_and_not_for_every_request() {
    let mut rig = Rig::new(
        &DeliverySettings::default(),
        [],
        Play::Answer(unreachable()),
    );
    for _ in 0..100 {
        rig.push(1);
    }
    rig.until(8).await;
    let before = rig.times().len();
    let then = rig.now();
    let counts = rig.close().await;
    assert_eq!(rig.now(), then);
    assert_eq!(rig.times().len(), before + 1);
    assert_eq!(counts.lost_by(LossReason::Unreachable), 100);

    let mut rig = Rig::new(&DeliverySettings::default(), [], Play::Answer(http(401)));
    rig.push(1);
    rig.turn().await;
    for _ in 0..99 {
        rig.push(1);
    }
    let counts = rig.close().await;
    assert_eq!(rig.times(), [0.0, 0.0]);
    assert_eq!(counts.lost_by(LossReason::Unauthorized), 100);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_retry_after() {
    let script = [Play::Answer(wait(503, 200))];
    let mut rig = Rig::new(&patient(), script, Play::Answer(accepted()));
    rig.push(1);
    rig.turn().await;
    assert_eq!(rig.close().await.delivered(), 1);
    assert_eq!(rig.now(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_offline_sends_nothing_and_counts() {
    let mut rig = Rig::new(&patient(), [], Play::Answer(accepted()));
    rig.queue.set_online(false);
    rig.push(3);
    let counts = rig.close().await;
    assert_eq!(counts.lost_by(LossReason::Unreachable), 3);
    assert!(rig.times().is_empty());
}
