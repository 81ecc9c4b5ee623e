use nacos_protocol::client::{ConfigName, ServiceName};

use super::*;

fn service(group: &str, number: usize) -> ServiceName {
    ServiceName::new("public", group, format!("s{number}"))
}

fn calls() -> (Calls, TroubleBoard, Instant) {
    let board = TroubleBoard::default();
    (Calls::new(NacosMetrics::default(), board.clone()), board, Instant::now())
}

fn told(board: &TroubleBoard) -> Vec<String> {
    board.all().into_iter().map(|trouble| trouble.about).collect()
}

fn refused() -> Trouble {
    Trouble::Refused("no right".to_owned())
}

fn failed() -> Trouble {
    Trouble::Failed("500".to_owned())
}

const AFTER: Duration = LASTING;

#[test]
fn a_refused_call_is_barred_for_a_minute_and_a_failed_one_is_not() {
    let (calls, _, now) = calls();
    calls.failed(ApiCall::ListServices, About::Namespace("a"), refused(), now);
    calls.failed(ApiCall::ListServices, About::Namespace("b"), failed(), now);
    let barred = |about, after| {
        calls.is_barred(ApiCall::ListServices, About::Namespace(about), now + Duration::from_secs(after))
    };
    assert!(barred("a", 0) && barred("a", 59) && !barred("a", 60) && !barred("b", 0));
    assert_eq!(calls.refused(), ["list_services of a: no right"]);
    assert_eq!(calls.failing(), ["list_services of b: 500"]);
    let counted = [calls.metrics.calls_refused("list_services"), calls.metrics.calls_failed("list_services")];
    assert_eq!(counted.map(|counter| counter.get()), [1, 1]);
    calls.worked(ApiCall::ListServices, About::Namespace("a"));
    assert!(!barred("a", 0) && calls.refused().is_empty());
}

#[test]
fn a_lost_connection_is_no_trouble_of_a_call() {
    let (calls, _, now) = calls();
    calls.failed(ApiCall::QueryService, About::Everything, Trouble::from(&CallError::NotConnected), now);
    assert!(calls.failing().is_empty());
}

#[test]
fn the_success_of_one_service_clears_no_other() {
    let (calls, board, now) = calls();
    let (broken, fine) = (service("G", 1), service("G", 2));
    for at in [now, now + AFTER] {
        calls.failed(ApiCall::ReadInstances, About::Service(&broken), failed(), at);
        calls.worked(ApiCall::ReadInstances, About::Service(&fine));
    }
    assert_eq!(calls.failing(), ["read_instances of public/G@@s1: 500"]);
    assert_eq!(told(&board), ["read_instances of public/G@@s1"]);
    calls.worked(ApiCall::QueryService, About::Service(&broken));
    assert_eq!(told(&board).len(), 1, "another call of the same service says nothing of this one");
    calls.worked(ApiCall::ReadInstances, About::Service(&broken));
    assert!(told(&board).is_empty() && calls.failing().is_empty());
}

#[test]
fn only_what_lasts_is_a_trouble_and_one_success_begins_anew() {
    let (calls, board, now) = calls();
    let service = service("G", 1);
    let fail = |seconds| {
        let at = now + Duration::from_secs(seconds);
        calls.failed(ApiCall::ReadInstances, About::Service(&service), failed(), at);
    };
    fail(0);
    fail(9);
    calls.worked(ApiCall::ReadInstances, About::Service(&service));
    fail(10);
    fail(19);
    assert!(told(&board).is_empty());
    fail(20);
    assert_eq!(told(&board).len(), 1);
}

