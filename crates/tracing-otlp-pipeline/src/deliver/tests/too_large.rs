//! What is too large is halved, cut, or lost and counted.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_halved_until_it_fits_and_the_limit_is_remembered() {
    let settings = patient();
    let rig = Rig::new(&settings, [], Play::UpTo(3000));
    rig.push_sized(100, 100).unwrap();
    let counts = rig.settle().await;
    assert_eq!((counts.delivered(), counts.lost()), (100, 0));
    let refused = |rig: &Rig| rig.seen().iter().filter(|seen| seen.bytes > 3000).count();
    let first = refused(&rig);
    assert!((1..=3).contains(&first), "{first}");
    assert_eq!(rig.now().as_secs(), 0, "splitting waits for nothing");
    // Later batches are split before they are sent.
    rig.push_sized(100, 100).unwrap();
    assert_eq!(rig.settle().await.delivered(), 200);
    assert_eq!(refused(&rig), first);
    // Every record arrived, once each time.
    let mut arrived = BTreeMap::new();
    for seen in rig.seen().iter().filter(|seen| seen.bytes <= 3000) {
        for body in &seen.bodies {
            *arrived.entry(body.clone()).or_insert(0) += 1;
        }
    }
    assert_eq!(arrived.len(), 100);
    assert!(arrived.values().all(|times| *times == 2));
    // After a while more is tried again, and learned again.
    for turn in 1..=4 {
        rig.until(turn * 601).await;
        rig.push_sized(100, 100).unwrap();
        rig.settle().await;
    }
    assert!(refused(&rig) > first);
    assert_eq!(rig.counts().delivered(), 600);
}

#[tokio::test(start_paused = true)]
async fn one_record_that_is_too_large_alone_is_cut_and_the_others_arrive_whole() {
    let rig = Rig::new(&patient(), [], Play::UpTo(3000));
    let bodies = (0..50).map(|index| match index {
        33 => "x".repeat(10_000),
        _ => format!("{index}"),
    });
    rig.push_bodies(bodies).unwrap();
    let counts = rig.settle().await;
    assert_eq!((counts.delivered(), counts.lost()), (50, 0));
    let seen = rig.seen();
    let arrived = seen.iter().filter(|seen| seen.bytes <= 3000);
    let arrived: Vec<_> = arrived.flat_map(|seen| &seen.bodies).collect();
    assert_eq!(arrived.len(), 50);
    let giant = arrived.iter().find(|body| body.starts_with('x')).unwrap();
    // No more was cut than had to be.
    assert!((1000..3000).contains(&giant.len()), "{}", giant.len());
    assert_eq!(rig.said(), [""; 0]);
    let cut: Vec<_> = rig.events();
    let cut: Vec<_> = cut
        .iter()
        .filter(|event| event.contains(" cut from "))
        .collect();
    assert!(cut[0].starts_with("1 of logs cut from 100"), "{cut:?}");
    // The giant says little about the others: they go on in batches.
    let before = rig.times().len();
    rig.push_sized(20, 10).unwrap();
    rig.settle().await;
    assert_eq!(rig.times().len(), before + 1);
    // The next one is sent whole, and then at once in a size that is taken.
    let before = rig.times().len();
    rig.push_sized(1, 50_000).unwrap();
    rig.settle().await;
    assert_eq!(rig.times().len(), before + 2);
}

#[tokio::test(start_paused = true)]
async fn a_record_of_which_nothing_is_left_to_cut_is_lost_and_counted() {
    let rig = Rig::new(&patient(), [], Play::UpTo(100));
    rig.push_sized(1, 5000).unwrap();
    let counts = rig.settle().await;
    assert_eq!(
        (counts.delivered(), counts.lost_by(LossReason::TooLarge)),
        (0, 1)
    );
    rig.turn().await;
    assert_eq!(rig.said(), ["losing logs: too_large"]);
    let seen = rig.seen();
    assert_eq!(seen.last().unwrap().bodies[0].len(), 128);
    assert!(seen.len() < 10, "{}", seen.len());
    assert_eq!(rig.now().as_secs(), 0, "cutting waits for nothing");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_too_large_is_cut_during_a_shutdown_too() {
    let mut rig = Rig::new(&patient(), [], Play::UpTo(3000));
    rig.push_sized(1, 50_000).unwrap();
    let counts = rig.close().await;
    assert_eq!((counts.delivered(), counts.lost()), (1, 0));
}
