//! `/v1/excluded`: what an operator says does not count here.

use axum::body::Body;
use axum::http::header;
use serde_json::json;

use super::*;

impl Gateway {
    async fn exclude(&self, body: impl ToString) -> Answer {
        let request = Request::post("/v1/excluded").header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

#[tokio::test]
async fn an_order_to_exclude_counts_at_once_and_says_that_it_is_not_kept_where_it_is_not() {
    let gateway = Gateway::new();
    assert_eq!(gateway.get("/v1/excluded").await.json(), json!({"excluded": []}));
    let order = json!({"cluster": "zanzibar", "excluded": true, "who": "ann", "reason": "garbage"});
    let taken = gateway.exclude(&order).await;
    assert_eq!(taken.json(), json!({"cluster": "zanzibar", "excluded": true, "kept": false}), "its disk takes nothing");
    let listed = gateway.get("/v1/excluded").await.json();
    assert_eq!(
        (&listed["excluded"][0]["cluster"], &listed["excluded"][0]["reason"]),
        (&json!("zanzibar"), &json!("garbage"))
    );
    gateway.exclude(json!({"cluster": "zanzibar", "excluded": false})).await;
    assert_eq!(gateway.get("/v1/excluded").await.json(), json!({"excluded": []}));
}

#[tokio::test]
async fn an_order_to_exclude_that_is_wrong_names_the_field_and_changes_nothing() {
    let gateway = Gateway::new();
    for (order, field) in [
        (json!({"cluster": "shanghai", "excluded": true}), "cluster"), // Its own.
        (json!({"cluster": "Zanzibar", "excluded": true}), "cluster"),
        (json!({"cluster": "zanzibar", "excluded": true, "reason": "x".repeat(1_025)}), "reason"),
    ] {
        let refused = gateway.exclude(&order).await;
        assert_eq!((refused.status, &refused.json()["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{order}");
    }
    assert_eq!(gateway.exclude("{}").await.status, StatusCode::BAD_REQUEST);
    let text = Request::post("/v1/excluded").body(Body::from("{}")).unwrap();
    assert_eq!(gateway.ask(text).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(gateway.get("/v1/excluded").await.json(), json!({"excluded": []}));
}
