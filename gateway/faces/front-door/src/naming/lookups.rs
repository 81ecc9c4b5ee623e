//! Lookups as what is watched: a topic is a service, for clients at one place, in the clusters that they ask for.
//!
//! What a lookup says is made from the view and the plan alone, each time one of them changed, and once for all clients of a topic.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use federation_core::drains::IntentTable;
use federation_core::id::{ClusterId, ServiceKey};
use federation_core::service::{FederatedService, Revision};
use federation_core::time::{Millis, Mono};
use federation_policy::InForce;
use federation_view::hub::Watched;
use federation_view::resolve::{CallerAsk, PlanInputs, PlanStamp, Resolver};
use federation_view::view::{ServiceWatch, ViewReader};
use nacos_protocol::message::naming::{NotifySubscriberRequest, ServiceInfo};
use nacos_protocol::server::PushBody;
use tokio::sync::watch;

use super::answer::AskedService;
use super::rules::ClusterFilter;

/// What is looked up, by whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LookupTopic {
    /// Namespace, group and service as clients write them.
    pub(crate) name: ServiceKey,
    /// The same by the federation's name of the namespace.
    pub(crate) key: ServiceKey,
    /// Where the client is.
    pub(crate) caller: CallerAsk<'static>,
    /// As it was asked for.
    pub(crate) clusters: String,
    /// What that, and the rules, let pass.
    pub(crate) filter: ClusterFilter,
}

/// What a lookup says at one moment.
#[derive(Debug)]
pub(crate) struct LookupAnswer {
    /// The list.
    pub(crate) info: ServiceInfo,
    fingerprint: OnceLock<u64>,
    push: OnceLock<PushBody>,
}

impl LookupAnswer {
    fn new(info: ServiceInfo) -> Self {
        Self { info, fingerprint: OnceLock::new(), push: OnceLock::new() }
    }

    /// Names all of it but its time: equal lists are equal here. Only who is told of changes needs it.
    pub(crate) fn fingerprint(&self) -> u64 {
        let name = || {
            let timeless = ServiceInfo { last_ref_time: 0, ..self.info.clone() };
            xxhash_rust::xxh3::xxh3_64(format!("{timeless:?}").as_bytes())
        };
        *self.fingerprint.get_or_init(name)
    }

    /// The list alone; a copy where others have it, too.
    pub(crate) fn into_info(answer: Arc<Self>) -> ServiceInfo {
        Arc::try_unwrap(answer).map_or_else(|shared| shared.info.clone(), |own| own.info)
    }

    /// The list as it is pushed, encoded once for all who are told.
    pub(crate) fn push(&self) -> PushBody {
        let encode = || {
            let service_info = Some(self.info.clone());
            PushBody::of(&NotifySubscriberRequest { service_info, ..NotifySubscriberRequest::default() })
        };
        self.push.get_or_init(encode).clone()
    }
}

/// Gives answers their time: milliseconds that strictly grow, here and from gateway to gateway of a cluster. Clients drop a list that is not younger
/// than the one they have, whichever gateway gave it to them; so all go by the clock among them that is furthest ahead.
#[derive(Debug, Default)]
pub(crate) struct AnswerTimes(AtomicI64);

impl AnswerTimes {
    /// The next one, by a clock that is so far behind. To be taken before the view is read: what is read then is at least as new.
    pub(crate) fn next(&self, behind: Millis) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = i64::try_from(since.as_millis().saturating_add(behind.0.into())).unwrap_or(i64::MAX);
        let later = |last: i64| Some(wall.max(last.saturating_add(1)));
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, later).unwrap_or(wall);
        wall.max(before.saturating_add(1))
    }
}

/// What was found at one moment, and from what.
pub(crate) struct LookupFound {
    time: i64,
    service: Option<Arc<FederatedService>>,
    inputs: PlanInputs,
    now: Mono,
}