#[test]
fn a_refused_service_bars_no_other_and_many_that_were_never_allowed_bar_their_group() {
    let (calls, _, now) = calls();
    let services: Vec<ServiceName> = (0..5).map(|number| service("G", number)).collect();
    let barred = |number: usize| calls.is_barred(ApiCall::ReadInstances, About::Service(&services[number]), now);
    let refuse =
        |number: usize| calls.failed(ApiCall::ReadInstances, About::Service(&services[number]), refused(), now);
    refuse(0);
    refuse(1);
    assert!(barred(0) && barred(1) && !barred(2));
    refuse(2);
    assert!(barred(3), "nothing of this group was ever allowed");
    assert!(!calls.is_barred(ApiCall::ReadInstances, About::Service(&service("H", 3)), now));
    calls.worked(ApiCall::ReadInstances, About::Service(&services[3]));
    refuse(4);
    assert!(!barred(3) && barred(0), "some of it is allowed");
    assert_eq!(calls.refused(), ["read_instances of public/G: no right, for public/G@@s0 and 3 more"]);
    assert!(calls.is_refused_anywhere(ApiCall::ReadInstances));
    for number in [0, 1, 2, 4] {
        assert!(calls.is_refused_anywhere(ApiCall::ReadInstances));
        calls.worked(ApiCall::ReadInstances, About::Service(&services[number]));
    }
    assert!(!calls.is_refused_anywhere(ApiCall::ReadInstances));
}

#[test]
fn a_refusal_that_hides_what_is_exported_is_a_trouble_until_all_of_its_group_is_allowed() {
    let (calls, board, now) = calls();
    let items = ["a", "b"].map(|data_id| ConfigName::new("dev", "G", data_id));
    calls.failed(ApiCall::ReadConfigDetail, About::Config(&items[0]), refused(), now);
    assert!(told(&board).is_empty(), "the item is read all the same");
    items.iter().for_each(|item| calls.failed(ApiCall::ReadConfig, About::Config(item), refused(), now));
    assert_eq!(told(&board), ["read_config of dev/G"]);
    calls.worked(ApiCall::ReadConfig, About::Config(&items[0]));
    assert_eq!(told(&board), ["read_config of dev/G"]);
    calls.forget(About::Config(&items[1]));
    assert!(told(&board).is_empty());
    assert_eq!(calls.refused(), ["read_config_detail of dev/G: no right, for dev/G/a"]);
}

#[test]
fn what_fails_first_and_is_refused_then_is_one_trouble() {
    let (calls, board, now) = calls();
    let service = service("G", 1);
    calls.failed(ApiCall::Subscribe, About::Service(&service), failed(), now);
    calls.failed(ApiCall::Subscribe, About::Service(&service), failed(), now + AFTER);
    assert_eq!(told(&board), ["subscribe of public/G@@s1"]);
    calls.failed(ApiCall::Subscribe, About::Service(&service), refused(), now + AFTER);
    assert_eq!((told(&board), calls.failing().len()), (vec!["subscribe of public/G".to_owned()], 0));
    calls.failed(ApiCall::Subscribe, About::Service(&service), failed(), now + AFTER);
    assert!(told(&board).is_empty() && calls.refused().is_empty());
}

#[test]
fn what_nobody_asks_for_any_more_is_no_trouble() {
    let (calls, _, now) = calls();
    for group in ["G", "H"] {
        calls.failed(ApiCall::ListGroup, About::Group("", group), failed(), now);
    }
    calls.keep_only(ApiCall::ListGroup, |concern| concern == "/H");
    assert_eq!(calls.failing(), ["list_group of /H: 500"]);
}

#[test]
fn a_broken_nacos_cannot_fill_the_memory() {
    let (calls, board, now) = calls();
    for number in 0..MOST_KEPT + 10 {
        calls.failed(ApiCall::ReadInstances, About::Service(&service("G", number)), failed(), now);
    }
    assert_eq!(calls.state().standing.len(), MOST_KEPT);
    assert_eq!(calls.failing().last().map(String::as_str), Some("and 49992 more"));
    calls.failed(ApiCall::ReadInstances, About::Service(&service("G", 1)), failed(), now + AFTER);
    assert_eq!(told(&board).len(), 1, "what is kept is told as ever");
}
