//! Orders from another terminal: an HTTP endpoint on loopback, and its client.
//!
//! `GET /v1/targets` lists what can be stopped and started; `POST /v1/stop` and `/v1/start` with `?target=` do it and answer
//! when it is done. There is no login; the listener refuses what a browser sends for a web page.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bounded_listener::{ExchangeRule, Listener, ListenerRefusal as Unread, RoutedService};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::ports::local;
use super::target::{NoTarget, Target};

/// Orders are all in the query.
const LARGEST_BODY: usize = 1 << 10;
/// Longer than an orderly stop of a gateway takes.
const DONE_WITHIN: Duration = Duration::from_secs(30);

/// What a person wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Say what there is.
    List,
    /// Stop this.
    Stop(Target),
    /// Start this.
    Start(Target),
}

/// An order and whom to answer when it is carried out.
pub(super) struct Order {
    /// What is wanted.
    pub(super) what: What,
    /// Dropped by who does not carry it out any more.
    pub(super) reply: oneshot::Sender<Reply>,
}

/// An answer, or why the order was not carried out.
pub(super) type Reply = Result<ControlAnswer, Refusal>;

/// Why an order was not carried out, for who gave it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// It names nothing.
    #[error("{0}; `nacos-fed demo ctl list` shows what is")]
    NoTarget(#[from] NoTarget),
    /// It failed; the text says all.
    #[error("{0}")]
    Failed(String),
}

/// What was done, and what there is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlAnswer {
    /// In words; empty if only a list was asked for.
    pub text: String,
    /// Everything that can be stopped and started.
    pub targets: Vec<Listed>,
}

/// One thing that can be stopped and started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// How to name it.
    pub target: String,
    /// `up`, `stopping`, `stopped`, `failed`, or `away` for an instance that the script has taken.
    pub state: String,
    /// What it is.
    pub what: String,
}

/// What to do to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlAction {
    /// Take it down.
    Stop,
    /// Bring it back.
    Start,
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens, or not a demo.
    #[error("no demo answers at {0}; one is started with `nacos-fed demo`")]
    NoDemo(SocketAddr, #[source] reqwest::Error),
    /// There is no such target; the text is the demo's.
    #[error("{0}")]
    NoTarget(String),
    /// It could not be done; the text is the demo's.
    #[error("{0}")]
    Failed(String),
}

/// Takes orders until `stop`.
pub(super) async fn serve(listener: Listener, orders: mpsc::Sender<Order>, stop: CancellationToken) {
    let router = Router::new()
        .route("/v1/targets", get(|State(orders)| ask(orders, What::List)))
        .route("/v1/stop", post(|state, target| change(state, target, What::Stop)))
        .route("/v1/start", post(|state, target| change(state, target, What::Start)))
        .with_state(orders);
    let refuse = |refusal: Unread| (refusal.status(), refusal.to_string()).into_response();
    // Not waited for: an order that is under way has nobody left to carry it out.
    listener
        .run(RoutedService { router, rule: |_| ExchangeRule::call(LARGEST_BODY), refuse }, stop, Duration::ZERO)
        .await;
}

#[derive(Deserialize)]
struct Asked {
    target: String,
}

async fn change(
    State(orders): State<mpsc::Sender<Order>>,
    Query(asked): Query<Asked>,
    what: fn(Target) -> What,
) -> Response {
    match asked.target.parse() {
        Ok(target) => ask(orders, what(target)).await,
        Err(no_target) => refused(&no_target.into()),
    }
}

async fn ask(orders: mpsc::Sender<Order>, what: What) -> Response {
    let (reply, answer) = oneshot::channel();
    if orders.send(Order { what, reply }).await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the demo ends").into_response();
    }
    match answer.await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(refusal)) => refused(&refusal),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the demo ends").into_response(),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::NoTarget(_) => StatusCode::NOT_FOUND,
        Refusal::Failed(_) => StatusCode::CONFLICT,
    };
    (status, refusal.to_string()).into_response()
}

/// What the demo that takes orders at `port` can stop and start.
///
/// # Errors
/// See [`ControlError`].
pub async fn list(port: u16) -> Result<ControlAnswer, ControlError> {
    let demo = local(port);
    let url = format!("http://{demo}/v1/targets");
    answer(demo, client(demo)?.get(url)).await
}

/// Has the demo that takes orders at `port` stop or start something; answers when it is done.
///
/// # Errors
/// See [`ControlError`].
pub async fn order(port: u16, action: ControlAction, target: &str) -> Result<ControlAnswer, ControlError> {
    let demo = local(port);
    let action = match action {
        ControlAction::Stop => "stop",
        ControlAction::Start => "start",
    };
    let url = format!("http://{demo}/v1/{action}");
    answer(demo, client(demo)?.post(url).query(&[("target", target)])).await
}

fn client(demo: SocketAddr) -> Result<reqwest::Client, ControlError> {
    let client = reqwest::Client::builder().timeout(DONE_WITHIN).no_proxy().build();
    client.map_err(|error| ControlError::NoDemo(demo, error))
}

async fn answer(demo: SocketAddr, request: reqwest::RequestBuilder) -> Result<ControlAnswer, ControlError> {
    let no_demo = |error: reqwest::Error| ControlError::NoDemo(demo, error.without_url());
    let answer = request.send().await.map_err(no_demo)?;
    match answer.status() {
        StatusCode::OK => answer.json().await.map_err(no_demo),
        StatusCode::NOT_FOUND => Err(ControlError::NoTarget(answer.text().await.map_err(no_demo)?)),
        _ => Err(ControlError::Failed(answer.text().await.map_err(no_demo)?)),
    }
}
