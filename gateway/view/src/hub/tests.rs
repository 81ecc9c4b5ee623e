use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::*;

/// Numbers by name, changed by the test; and what was done with them.
#[derive(Clone, Default)]
struct Board(Arc<BoardInner>);

#[derive(Default)]
struct BoardInner {
    numbers: Mutex<HashMap<String, watch::Sender<u64>>>,
    clock: AtomicU64,
    looks: AtomicUsize,
    wakes: Arc<AtomicUsize>,
    /// What was encoded, in order.
    encoded: Mutex<Vec<u64>>,
    /// One count beside that of the test for each event that somebody still has.
    events: Arc<()>,
    fails: AtomicBool,
    overtaken: AtomicBool,
}

#[derive(Clone, Debug)]
struct Event {
    number: u64,
    at: u64,
    /// Which encoding it is of, and that it is alive.
    bytes: Arc<(usize, Arc<()>)>,
}

struct Read {
    number: u64,
    at: Mono,
}

impl Board {
    fn set(&self, name: &str, number: u64) {
        self.0.numbers.lock().unwrap().entry(name.to_owned()).or_default().send_replace(number);
    }

    fn pass(&self, millis: u64) {
        self.0.clock.fetch_add(millis, SeqCst);
    }

    fn encodings(&self) -> usize {
        self.0.encoded.lock().unwrap().len()
    }

    fn looks(&self) -> usize {
        self.0.looks.load(SeqCst)
    }

    fn wakes(&self) -> usize {
        self.0.wakes.load(SeqCst)
    }

    /// How many events somebody still has.
    fn alive(&self) -> usize {
        Arc::strong_count(&self.0.events) - 1
    }

    fn hub(&self) -> Hub<Self> {
        Hub::new(self.clone(), HubMetrics::default(), CancellationToken::new())
    }
}

impl Watched for Board {
    type Topic = String;
    type Mark = u64;
    type State = Read;
    type Event = Event;
    type Changes = (watch::Receiver<u64>, Arc<AtomicUsize>);

    fn changes(&self, topic: &String) -> Self::Changes {
        let numbers = self.0.numbers.lock().unwrap().entry(topic.clone()).or_default().subscribe();
        (numbers, Arc::clone(&self.0.wakes))
    }

    async fn changed((numbers, wakes): &mut Self::Changes) {
        numbers.changed().await.expect("the board is never dropped before its watchers");
        wakes.fetch_add(1, SeqCst);
    }

    fn look(&self, topic: &String) -> Read {
        let looks = self.0.looks.fetch_add(1, SeqCst);
        let number = *self.0.numbers.lock().unwrap()[topic].borrow();
        if self.0.overtaken.load(SeqCst) {
            (0..looks % 7 * 1000).for_each(|_| std::hint::spin_loop()); // Who reads later goes on earlier, unless the topic is locked.
        }
        Read { number, at: Mono(self.0.clock.load(SeqCst)) }
    }

    fn mark(read: &Read) -> u64 {
        read.number
    }

    fn read_at(read: &Read) -> Mono {
        read.at
    }

    fn encode(&self, _: &String, read: &Read) -> Event {
        assert!(!self.0.fails.load(SeqCst), "as the test wants");
        let mut encoded = self.0.encoded.lock().unwrap();
        encoded.push(read.number);
        Event { number: read.number, at: read.at.0, bytes: Arc::new((encoded.len(), Arc::clone(&self.0.events))) }
    }
}

/// What is news now; nothing if that would have to be waited for.
fn told<W: Watched>(watcher: &mut Watcher<W>) -> Option<W::Event> {
    watcher.next().now_or_never().map(|event| event.expect("the hub goes on"))
}

fn number(watcher: &mut Watcher<Board>) -> Option<u64> {
    told(watcher).map(|event| event.number)
}