/// What a list was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookupMark {
    /// A plan of these versions.
    Planned(PlanStamp),
    /// There was nothing.
    Absent,
}

/// Whatever may change a lookup.
pub(crate) struct LookupChanges {
    service: ServiceWatch,
    clusters: watch::Receiver<Revision>,
    intents: watch::Receiver<Arc<IntentTable>>,
    policies: watch::Receiver<Arc<InForce>>,
}

/// Looks services up for clients.
pub(crate) struct Lookups {
    view: ViewReader,
    resolver: Arc<Resolver>,
    own: ClusterId,
    times: AnswerTimes,
}

impl Lookups {
    pub(crate) fn new(view: ViewReader, resolver: Arc<Resolver>, own: ClusterId) -> Self {
        Self { view, resolver, own, times: AnswerTimes::default() }
    }

    fn list(&self, topic: &LookupTopic, found: &LookupFound) -> ServiceInfo {
        let asked = AskedService { name: &topic.name, clusters: &topic.clusters, own: &self.own };
        let passing = found.service.clone().and_then(|service| match topic.filter.is_open() {
            true => Some(service),
            false => topic.filter.of(&service).map(Arc::new),
        });
        let Some(service) = passing else { return asked.empty() };
        let asking = self.resolver.understand(&topic.caller, &found.inputs);
        asked.planned(&self.resolver.plan(service, &asking, &found.inputs))
    }
}

impl Watched for Lookups {
    type Topic = LookupTopic;
    type Mark = LookupMark;
    type State = LookupFound;
    type Event = Arc<LookupAnswer>;
    type Changes = LookupChanges;

    fn changes(&self, topic: &LookupTopic) -> LookupChanges {
        LookupChanges {
            service: self.view.watch_service(&topic.key),
            clusters: self.view.watch_clusters(),
            intents: self.view.watch_intents(),
            policies: self.resolver.watch_policies(),
        }
    }

    async fn changed(changes: &mut LookupChanges) {
        tokio::select! { // All are cancel-safe: they only wait for a change.
            () = changes.service.changed() => {}
            () = changed(&mut changes.clusters) => {}
            () = changed(&mut changes.intents) => {}
            () = changed(&mut changes.policies) => {}
        }
    }

    fn look(&self, topic: &LookupTopic) -> LookupFound {
        let time = self.times.next(self.view.clock_behind());
        let (inputs, now) = (self.resolver.inputs(), self.view.now());
        LookupFound { time, service: self.view.service(&topic.key), inputs, now }
    }

    fn mark(found: &LookupFound) -> LookupMark {
        let stamp = |service: &Arc<FederatedService>| LookupMark::Planned(found.inputs.stamp(service));
        found.service.as_ref().map_or(LookupMark::Absent, stamp)
    }

    fn read_at(found: &LookupFound) -> Mono {
        found.now
    }

    fn encode(&self, topic: &LookupTopic, found: &LookupFound) -> Arc<LookupAnswer> {
        let list = self.list(topic, found);
        Arc::new(LookupAnswer::new(ServiceInfo { last_ref_time: found.time, ..list }))
    }
}

/// Waits for a change; for ever once nobody can make one.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_grow_strictly_also_within_a_millisecond() {
        let times = AnswerTimes::default();
        let taken: Vec<i64> = (0..10_000).map(|_| times.next(Millis(0))).collect();
        assert!(taken.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn times_go_on_where_a_gateway_whose_clock_is_ahead_left_off_and_are_never_taken_back() {
        let (ahead, behind) = (AnswerTimes::default(), AnswerTimes::default());
        // The other's clock is a minute ahead: it gives what this one gives of a clock that is no minute behind.
        let last_of_the_other = ahead.next(Millis::from_secs(60));
        let first_here = behind.next(Millis::from_secs(60) + Millis(1));
        assert!(first_here > last_of_the_other);
        assert!(behind.next(Millis(0)) > first_here, "also once the other is forgotten");
    }
}
