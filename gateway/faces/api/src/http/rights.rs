//! Routes and the right that each method of them demands.
//!
//! A route is added by [`RightedRoutes::route`] alone, whose methods are made of a right and a handler: what declares none does not compile.
//! The layer [`admit`] around all of them asks the table that comes of it, and demands the most of what is not in the table.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{self, MethodRouter};
use federation_access::authority::ListenerPlace;
use federation_access::right::{AccessRight, DeclaredRight};

use super::audit;
use super::problem::Problem;
use crate::ApiState;
use crate::asker::{Asker, CookieWorth};

/// What each path demands, by method.
pub(crate) type RightsTable = HashMap<&'static str, Vec<(Method, DeclaredRight)>>;

/// Where pages lie that come from the binary and tell nothing of the federation.
const PAGES: &str = "/docs";

/// Routes that all declare what they demand.
pub(super) struct RightedRoutes<S> {
    pub(super) router: Router<S>,
    pub(super) table: RightsTable,
}

/// The methods of one path, each with what it demands.
pub(super) struct RightedMethods<S> {
    methods: MethodRouter<S>,
    rights: Vec<(Method, DeclaredRight)>,
}

/// A path that is read.
pub(super) fn get<H, T, S>(right: DeclaredRight, handler: H) -> RightedMethods<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    RightedMethods { methods: routing::get(handler), rights: vec![(Method::GET, right)] }
}

/// A path to which orders are given.
pub(super) fn post<H, T, S>(right: DeclaredRight, handler: H) -> RightedMethods<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    RightedMethods { methods: routing::post(handler), rights: vec![(Method::POST, right)] }
}

impl<S: Clone + Send + Sync + 'static> RightedMethods<S> {
    /// The same with orders.
    pub(super) fn post<H, T>(mut self, right: DeclaredRight, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.methods = self.methods.post(handler);
        self.rights.push((Method::POST, right));
        self
    }
}

impl<S: Clone + Send + Sync + 'static> RightedRoutes<S> {
    pub(super) fn new() -> Self {
        Self { router: Router::new(), table: RightsTable::new() }
    }

    /// Adds a path.
    pub(super) fn route(mut self, path: &'static str, methods: RightedMethods<S>) -> Self {
        self.router = self.router.route(path, methods.methods);
        self.table.insert(path, methods.rights);
        self
    }

    /// Gives the handlers what they work on.
    pub(super) fn with_state<S2>(self, state: S) -> RightedRoutes<S2> {
        RightedRoutes { router: self.router.with_state(state), table: self.table }
    }

    /// Adds the paths of others.
    pub(super) fn merge(mut self, others: Self) -> Self {
        self.router = self.router.merge(others.router);
        self.table.extend(others.table);
        self
    }
}

/// What lets in, or does not.
#[derive(Clone)]
pub(super) struct Admission {
    pub(super) state: ApiState,
    pub(super) place: ListenerPlace,
    pub(super) table: Arc<RightsTable>,
}

/// The right that a request needs. A path that declares none, which only routes beside the API's own have, is for those who may do everything.
pub(crate) fn declared(table: &RightsTable, path: Option<&str>, method: &Method) -> DeclaredRight {
    let Some(path) = path else { return DeclaredRight::Open }; // There is nothing there, as the answer will say.
    if path.strip_prefix(PAGES).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return DeclaredRight::Open;
    }
    let Some(methods) = table.get(path) else { return DeclaredRight::Whole(AccessRight::Administer) };
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let found = methods.iter().find(|(known, _)| known == method);
    found.map_or(DeclaredRight::Open, |(_, right)| *right) // No handler has it: the answer says which methods there are.
}

/// The layer around all routes.
pub(super) async fn admit(State(admission): State<Admission>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let right = declared(&admission.table, path, request.method());
    if path.is_some() && !matches!(*request.method(), Method::GET | Method::HEAD) {
        return audit::recorded(&admission.state, admission.place, right, request, next).await;
    }
    let (headers, extensions) = (request.headers(), request.extensions());
    match Asker::let_in(&admission.state, headers, extensions, admission.place, right, CookieWorth::Asks).await {
        Ok(asker) => {
            request.extensions_mut().insert(asker);
            next.run(request).await
        }
        Err(refusal) => Problem::from(refusal).into_response(),
    }
}
