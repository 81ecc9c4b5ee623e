//! The table of what is told when, and a search for a lost wake-up through many interleavings.

use std::collections::{HashMap, VecDeque};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use super::*;
use crate::configs::caller::ConfigCaller;

fn shown(token: &str) -> ShownHeaders {
    let headers = HashMap::from([("accessToken".to_owned(), token.to_owned())]);
    ConfigCaller::for_test("10.0.0.1:1".parse().expect("an address"), "", headers).shown()
}

fn listener(number: u64) -> ConnectionId {
    ConnectionId::from(Arc::from(number.to_string()))
}

fn name(namespace: &str) -> ConfigName {
    ConfigName { namespace: namespace.into(), group: "G".into(), data_id: "d".into() }
}

fn holds(namespace: &str, md5: &str) -> Vec<ListenContext> {
    vec![ListenContext { name: name(namespace), md5: md5.into() }]
}

fn numbers(mut ring: Vec<Ring>) -> Vec<u64> {
    ring.sort_by_key(|(listener, name)| (format!("{listener:?}"), name.namespace.clone()));
    let number = |(listener, _): Ring| listener.text().parse().expect("listeners are named by numbers here");
    ring.into_iter().map(number).collect()
}

/// Listening with a connection, and Nacos's answers given at once.
struct Rig {
    listening: Listening,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        let mut listening = Listening::new(ListenBudget::new(MOST_LISTENS));
        listening.connected();
        Self { listening, now: Instant::now() }
    }

    fn begin(&mut self, number: u64, contexts: &[ListenContext], token: &str) -> Begun {
        self.listening.begin(&listener(number), contexts, shown(token), self.now)
    }

    /// Asks, and is answered that nothing differs, or all.
    fn listen(&mut self, number: u64, contexts: &[ListenContext], differs: bool) -> Settled {
        let Begun::Ask(ticket) = self.begin(number, contexts, "t") else { panic!("nacos is asked") };
        let differing = contexts.iter().filter(|_| differs).map(|context| context.name.clone()).collect();
        let by = (shown("t"), self.now);
        self.listening.settle(&listener(number), contexts, &ticket, &differing, by)
    }

    fn is_answered(&mut self, number: u64, md5: &str, token: &str) -> Option<usize> {
        match self.begin(number, &holds("", md5), token) {
            Begun::Answered(differing) => Some(differing.len()),
            Begun::Ask(ticket) => {
                self.listening.withdraw(&listener(number), &holds("", md5), &ticket, self.now);
                None
            }
            Begun::TooMany => panic!("no limit is near"),
        }
    }
}

#[test]
fn nacos_is_asked_once_for_all_to_whom_it_gave_the_same_answer_and_again_after_a_while() {
    let mut rig = Rig::new();
    let settled = rig.listen(1, &holds("", "a"), false);
    assert_eq!(settled, Settled { compare: vec![(Arc::new(name("")), "a".into())], ring: vec![] });
    assert_eq!(rig.is_answered(2, "a", "t"), Some(0));
    assert_eq!(rig.is_answered(3, "b", "t"), Some(1), "it holds something else");
    assert_eq!(rig.is_answered(4, "a", "forged"), None, "nacos has not allowed it");
    rig.now += CONFIRMED_FOR;
    assert_eq!(rig.is_answered(2, "a", "t"), None, "its own check is nacos's to answer");
    assert_eq!(numbers(rig.listening.rang(&name(""))), [1, 2, 3]);
}

#[test]
fn a_bell_a_new_connection_and_a_refusal_end_what_is_known() {
    for (what, happen) in [
        ("bell", (|it| drop(it.rang(&name("")))) as fn(&mut Listening)),
        ("connection", Listening::disconnected),
        ("refusal", |it| drop(it.refused(""))),
    ] {
        let mut rig = Rig::new();
        rig.listen(1, &holds("", "a"), false);
        happen(&mut rig.listening);
        assert_eq!(rig.is_answered(2, "a", "t"), None, "{what}");
    }
}

#[test]
fn after_a_bell_the_first_read_or_comparison_answers_for_all_who_come_after() {
    let mut rig = Rig::new();
    rig.listen(1, &holds("", "a"), false);
    let before = rig.listening.look(&name("")).expect("it is listened to");
    rig.listening.rang(&name(""));
    let by = (shown("t"), rig.now);
    assert_eq!(rig.listening.read(&name(""), before, "a", by), Settled::default(), "asked before the bell");
    assert_eq!(rig.is_answered(2, "b", "t"), None);
    let look = rig.listening.look(&name("")).expect("it is listened to");
    let settled = rig.listening.read(&name(""), look, "b", by);
    assert_eq!((settled.compare.len(), settled.ring.len()), (1, 0), "the bell told everybody");
    assert_eq!(rig.is_answered(2, "b", "t"), Some(0));
}

