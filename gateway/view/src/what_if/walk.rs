//! A walk over all services in slices, so that whoever walks can be ended, and gives way to others.
//!
//! Input: a moment, a [`Visitor`] that is shown each service, and the [`Turn`] in which it happens. Each slice runs on a thread that may
//! block; between two of them the turn decides whether and when the walk goes on. A dropped walk ends with the slice that runs.

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use federation_core::id::ServiceKey;
use federation_core::service::FederatedService;

use super::SurveyMoment;

/// A slice ends after so many services, or after so long, whichever comes first.
pub(super) const SLICE_SERVICES: usize = 2_048;
/// Short against what anybody notices who waits for the processor meanwhile, long against what a slice costs beside its work.
const SLICE: Duration = Duration::from_millis(10);

/// Is shown services.
pub(super) trait Visitor: Send + 'static {
    /// Called once for each service that exists, in the order of names.
    fn visit(&mut self, moment: &SurveyMoment, service: &FederatedService);
}

/// What a walk has to itself until it is over.
pub(super) trait Turn: Send {
    /// Why a walk may end early.
    type Error;

    /// Awaited between two slices.
    fn pause(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A walk that has come to some service.
struct Walk<V> {
    moment: Arc<SurveyMoment>,
    names: Arc<BTreeSet<ServiceKey>>,
    /// The last service that was visited.
    last: Option<ServiceKey>,
    visitor: V,
}

/// Shows all services of the moment's view to `visitor`, and gives it back.
///
/// # Errors
/// Those of the turn, which end the walk.
pub(super) async fn walk<V: Visitor, T: Turn>(
    moment: &Arc<SurveyMoment>,
    visitor: V,
    mut turn: T,
) -> Result<V, T::Error> {
    let (moment, names) = (Arc::clone(moment), moment.view.service_names());
    let mut walk = Walk { moment, names, last: None, visitor };
    loop {
        let slice = tokio::task::spawn_blocking(move || walk.go_on()).await;
        match slice.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) {
            Slice::Last(visitor) => return Ok(visitor),
            Slice::Ended(rest) => walk = rest,
        }
        turn.pause().await?;
    }
}

enum Slice<V> {
    Ended(Walk<V>),
    Last(V),
}

impl<V: Visitor> Walk<V> {
    fn go_on(mut self) -> Slice<V> {
        let until = Instant::now() + SLICE;
        let from = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.names.range((from, Bound::Unbounded));
        let mut last = None;
        for name in rest.by_ref().take(SLICE_SERVICES) {
            if let Some(service) = self.moment.view.service(name) {
                self.visitor.visit(&self.moment, &service);
            }
            last = Some(name);
            if Instant::now() >= until {
                break;
            }
        }
        if rest.next().is_none() {
            return Slice::Last(self.visitor);
        }
        self.last = last.cloned();
        Slice::Ended(self)
    }
}