#[test]
fn a_newcomer_is_told_the_latest_and_nothing_of_what_was_before() {
    let (board, name) = (Board::default(), || "a".to_owned());
    let hub = board.hub();
    let mut first = hub.watch(name(), None);
    assert_eq!(number(&mut first), Some(0));
    for next in 1..=5 {
        board.set("a", next);
    }
    // Nobody has looked since: what the topic keeps is old, what is there is not.
    let mut second = hub.watch(name(), None);
    assert_eq!((number(&mut second), number(&mut second)), (Some(5), None));
    assert_eq!((number(&mut first), number(&mut first)), (Some(5), None));
    assert_eq!(*board.0.encoded.lock().unwrap(), [0, 5]);
}

#[test]
fn who_asks_once_gets_what_watchers_have_and_leaves_nothing_behind() {
    let board = Board::default();
    board.set("a", 7);
    let hub = board.hub();
    let once = || hub.once(&"a".to_owned()).expect("the hub goes on").number;
    assert_eq!((once(), once(), hub.topics(), board.encodings(), board.alive()), (7, 7, 0, 2, 0), "nobody watches");
    let mut watcher = hub.watch("a".to_owned(), None);
    assert_eq!((number(&mut watcher), once(), board.encodings()), (Some(7), 7, 3));
    board.set("a", 8);
    assert_eq!((once(), number(&mut watcher), board.encodings()), (8, Some(8), 4), "the first who looks encodes");
    drop(watcher);
    assert_eq!((once(), hub.topics(), board.alive()), (8, 0, 0));
}

#[test]
fn whoever_knows_the_present_state_is_told_the_next_one() {
    let board = Board::default();
    board.set("a", 7);
    let hub = board.hub();
    let mut knows = hub.watch("a".to_owned(), Some(7));
    let mut knew_another = hub.watch("a".to_owned(), Some(9));
    assert_eq!((number(&mut knows), number(&mut knew_another)), (None, Some(7)));
    board.set("a", 8);
    assert_eq!((number(&mut knows), number(&mut knew_another)), (Some(8), Some(8)));
}

#[test]
fn a_slow_reader_skips_to_the_latest_and_costs_nothing_meanwhile() {
    let board = Board::default();
    let hub = board.hub();
    let [mut slow, mut quick] = [0, 1].map(|_| hub.watch("a".to_owned(), None));
    assert_eq!((number(&mut slow), number(&mut quick)), (Some(0), Some(0)));
    for next in 1..=1000 {
        board.set("a", next);
        assert_eq!(number(&mut quick), Some(next));
        assert_eq!(board.alive(), 1, "nothing is kept for the slow one");
    }
    assert_eq!((number(&mut slow), number(&mut slow)), (Some(1000), None));
    for next in 1001..=2000 {
        board.set("a", next);
    }
    assert_eq!((number(&mut slow), number(&mut quick), board.encodings()), (Some(2000), Some(2000), 1002));
}

#[test]
fn one_change_for_ten_thousand_is_encoded_once_and_wakes_each_once() {
    const MANY: usize = 10_000;
    let board = Board::default();
    let hub = board.hub();
    let mut watchers: Vec<_> = (0..MANY).map(|_| hub.watch("a".to_owned(), None)).collect();
    for watcher in &mut watchers {
        assert_eq!(number(watcher), Some(0));
    }
    assert_eq!((board.encodings(), board.looks(), hub.topics()), (1, MANY, 1));
    let mut waiting: FuturesUnordered<_> = watchers.iter_mut().map(Watcher::next).collect();
    assert!(waiting.next().now_or_never().is_none());
    board.set("b", 1);
    assert!(waiting.next().now_or_never().is_none());
    assert_eq!((board.looks(), board.wakes()), (2 * MANY, 0), "another topic's change wakes nobody");
    board.set("a", 1);
    for _ in 0..MANY {
        let event = waiting.next().now_or_never().flatten().expect("all are told").expect("the hub goes on");
        assert_eq!((event.number, event.bytes.0), (1, 2), "all have the second encoding");
    }
    assert_eq!((board.encodings(), board.looks(), board.wakes()), (2, 3 * MANY, MANY));
    drop(waiting);
    assert_eq!(hub.0.metrics.encodings.get(), 2);
    assert_eq!(hub.0.metrics.watchers.get(), 10_000);
}