#[test]
fn both_names_of_the_default_namespace_ring() {
    let mut rig = Rig::new();
    rig.listen(1, &holds("", "a"), false);
    rig.listen(2, &holds("public", "a"), false);
    rig.listen(3, &holds("dev", "a"), false);
    for namespace in ["", "public"] {
        assert_eq!(numbers(rig.listening.rang(&name(namespace))), [1, 2], "{namespace}");
    }
}

#[test]
fn who_listened_while_nacos_was_away_is_told_if_it_holds_something_else_than_is_compared() {
    let mut rig = Rig::new();
    rig.listen(1, &holds("", "a"), false);
    rig.listening.disconnected();
    for (number, md5) in [(2, "a"), (3, "b")] {
        let Begun::Ask(ticket) = rig.begin(number, &holds("", md5), "t") else { panic!("it is not proven") };
        let settled = rig.listening.settle_unreached(&listener(number), &holds("", md5), &ticket);
        assert_eq!(settled, Settled::default());
    }
    assert_eq!(numbers(rig.listening.connected()), [3]);
}

#[test]
fn what_nobody_listens_to_lingers_and_everything_is_given_back() {
    let budget = ListenBudget::new(10);
    let mut rig = Rig { listening: Listening::new(budget.clone()), now: Instant::now() };
    rig.listen(1, &holds("", "a"), false);
    assert_eq!(rig.is_answered(2, "b", "t"), Some(1));
    assert_eq!(budget.0.load(Ordering::Relaxed), 7, "an item and two who listen to it");
    rig.listening.forget(&listener(1), rig.now);
    rig.listening.ignore(&listener(2), &name(""), rig.now);
    assert!(rig.listening.is_unheard());
    assert_eq!(rig.listening.take_unheard(rig.now + LINGER / 2), []);
    assert_eq!(rig.listening.take_unheard(rig.now + LINGER), [Arc::new(name(""))]);
    assert_eq!(budget.0.load(Ordering::Relaxed), 10);
    rig.listen(1, &holds("", "a"), false);
    drop(rig);
    assert_eq!(budget.0.load(Ordering::Relaxed), 10);
}

#[test]
fn a_client_and_all_together_may_listen_to_so_much() {
    let many = |from: usize, count: usize| -> Vec<ListenContext> {
        let context = |number: usize| {
            let name = ConfigName { data_id: number.to_string(), ..name("") };
            ListenContext { name, md5: String::new() }
        };
        (from..from + count).map(context).collect()
    };
    let mut rig = Rig::new();
    rig.listen(1, &many(0, MOST_OF_A_LISTENER), false);
    assert!(matches!(rig.begin(1, &many(0, MOST_OF_A_LISTENER), "u"), Begun::Ask(_)), "the same again is no more");
    assert!(matches!(rig.begin(1, &many(MOST_OF_A_LISTENER, 1), "t"), Begun::TooMany));
    let mut rig = Rig { listening: Listening::new(ListenBudget::new(3)), now: Instant::now() };
    assert!(matches!(rig.begin(1, &many(0, 1), "t"), Begun::Ask(_)));
    assert!(matches!(rig.begin(1, &many(1, 1), "t"), Begun::TooMany));
    assert!(matches!(rig.begin(2, &many(0, 1), "t"), Begun::Ask(_)), "the item is there, one who listens is not");
}

/// A listener of the model, as an SDK: it holds a content, and looks again when it is told to.
#[derive(Default)]
struct Holder {
    holds: u32,
    /// It was told to look again since it said what it holds.
    told: bool,
    /// A question under way: what it said, the ticket, and Nacos's answer once that is given.
    asking: Option<(u32, ListenTicket, Option<Option<bool>>)>,
    listens: bool,
}

/// A Nacos with one item, a connection that breaks, and who listens over it. Contents are numbers.
struct Model {
    listening: Listening,
    content: u32,
    up: bool,
    /// The connection that stands, from Nacos's side: whether the item is listened to over it.
    listened: bool,
    /// What the client compares, and whether it has on this connection.
    wish: Option<u32>,
    compared: bool,
    /// Events on their way.
    events: VecDeque<Event>,
    holders: Vec<Holder>,
    reading: Option<(ItemLook, u32)>,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Bell,
    Up,
    Down,
}

impl Model {
    fn new() -> Self {
        Self {
            listening: Listening::new(ListenBudget::new(MOST_LISTENS)),
            content: 0,
            up: false,
            listened: false,
            wish: None,
            compared: false,
            events: VecDeque::new(),
            holders: (0..3).map(|_| Holder::default()).collect(),
            reading: None,
        }
    }

    fn apply(&mut self, settled: Settled) {
        if let Some((_, md5)) = settled.compare.last() {
            if self.wish.is_none() {
                self.compared = false;
            }
            self.wish = md5.parse().ok();
        }
        self.ring(settled.ring);
    }

