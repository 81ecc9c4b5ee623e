//! Questions to a registry that has one user, and what is answered without it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use federation_ports::metrics::{FrontDoorMetrics, PermissionResult};
use nacos_protocol::client::{CallError, CallerHeaders};
use nacos_protocol::server::RegistryRefusal;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::credential::Credential;
use super::permissions::PermissionKey;
use super::{Access, AccessRule, ServiceQueryRequest};
use crate::testing::{House, PATIENCE, Registry, service, showing};

const NAMES: [&str; 3] = ["public", "G", "s"];

/// Who asks, beside a door.
struct Judge {
    access: Access,
    _tasks: JoinSet<()>,
}

impl Judge {
    fn before(registry: &Registry) -> Self {
        let (access, running) = Access::new(AccessRule::PassThrough, &registry.cluster(), FrontDoorMetrics::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(running.run(CancellationToken::new()));
        Self { access, _tasks: tasks }
    }

    async fn connected(self) -> Self {
        assert!(self.access.asked.as_ref().unwrap().nacos.connected_within(PATIENCE).await);
        self
    }

    async fn may_read(&self, headers: &HashMap<String, String>) -> (PermissionResult, Result<(), RegistryRefusal>) {
        let request = || ServiceQueryRequest {
            namespace: NAMES[0].to_owned(),
            group_name: NAMES[1].to_owned(),
            service_name: NAMES[2].to_owned(),
            ..ServiceQueryRequest::default()
        };
        self.access.asked.as_ref().unwrap().judge(headers, "read", NAMES, request).await
    }

    /// Lets time pass for what was allowed.
    fn allowed_ago(&self, headers: &HashMap<String, String>, ago: Duration) {
        let Credential::Lasting { digest, .. } = Credential::of(headers) else { panic!("signed") };
        let then = Instant::now().checked_sub(ago).expect("this machine has run for so long");
        let key = PermissionKey::new(&digest, "read", NAMES);
        self.access.asked.as_ref().unwrap().state().permissions.allow(key, then, Some(Duration::ZERO));
    }
}

#[tokio::test]
async fn the_registry_judges_who_reads_with_its_own_words() {
    let registry = Registry::start(true).await;
    let house = House::before(registry.cluster(), AccessRule::PassThrough);
    let right = house.client_showing(&showing(&registry.token().await)).connected().await;
    right.client.query(&service("s")).await.unwrap();
    right.client.list_services("public", "G").await.unwrap();
    for headers in [showing("wrong"), CallerHeaders::default()] {
        let wrong = house.client_showing(&headers).connected().await;
        let direct = registry.client_showing(&headers).connected().await;
        let wanted = direct.client.query(&service("s")).await.unwrap_err();
        assert!(matches!(wanted, CallError::Refused { .. }), "{wanted:?}");
        for _ in 0..2 {
            let refused = wrong.client.query(&service("s")).await.unwrap_err();
            assert_eq!(format!("{refused:?}"), format!("{wanted:?}"));
        }
        let refused = wrong.client.list_services("public", "G").await;
        assert!(matches!(refused, Err(CallError::Refused { .. })), "{refused:?}");
    }
    let open = House::before(registry.cluster(), AccessRule::Open);
    open.client().connected().await.client.query(&service("s")).await.unwrap();
}

#[tokio::test]
async fn an_expired_permission_goes_on_counting_for_an_hour_while_nobody_can_be_asked() {
    let registry = Registry::start(true).await;
    let judge = Judge::before(&registry).connected().await;
    let token = showing(&registry.token().await).shown();
    assert_eq!(judge.may_read(&token).await, (PermissionResult::Allowed, Ok(())));
    let stopped = registry.stop().await;
    assert_eq!(judge.may_read(&token).await, (PermissionResult::Allowed, Ok(())), "the token is still good");
    judge.allowed_ago(&token, Duration::from_secs(60));
    assert_eq!(judge.may_read(&token).await, (PermissionResult::Stale, Ok(())));
    let other = showing("another").shown();
    let (result, refusal) = judge.may_read(&other).await;
    assert_eq!(result, PermissionResult::Unanswered);
    assert_eq!(refusal.unwrap_err().code, 500, "nothing was ever said of this one");
    // The new registry knows no token of the old one, and says so.
    let _registry = stopped.start().await;
    let judge = judge.connected().await;
    judge.allowed_ago(&token, Duration::from_secs(60));
    let again = async {
        loop {
            match judge.may_read(&token).await {
                (PermissionResult::Stale, _) => tokio::time::sleep(Duration::from_millis(100)).await, // Not asked for 5 s.
                answer => return answer,
            }
        }
    };
    let (result, refusal) = tokio::time::timeout(PATIENCE, again).await.expect("an answer");
    assert_eq!((result, refusal.unwrap_err().code), (PermissionResult::Refused, 403));
}

#[tokio::test]
async fn a_question_is_under_way_once_and_nothing_is_left_of_it() {
    let registry = Registry::start(true).await;
    let judge = Judge::before(&registry).connected().await;
    let token = showing(&registry.token().await).shown();
    let asked = judge.access.asked.as_ref().unwrap();
    let turns = asked.asking.available_permits();
    let held = asked.asking.acquire_many(u32::try_from(turns - 1).unwrap()).await.unwrap();
    let answers = futures_of(&judge, &token, 50).await;
    assert!(answers.iter().all(|answer| *answer == (PermissionResult::Allowed, Ok(()))));
    assert_eq!(asked.state().under_way.len(), 0);
    drop(held);
    let signed = [("signature".to_owned(), "s".to_owned()), ("ak".to_owned(), "k".to_owned())].into();
    let (result, _) = judge.may_read(&signed).await;
    assert_eq!(result, PermissionResult::Refused, "this registry knows no signatures");
}

/// The same question, asked so many times at once.
async fn futures_of(
    judge: &Judge,
    headers: &HashMap<String, String>,
    count: usize,
) -> Vec<(PermissionResult, Result<(), RegistryRefusal>)> {
    let asking: Vec<_> = (0..count).map(|_| judge.may_read(headers)).collect();
    futures::future::join_all(asking).await
}