/// Threads race for each state: the topic goes forward only, which is seen by no state being encoded twice, nor after a later one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_on_any_thread_is_told_an_older_state_after_a_newer_one() {
    const LAST: u64 = 1000;
    let board = Board::default();
    board.0.overtaken.store(true, SeqCst);
    let hub = board.hub();
    let mut readers = JoinSet::new();
    for _ in 0..16 {
        let mut watcher = hub.watch("a".to_owned(), None);
        readers.spawn(async move {
            let mut seen = Vec::new();
            while seen.last() != Some(&LAST) {
                seen.push(watcher.next().await.expect("the hub goes on").number);
            }
            seen
        });
    }
    for next in 1..=LAST {
        board.set("a", next);
        // Changes come when the first has looked, while the others are at it.
        while !board.0.encoded.lock().unwrap().iter().rev().any(|encoded| *encoded == next) {
            tokio::task::yield_now().await;
        }
    }
    for seen in readers.join_all().await {
        assert!(seen.is_sorted_by(|before, after| before < after), "{seen:?}");
    }
    let encoded = board.0.encoded.lock().unwrap();
    assert!(encoded.is_sorted_by(|before, after| before < after), "{encoded:?}");
    assert_eq!(hub.topics(), 0);
}

#[test]
fn only_a_newcomer_is_told_anew_what_is_older_than_a_second() {
    let board = Board::default();
    let hub = board.hub();
    let watch = || hub.watch("a".to_owned(), None);
    let at = |watcher: &mut Watcher<Board>| told(watcher).map(|event| event.at);
    let mut first = watch();
    assert_eq!(at(&mut first), Some(0));
    board.pass(1000);
    assert_eq!(at(&mut watch()), Some(0), "shared for a second");
    board.pass(1);
    let mut second = watch();
    assert_eq!((at(&mut second), at(&mut watch())), (Some(1001), Some(1001)), "made anew, and shared again");
    assert_eq!((at(&mut first), at(&mut second)), (None, None));
    assert_eq!(board.encodings(), 2);
}

#[test]
fn a_topic_and_its_event_go_with_the_last_who_watches() {
    let board = Board::default();
    let (hub, open) = (board.hub(), |hub: &Hub<Board>| hub.0.metrics.watchers.get());
    let mut watchers: Vec<_> = ["a", "a", "b"].map(|name| hub.watch(name.to_owned(), None)).into();
    watchers.iter_mut().for_each(|watcher| assert_eq!(number(watcher), Some(0)));
    assert_eq!((hub.topics(), open(&hub), board.alive()), (2, 3, 2));
    drop(watchers.remove(0));
    assert_eq!((hub.topics(), open(&hub), board.alive()), (2, 2, 2), "another watches it still");
    drop(watchers.remove(0));
    assert_eq!((hub.topics(), open(&hub), board.alive()), (1, 1, 1));
    drop(watchers);
    assert_eq!((hub.topics(), open(&hub), board.alive()), (0, 0, 0));
    assert_eq!(number(&mut hub.watch("a".to_owned(), None)), Some(0), "made anew");
    assert_eq!(board.encodings(), 3);
}

#[test]
fn watchers_that_come_and_go_on_all_threads_leave_nothing_behind() {
    let board = Board::default();
    let hub = board.hub();
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..2000 {
                    let [mut one, mut other] = [0, 1].map(|_| hub.watch("a".to_owned(), None));
                    assert_eq!((number(&mut one), number(&mut other)), (Some(0), Some(0)));
                    assert_eq!(hub.topics(), 1);
                }
            });
        }
    });
    assert_eq!((hub.topics(), hub.0.metrics.watchers.get(), board.alive()), (0, 0, 0));
}

#[test]
fn news_outlive_a_call_that_is_given_up() {
    let board = Board::default();
    let mut watcher = board.hub().watch("a".to_owned(), None);
    assert_eq!(number(&mut watcher), Some(0));
    let mut call = Box::pin(watcher.next());
    assert!((&mut call).now_or_never().is_none());
    board.set("a", 1);
    drop(call);
    assert_eq!((number(&mut watcher), number(&mut watcher)), (Some(1), None));
}

