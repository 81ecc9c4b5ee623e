//! Lists of services that are searched, sorted and counted: out of the roster of the view, without a look at the services themselves.
//!
//! Input: what is asked for, what whoever asks may see, and one moment: the roster, the clusters, the drains, the time. Output: a page, how many
//! there are in all, and counts of what passes. Invariant: what whoever asks must not see counts nowhere.

mod cursor;
mod look;
mod page;

use federation_core::search::NameSearch;

pub(crate) use self::cursor::ListCursor;
pub(crate) use self::look::{ListMoment, RowTotals};
pub(crate) use self::page::{ListFacets, ServicePage, page};
use crate::ask::{BadField, Field, ListAsk};

/// For how long a service counts as changed, in milliseconds: ten minutes.
pub(crate) const CHANGED_FOR_MS: u64 = 600_000;

/// Something about a service that people look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServiceState {
    /// One of its instances is unhealthy.
    Unhealthy,
    /// One of its clusters is not live.
    Stale,
    /// The removal of one of its instances is kept back.
    Held,
    /// A drain in force covers it in one of its clusters.
    Drained,
    /// All its instances are in one region, as far as regions are known.
    Single,
    /// Its instances changed lately.
    Changed,
}

impl ServiceState {
    pub(crate) const ALL: [Self; 6] =
        [Self::Unhealthy, Self::Stale, Self::Held, Self::Drained, Self::Single, Self::Changed];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unhealthy => "unhealthy",
            Self::Stale => "stale",
            Self::Held => "held",
            Self::Drained => "drained",
            Self::Single => "single",
            Self::Changed => "changed",
        }
    }
}

/// Some of the states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StateSet(u8);

impl StateSet {
    pub(crate) fn insert(&mut self, state: ServiceState) {
        self.0 |= 1 << state as u8;
    }

    pub(crate) fn contains(self, state: ServiceState) -> bool {
        self.0 & (1 << state as u8) != 0
    }

    /// Whether all of `others` are among them.
    pub(crate) fn has_all(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = ServiceState> {
        ServiceState::ALL.into_iter().filter(move |state| self.contains(*state))
    }

    /// Reads words; none at all is no state.
    pub(crate) fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, BadField> {
        let mut found = Self::default();
        for word in words {
            let state = ServiceState::ALL.into_iter().find(|state| state.as_str() == word);
            let known = || ServiceState::ALL.map(ServiceState::as_str).join(", ");
            found.insert(
                state.ok_or_else(|| BadField::new(Field::State, word, format_args!("one of {} is needed", known())))?,
            );
        }
        Ok(found)
    }
}

/// By what a list is sorted. All but the first have the largest first, and equals by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListOrder {
    #[default]
    Name,
    Instances,
    Unhealthy,
    Changed,
}

impl ListOrder {
    pub(crate) const ALL: [Self; 4] = [Self::Name, Self::Instances, Self::Unhealthy, Self::Changed];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Instances => "instances",
            Self::Unhealthy => "unhealthy",
            Self::Changed => "changed",
        }
    }

    pub(crate) fn parse(word: &str) -> Result<Self, BadField> {
        let found = Self::ALL.into_iter().find(|order| order.as_str() == word);
        let known = || Self::ALL.map(Self::as_str).join(", ");
        found.ok_or_else(|| BadField::new(Field::Sort, word, format_args!("one of {} is needed", known())))
    }
}

/// How much of each service is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RowDetail {
    /// What each cluster has, too.
    #[default]
    Clusters,
    /// Only the sums.
    Summary,
}

/// A page of services, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServicesAsk {
    pub(crate) list: ListAsk,
    pub(crate) search: Option<NameSearch>,
    pub(crate) states: StateSet,
    pub(crate) order: ListOrder,
    pub(crate) detail: RowDetail,
    pub(crate) facets: bool,
    /// After which row the page begins; then the number of the page has no say.
    pub(crate) after: Option<ListCursor>,
}
