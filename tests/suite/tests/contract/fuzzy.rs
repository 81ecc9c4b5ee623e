//! Being told which services exist: 3.x and the embedded registry can, 2.x cannot, and 3.x only up to a limit.

use federation_harness::Line;
use nacos_protocol::client::{ClientEvent, ServiceName};

use crate::peer::instance;
use crate::subject::{Kind, Subject};

/// A few over the 500 keys that a pattern may match on 3.x.
const MANY: usize = 505;

pub(crate) async fn services_that_exist_appear_and_disappear_are_told_where_the_server_can(subject: &mut Subject) {
    let (publisher, mut watcher) = (subject.peer().await, subject.peer().await);
    let (_, abilities) = watcher.client.connected_to().unwrap();
    assert_eq!(abilities.fuzzy_watch, subject.kind() != Kind::Nacos(Line::V2));
    if !abilities.fuzzy_watch {
        return; // The services of 2.x are listed again and again instead.
    }
    let namespace = subject.unique("watched");
    let of = |service: &str| ServiceName::new(&*namespace, "G", service);
    publisher.client.register(&of("old"), vec![instance("10.0.0.1")]).await.unwrap();
    watcher.client.fuzzy_watch(&namespace);
    let appears = |name: ServiceName| {
        move |event: &ClientEvent| {
            matches!(event, ClientEvent::ServiceAppeared { service } if *service == name).then_some(())
        }
    };
    watcher.until(0, appears(of("old"))).await;
    watcher.until(0, |event| matches!(event, ClientEvent::FuzzyWatchReady { .. }).then_some(())).await;

    publisher.client.register(&of("new"), vec![instance("10.0.0.1")]).await.unwrap();
    watcher.until(0, appears(of("new"))).await;
    publisher.client.deregister(&of("old")).await.unwrap();
    let gone = of("old");
    watcher
        .until(0, |event| {
            matches!(event, ClientEvent::ServiceDisappeared { service } if *service == gone).then_some(())
        })
        .await;
}

/// 3.x leaves out what is over the limit, without a word in the stream: the client has to be told that the watch is not the whole.
pub(crate) async fn a_namespace_over_the_limit_is_told_or_shown_whole(subject: &mut Subject) {
    let (publisher, mut watcher) = (subject.peer().await, subject.peer().await);
    if subject.kind() == Kind::Nacos(Line::V2) {
        return; // No fuzzy watch.
    }
    let namespace = subject.unique("crowded");
    for index in 0..MANY {
        let name = ServiceName::new(&*namespace, "G", format!("s-{index}"));
        publisher.client.register(&name, vec![instance("10.0.0.1")]).await.unwrap();
    }
    watcher.client.fuzzy_watch(&namespace);
    let mut appeared = 0;
    let limited = watcher
        .until(0, |event| {
            appeared += usize::from(matches!(event, ClientEvent::ServiceAppeared { .. }));
            match event {
                ClientEvent::FuzzyWatchLimited { .. } => Some(true),
                _ => (appeared == MANY).then_some(false),
            }
        })
        .await;
    println!("{appeared} of {MANY} services were told{}", if limited { ", and that there are more" } else { "" });
    assert!(limited || appeared == MANY);
    assert_eq!(limited, subject.kind() == Kind::Nacos(Line::V3));
}