#[test]
fn the_end_of_a_hub_is_told_to_all_who_watch_and_to_all_who_come() {
    let (board, end) = (Board::default(), CancellationToken::new());
    let hub = Hub::new(board.clone(), HubMetrics::default(), end.clone());
    let [mut waits, mut has_news] = [0, 1].map(|_| hub.watch("a".to_owned(), None));
    assert_eq!(number(&mut waits), Some(0));
    let mut call = Box::pin(waits.next());
    assert!((&mut call).now_or_never().is_none());
    end.cancel();
    assert_eq!(call.now_or_never().expect("it is woken").unwrap_err().to_string(), "the gateway is stopping");
    for watcher in [&mut waits, &mut has_news, &mut hub.watch("b".to_owned(), None)] {
        assert_eq!(watcher.next().now_or_never().expect("it is over").unwrap_err(), HubEnded);
    }
    assert_eq!(board.encodings(), 1, "nothing is encoded for an ended hub");
}

#[test]
fn an_encoding_that_panics_is_the_loss_of_its_watcher_only() {
    let board = Board::default();
    let hub = board.hub();
    let [mut unlucky, mut other] = [0, 1].map(|_| hub.watch("a".to_owned(), None));
    board.0.fails.store(true, SeqCst);
    assert!(catch_unwind(AssertUnwindSafe(|| told(&mut unlucky))).is_err());
    board.0.fails.store(false, SeqCst);
    drop(unlucky);
    assert_eq!((number(&mut other), hub.topics()), (Some(0), 1));
}

/// The length of what the board says, which is news only when it grows.
struct Lengths(Board);

impl Watched for Lengths {
    type Topic = (String, u8);
    type Mark = usize;
    type State = Read;
    type Event = &'static str;
    type Changes = <Board as Watched>::Changes;

    fn changes(&self, topic: &(String, u8)) -> Self::Changes {
        self.0.changes(&topic.0)
    }

    async fn changed(changes: &mut Self::Changes) {
        Board::changed(changes).await;
    }

    fn look(&self, topic: &(String, u8)) -> Read {
        self.0.look(&topic.0)
    }

    fn mark(read: &Read) -> usize {
        read.number.to_string().len()
    }

    fn read_at(read: &Read) -> Mono {
        read.at
    }

    fn is_news(mark: usize, told: usize) -> bool {
        mark > told
    }

    fn encode(&self, _: &(String, u8), read: &Read) -> &'static str {
        if Self::mark(read) == 1 { "short" } else { "long" }
    }
}

#[test]
fn kinds_have_types_of_their_own_over_one_source_and_say_what_is_news() {
    let board = Board::default();
    let (numbers, lengths) =
        (board.hub(), Hub::new(Lengths(board.clone()), HubMetrics::default(), CancellationToken::new()));
    let (mut number_of, mut length_of) =
        (numbers.watch("a".to_owned(), None), lengths.watch(("a".to_owned(), 1), None));
    assert_eq!((number(&mut number_of), told(&mut length_of)), (Some(0), Some("short")));
    board.set("a", 5);
    assert_eq!((number(&mut number_of), told(&mut length_of)), (Some(5), None));
    board.set("a", 50);
    assert_eq!((number(&mut number_of), told(&mut length_of)), (Some(50), Some("long")));
    board.set("a", 5);
    assert_eq!((number(&mut number_of), told(&mut length_of)), (Some(5), None), "shorter is no news");
    assert_eq!(told(&mut lengths.watch(("a".to_owned(), 1), None)), Some("short"), "but is what a newcomer is told");
    assert_eq!((numbers.topics(), lengths.topics()), (1, 1));
}

mod of_services {
    use std::task::{Context, Poll, Wake};

    use bytes::Bytes;
    use federation_core::freshness::Freshness;
    use federation_core::id::ServiceKey;
    use federation_core::locality::Locality;
    use federation_core::service::{ClusterStatus, FactSource, FederatedService, OriginInstances, Revision};

    use super::super::services::{EncodeService, ServiceMark, ServiceShown, WatchedServices};
    use super::*;
    use crate::view::{self, ClusterTable, ViewChange, ViewWriter};

    /// The service's name and its mark.
    struct Marks;

