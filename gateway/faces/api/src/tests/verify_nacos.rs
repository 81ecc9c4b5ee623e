//! `/v1/verify/nacos`: beginning a comparison of the own log with the own Nacos, and what is told of it.

use axum::body::Body;
use axum::http::header;
use federation_core::comparison::{ComparisonRefused, NacosComparison, NacosDifference, NacosDifferenceKind};
use federation_core::id::InstanceId;
use federation_core::log::key::DataKey;
use federation_core::service::HoldReason;
use federation_ports::commands::{CommandQueue, EngineCommand, commands};
use serde_json::json;

use super::*;

impl Gateway {
    pub(super) fn set_comparison(&mut self, comparison: NacosComparison) {
        self.writer.apply(ViewChange { comparison: Some(Arc::new(comparison)), ..ViewChange::default() });
    }

    async fn compare(&self, body: Value) -> Answer {
        let request = Request::post("/v1/verify/nacos").header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

/// One of each kind of difference, and a service that did not answer.
pub(super) fn of_each_kind() -> NacosComparison {
    let different = |last: u16, kind| {
        let key = DataKey::Instance(key("orders"), InstanceId::new("10.0.0.1", last, "DEFAULT"));
        NacosDifference { key, kind }
    };
    NacosComparison {
        round: 3,
        ended: true,
        of: 40,
        answered: 39,
        facts: 120,
        differences: vec![
            different(81, NacosDifferenceKind::NotInLog),
            different(82, NacosDifferenceKind::NotInNacos),
            different(83, NacosDifferenceKind::Held(HoldReason::MassLoss)),
            different(84, NacosDifferenceKind::Values(vec!["weight", "metadata"])),
            different(85, NacosDifferenceKind::Unreadable),
        ],
        different: 5,
        unread: vec!["public/DEFAULT_GROUP/stock".to_owned()],
        silent: 1,
        partly: 2,
    }
}

/// Answers the next command.
async fn answer(queue: &mut CommandQueue, outcome: Result<u64, ComparisonRefused>) {
    let Some(EngineCommand::Compare { answer }) = queue.next().await else { panic!("no order to compare") };
    answer.send(outcome).unwrap();
}

#[tokio::test]
async fn it_is_equal_only_once_it_has_ended_and_everything_answered_and_nothing_differs() {
    let whole = NacosComparison { round: 1, ended: true, of: 2, answered: 2, ..NacosComparison::default() };
    let mut gateway = Gateway::new();
    for (comparison, equal) in [
        (whole.clone(), true),
        (NacosComparison { ended: false, ..whole.clone() }, false),
        (NacosComparison { silent: 1, ..whole.clone() }, false),
        (NacosComparison { different: 1, ..whole }, false),
        (NacosComparison::default(), false),
    ] {
        gateway.set_comparison(comparison.clone());
        assert_eq!(gateway.get("/v1/verify/nacos").await.json()["equal"], equal, "{comparison:?}");
    }
}

#[tokio::test]
async fn an_order_to_compare_answers_the_number_or_why_nothing_is_compared() {
    let (commands, mut queue) = commands();
    let gateway = Gateway::with(commands);
    for (outcome, status) in [
        (Ok(4), StatusCode::OK),
        (Err(ComparisonRefused::NotConnected), StatusCode::SERVICE_UNAVAILABLE),
        (Err(ComparisonRefused::NotRead), StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let ((), told) = tokio::join!(answer(&mut queue, outcome), gateway.compare(json!({})));
        assert_eq!(told.status, status, "{}", told.body);
    }
    assert_eq!(gateway.compare(json!({"round": 1})).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(gateway.get("/v1/verify/nacos?round=1").await.status, StatusCode::BAD_REQUEST);
}
