//! More connections than there may be.

use bounded_listener::{ListenerLimits, TurnedAway};
use tokio::io::AsyncReadExt;

use crate::stage::*;

/// Opens `count` connections, and returns those that are not closed at once.
async fn open(running: &Running, count: usize) -> Vec<Raw> {
    let turned_away =
        || [TurnedAway::Full, TurnedAway::Peer].map(|reason| running.heard.count(reason)).iter().sum::<usize>();
    let before = turned_away();
    let mut raws = Vec::new();
    for _ in 0..count {
        raws.push(running.connect().await);
    }
    // Those that were let in are asked for an answer: then all have been looked at.
    let mut kept = Vec::new();
    for mut raw in raws {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut raw.0, b"GET /answer/1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut answer = [0; 1024];
        if let Ok(1..) = raw.0.read(&mut answer).await {
            kept.push(raw);
        }
    }
    until("all were judged", || turned_away() - before + kept.len() == count).await;
    kept
}

#[tokio::test]
async fn beyond_the_limit_new_connections_are_closed_and_another_listener_still_lets_in() {
    // 75 for one listener, of these 66 for one address; 6 are assured to each.
    let running = Running::with(capacity(100), ListenerLimits::small(), calm()).await;
    let beside = Running::at(running.gate.clone(), Heard::default(), ListenerLimits::small()).await;
    let kept = open(&running, 1000).await;
    assert_eq!((kept.len(), running.heard.count(TurnedAway::Peer)), (66, 934));
    let trouble = running.heard.first_trouble().expect("it is said");
    assert!(trouble.starts_with("connections at test: one address has 66 open"), "{trouble}");
    assert_eq!(open(&beside, 6).await.len(), 6);
    drop(kept);
    until("it is said that it is over", || running.heard.trouble().is_none()).await;
    assert_eq!(open(&running, 66).await.len(), 66);
    running.stop().await;
    beside.stop().await;
}

#[tokio::test]
async fn what_a_listener_is_assured_of_is_left_by_all_others() {
    // 24 are assured, 4 for each of six; 76 are common.
    let running = Running::with(capacity(100), ListenerLimits::small(), calm()).await;
    let others = [
        Running::at(running.gate.clone(), running.heard.clone(), ListenerLimits::small()).await,
        Running::at(running.gate.clone(), running.heard.clone(), ListenerLimits::small()).await,
    ];
    let mut kept = Vec::new();
    for other in &others {
        kept.extend(open(other, 66).await);
    }
    assert_eq!(kept.len(), 76 + 2 * 4);
    assert_eq!(open(&running, 20).await.len(), 4, "and no more");
}

#[tokio::test]
async fn a_listener_with_a_limit_of_its_own_has_no_more_and_leaves_the_rest_to_others() {
    let limits = ListenerLimits { connections: 5, ..ListenerLimits::small() };
    let running = Running::with(capacity(100), limits, calm()).await;
    let beside = Running::at(running.gate.clone(), running.heard.clone(), ListenerLimits::small()).await;
    let kept = open(&running, 20).await;
    assert_eq!((kept.len(), running.heard.count(TurnedAway::Full)), (5, 15));
    assert_eq!(open(&beside, 66).await.len(), 66);
}

#[tokio::test]
async fn connections_that_are_made_for_clients_take_places_but_none_that_a_listener_is_assured_of() {
    // 24 are assured, 4 for each of six; 76 are common.
    let running = Running::with(capacity(100), ListenerLimits::small(), calm()).await;
    let outward: Vec<_> = std::iter::from_fn(|| running.gate.outward()).collect();
    assert_eq!(outward.len(), 76);
    let kept = open(&running, 20).await;
    assert_eq!(kept.len(), 4, "what it is assured of");
    drop(outward);
    assert_eq!(open(&running, 20).await.len(), 20);
    drop(kept);
}

#[tokio::test]
async fn a_process_that_may_have_many_descriptors_keeps_half_of_them_for_what_it_connects_to_for_clients() {
    let running = Running::with(capacity(40_000), ListenerLimits::small(), calm()).await;
    let outward: Vec<_> = std::iter::from_fn(|| running.gate.outward()).collect();
    assert_eq!(outward.len(), 40_000 - 6 * (20_000 / 4 / 6));
}

#[tokio::test]
async fn a_stop_ends_idle_connections_at_once_and_silent_ones() {
    let running = Running::start(calm()).await;
    let (mut idle, mut silent) = (running.connect().await, running.connect().await);
    idle.send("GET /answer/1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(idle.0.read(&mut [0; 1024]).await.unwrap() > 0);
    until("both are in", || running.heard.0.lock().unwrap().open == 2).await;
    running.stop().await;
    assert!(idle.rest().await.is_empty() && silent.rest().await.is_empty());
}