    impl EncodeService for Marks {
        type Topic = ServiceKey;

        fn encode(&self, topic: &ServiceKey, shown: &ServiceShown) -> Bytes {
            format!("{} {:?}", topic.service(), WatchedServices::<Self>::mark(shown)).into()
        }
    }

    fn key(name: &str) -> ServiceKey {
        ServiceKey::new("public", "G", name)
    }

    fn show(writer: &mut ViewWriter, name: &str, revision: Option<u64>) {
        let origins =
            || vec![OriginInstances { origin: "a".parse().unwrap(), source: FactSource::Log, instances: vec![] }];
        let service = |number| FederatedService { key: key(name), revision: Revision(number), origins: origins() };
        let service = revision.map(|number| Arc::new(service(number)));
        writer.apply(ViewChange { services: vec![(key(name), service)], ..ViewChange::default() });
    }

    fn freshness(writer: &mut ViewWriter, revision: u64) {
        let cluster = ClusterStatus {
            id: "a".parse().unwrap(),
            locality: Locality::default(),
            advertise: std::collections::BTreeMap::new(),
            local: true,
            freshness: Freshness::Live,
            effective: Freshness::Live,
            reason: federation_core::reason::FreshnessCode::Beating.into(),
            freshness_revision: Revision(revision),
            age: None,
            as_of: Mono(0),
            last_beat: None,
            services: 0,
            instances: 0,
            configs: 0,
            signing_key: None,
        };
        let clusters = Some(Arc::new(ClusterTable { clusters: vec![cluster] }));
        writer.apply(ViewChange { clusters, ..ViewChange::default() });
    }

    fn world() -> (ViewWriter, Hub<WatchedServices<Marks>>) {
        let (writer, reader) = view::new(Arc::new(|| Mono(0)));
        let watched = WatchedServices::new(reader, Marks);
        (writer, Hub::new(watched, HubMetrics::default(), CancellationToken::new()))
    }

    #[test]
    fn a_service_that_vanishes_is_told_once_and_told_again_when_it_is_back() {
        let (mut writer, hub) = world();
        freshness(&mut writer, 1);
        show(&mut writer, "s", Some(5));
        let mut watcher = hub.watch(key("s"), None);
        assert_eq!(told(&mut watcher).unwrap(), "s Service(Revision(5))");
        show(&mut writer, "s", None);
        assert_eq!(told(&mut watcher).unwrap(), "s Absent(Revision(1))");
        freshness(&mut writer, 7);
        assert_eq!(told(&mut watcher), None, "absent still is no news");
        let mut newcomer = hub.watch(key("s"), None);
        assert_eq!(told(&mut newcomer).unwrap(), "s Absent(Revision(7))", "a newcomer is told of the clusters of now");
        show(&mut writer, "s", Some(6));
        for watcher in [&mut watcher, &mut newcomer] {
            assert_eq!(told(watcher).unwrap(), "s Service(Revision(7))", "the later of service and freshness");
        }
        assert_eq!((hub.topics(), hub.0.metrics.encodings.get()), (1, 4));
    }

    /// Counts how often it wakes somebody.
    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn a_watch_sleeps_through_what_does_not_concern_it() {
        let (mut writer, hub) = world();
        freshness(&mut writer, 1);
        show(&mut writer, "s", Some(5));
        let mut watcher = hub.watch(key("s"), Some(ServiceMark::Service(Revision(5))));
        let wakes = Arc::new(Wakes::default());
        let waker = Arc::clone(&wakes).into();
        let mut context = Context::from_waker(&waker);
        let mut call = std::pin::pin!(watcher.next());
        assert!(call.as_mut().poll(&mut context).is_pending());
        for revision in 6..100 {
            show(&mut writer, "other", Some(revision));
        }
        assert_eq!(wakes.0.load(SeqCst), 0);
        show(&mut writer, "s", Some(100));
        show(&mut writer, "s", Some(101));
        assert_eq!(wakes.0.load(SeqCst), 1, "who has not come yet is not called again");
        assert_eq!(call.poll(&mut context).map(Result::unwrap), Poll::Ready("s Service(Revision(101))".into()));
    }
}
