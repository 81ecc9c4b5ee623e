//! The right that each call demands, and the layer that asks for it.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use federation_access::authority::ListenerPlace;
use federation_access::right::{AccessRight, DeclaredRight};
use tonic::{Code, Status};

use crate::ApiState;
use crate::asker::{AccessRefusal, Asker, CookieWorth};

/// Every call of the API. What is not here, and no health or description, is for those who may do everything.
pub(crate) const CALLS: [(&str, DeclaredRight); 9] = [
    ("/federation.v1.Discovery/ListClusters", DeclaredRight::Part(AccessRight::View)),
    ("/federation.v1.Discovery/ListServices", DeclaredRight::Part(AccessRight::View)),
    ("/federation.v1.Discovery/GetService", DeclaredRight::Part(AccessRight::View)),
    ("/federation.v1.Discovery/WatchService", DeclaredRight::Part(AccessRight::View)),
    ("/federation.v1.Discovery/ListConfigs", DeclaredRight::Part(AccessRight::View)),
    ("/federation.v1.Discovery/GetConfig", DeclaredRight::Part(AccessRight::ReadContents)),
    ("/federation.v1.Routing/Resolve", DeclaredRight::Part(AccessRight::View)),
    ("/federation.v1.Routing/WatchResolve", DeclaredRight::Part(AccessRight::View)),
    ("/federation.v1.Routing/Explain", DeclaredRight::Part(AccessRight::View)),
];
/// Services that tell nothing of the federation: whether the gateway is ready, and which calls there are.
const OPEN: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection."];

pub(crate) fn declared(path: &str) -> DeclaredRight {
    if OPEN.iter().any(|open| path.starts_with(open)) {
        return DeclaredRight::Open;
    }
    let found = CALLS.iter().find(|(known, _)| *known == path);
    found.map_or(DeclaredRight::Whole(AccessRight::Administer), |(_, right)| *right)
}

/// What lets in, or does not.
#[derive(Clone)]
pub(super) struct Admission {
    pub(super) state: ApiState,
    pub(super) place: ListenerPlace,
}

/// The layer around all calls.
pub(super) async fn admit(State(admission): State<Admission>, mut request: Request, next: Next) -> Response {
    let right = declared(request.uri().path());
    let (headers, extensions) = (request.headers(), request.extensions());
    let worth = CookieWorth::Nothing;
    match Asker::let_in(&admission.state, headers, extensions, admission.place, right, worth).await {
        Ok(asker) => {
            request.extensions_mut().insert(asker);
            next.run(request).await
        }
        Err(refusal) => Status::from(refusal).into_http(),
    }
}

impl From<AccessRefusal> for Status {
    fn from(refusal: AccessRefusal) -> Self {
        let code = match refusal {
            AccessRefusal::Credential(_) | AccessRefusal::Nobody(_) => Code::Unauthenticated,
            AccessRefusal::Missing { .. } => Code::PermissionDenied,
        };
        Self::new(code, refusal.to_string())
    }
}

/// Who calls.
pub(super) fn asker<T>(request: &tonic::Request<T>) -> &Asker {
    request.extensions().get::<Asker>().expect("the layer around all calls lets in or refuses")
}
