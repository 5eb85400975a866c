//! When a request is tried again, and when no more.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_success_after_failures_is_a_success() {
    let script = [unreachable(), http(503), http(429), http(504)].map(Play::Answer);
    let rig = Rig::new(&patient(), script, Play::Answer(accepted()));
    rig.push(10);
    let counts = rig.settle().await;
    assert_eq!((counts.delivered(), counts.lost()), (10, 0));
    assert_eq!(rig.times().len(), 5);
    assert_eq!(
        rig.events().last().unwrap(),
        "10 of logs delivered, attempt 5"
    );
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept_by_everything_that_goes_there() {
    for status in [429, 503] {
        let rig = Rig::new(
            &patient(),
            [Play::Answer(wait(status, 7))],
            Play::Answer(accepted()),
        );
        rig.push(1);
        rig.until(3).await;
        rig.push(1);
        rig.until(6).await;
        assert_eq!(rig.times(), [0.0]);
        rig.settle().await;
        assert_eq!(
            rig.times().iter().map(|t| t.floor()).collect::<Vec<_>>(),
            [0.0, 7.0, 7.0]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn both_forms_of_retry_after_reach_the_schedule() {
    for text in ["15", "Sun, 06 Nov 1994 08:49:52 GMT"] {
        let response = http::Response::builder()
            .status(503)
            .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .header("retry-after", text)
            .body("")
            .unwrap();
        let script = [Play::Answer(wire::http_answer(response))];
        let rig = Rig::new(&patient(), script, Play::Answer(accepted()));
        rig.push(1);
        rig.settle().await;
        assert!((15.0..15.01).contains(&rig.times()[1]), "{:?}", rig.times());
        assert!(
            rig.events()[0].contains("next in 15s"),
            "{:?}",
            rig.events()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_gives_up_at_once_and_is_cut_for_the_others() {
    for seconds in [301, 1_000_000_000, u64::MAX] {
        let rig = Rig::new(
            &patient(),
            [Play::Answer(wait(503, seconds))],
            Play::Answer(accepted()),
        );
        rig.push(4);
        rig.turn().await;
        assert_eq!(rig.now(), Duration::ZERO);
        assert_eq!(rig.counts().lost_by(LossReason::Unavailable), 4);
        rig.push(5);
        rig.until(299).await;
        assert_eq!(rig.times().len(), 1);
        rig.until(301).await;
        assert_eq!(rig.counts().delivered(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn without_retries_there_is_one_attempt() {
    let settings = patient().with_retry(RetrySettings::never());
    let rig = Rig::new(&settings, [], Play::Answer(http(503)));
    rig.push(3);
    rig.turn().await;
    assert_eq!(rig.counts().lost_by(LossReason::Unavailable), 3);
    assert_eq!(rig.times(), [0.0]);
}

#[tokio::test(start_paused = true)]
async fn a_partial_success_is_counted_and_never_retried() {
    for (rejected, delivered, lost) in [(0, 10, 0), (3, 7, 3), (10, 0, 10), (99, 0, 10)] {
        let message = "too old".to_owned();
        let rig = Rig::new(
            &patient(),
            [],
            Play::Answer(Answer::Accepted { rejected, message }),
        );
        rig.push(10);
        let counts = rig.settle().await;
        assert_eq!(
            (counts.delivered(), counts.lost_by(LossReason::Rejected)),
            (delivered, lost)
        );
        assert_eq!(rig.times(), [0.0]);
        let told = format!("{lost} of logs rejected, too old");
        assert_eq!(rig.events().contains(&told), lost > 0, "{:?}", rig.events());
    }
}