    fn ring(&mut self, ring: Vec<Ring>) {
        for number in numbers(ring) {
            self.holders[usize::try_from(number).expect("small")].told = true;
        }
    }

    fn step(&mut self, random: &mut StdRng) {
        let who = random.random_range(0..self.holders.len());
        match random.random_range(0..10) {
            0 => {
                self.content += 1;
                if self.up && self.listened && self.wish.is_some() {
                    self.events.push_back(Event::Bell); // The client drops a bell of what it was not told to listen to.
                }
            }
            1 if self.up => {
                (self.up, self.listened, self.compared) = (false, false, false);
                self.events.push_back(Event::Down);
            }
            1 | 2 if !self.up => {
                self.up = true;
                self.events.push_back(Event::Up);
            }
            3 => self.hear(),
            4 => self.compare(),
            5 | 6 => self.ask(who),
            7 => self.answer(who),
            8 => self.settle(who),
            _ => self.read(),
        }
    }

    fn hear(&mut self) {
        let ring = match self.events.pop_front() {
            Some(Event::Bell) => self.listening.rang(&name("")),
            Some(Event::Up) => self.listening.connected(),
            Some(Event::Down) => {
                self.listening.disconnected();
                return;
            }
            None => return,
        };
        self.ring(ring);
    }

    /// The client's own listen call.
    fn compare(&mut self) {
        if let Some(wish) = self.wish
            && self.up
            && !self.compared
        {
            (self.listened, self.compared) = (true, true);
            if wish != self.content {
                self.events.push_back(Event::Bell);
            }
        }
    }

    fn ask(&mut self, who: usize) {
        let (number, holder) = (u64::try_from(who).expect("small"), &mut self.holders[who]);
        if holder.asking.is_some() {
            return;
        }
        if holder.told || holder.holds == 0 {
            holder.holds = self.content; // It looked.
        }
        let said = holder.holds;
        (holder.told, holder.listens) = (false, true);
        let begun = self.listening.begin(&listener(number), &holds("", &said.to_string()), shown("t"), Instant::now());
        match begun {
            Begun::Answered(differing) => holder.told = !differing.is_empty(),
            Begun::Ask(ticket) => holder.asking = Some((said, ticket, None)),
            Begun::TooMany => panic!("no limit is near"),
        }
    }

    /// Nacos answers a question, or it is lost with the connection.
    fn answer(&mut self, who: usize) {
        if let Some((said, _, answer @ None)) = &mut self.holders[who].asking {
            *answer = Some(self.up.then_some(*said != self.content));
            self.listened |= self.up;
        }
    }

    fn settle(&mut self, who: usize) {
        let number = u64::try_from(who).expect("small");
        let Some((said, ticket, Some(answer))) = self.holders[who].asking.take_if(|(.., answer)| answer.is_some())
        else {
            return;
        };
        let (contexts, listener) = (holds("", &said.to_string()), listener(number));
        let settled = match answer {
            None => self.listening.settle_unreached(&listener, &contexts, &ticket),
            Some(differs) => {
                self.holders[who].told |= differs;
                let differing = differs.then(|| name("")).into_iter().collect();
                self.listening.settle(&listener, &contexts, &ticket, &differing, (shown("t"), Instant::now()))
            }
        };
        self.apply(settled);
    }

    /// Somebody reads: first the question is noted, later it is answered.
    fn read(&mut self) {
        match self.reading.take() {
            Some((look, content)) => {
                let by = (shown("t"), Instant::now());
                let settled = self.listening.read(&name(""), look, &content.to_string(), by);
                self.apply(settled);
            }
            None if self.up => self.reading = self.listening.look(&name("")).map(|look| (look, self.content)),
            None => {}
        }
    }

    /// Everything under way comes to its end, with a connection.
    fn quiet(&mut self) {
        if !self.up {
            self.up = true;
            self.events.push_back(Event::Up);
        }
        for who in 0..self.holders.len() {
            self.answer(who);
            self.settle(who);
        }
        self.reading = None;
        while !self.events.is_empty() || self.wish.is_some() && !self.compared {
            self.compare();
            self.hear();
        }
    }
}

#[test]
fn whoever_holds_something_old_was_told_to_look_again_whatever_order_things_came_in() {
    for seed in 0..20_000 {
        let (mut random, mut model) = (StdRng::seed_from_u64(seed), Model::new());
        for _ in 0..random.random_range(5..60) {
            model.step(&mut random);
        }
        model.quiet();
        for (number, holder) in model.holders.iter().enumerate().filter(|(_, holder)| holder.listens) {
            let is_well = holder.holds == model.content || holder.told;
            assert!(is_well, "seed {seed}: listener {number} holds {} of {}", holder.holds, model.content);
        }
    }
}
