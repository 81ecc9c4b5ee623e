//! One page, and what is counted beside it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use federation_access::judge::ListSight;
use federation_core::id::{ClusterId, ServiceKey};
use federation_core::pattern::ServicePattern;
use federation_view::view::{ServiceFacts, ServiceRoster};

use super::look::{ListMoment, RowLooker, RowTotals};
use super::{ListCursor, ListOrder, ServiceState, ServicesAsk};
use crate::ask::{Filter, Wellness};

/// Namespaces that facets name; of more, those with the most services.
const MOST_NAMESPACES: usize = 1000;

/// A page of services.
pub(crate) struct ServicePage<'a> {
    /// How many pass the filter, in all pages.
    pub(crate) total: usize,
    pub(crate) rows: Vec<(&'a ServiceFacts, RowTotals)>,
    pub(crate) looker: RowLooker<'a>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<ListCursor>,
    pub(crate) facets: Option<ListFacets<'a>>,
    /// Whether there may be more, which whoever asks must not see.
    pub(crate) filtered: bool,
}

/// How many services of those that pass the filter are what.
pub(crate) struct ListFacets<'a> {
    pub(crate) states: [usize; ServiceState::ALL.len()],
    pub(crate) namespaces: BTreeMap<&'a str, usize>,
    /// By cluster, also those that are not wanted.
    pub(crate) origins: BTreeMap<&'a ClusterId, usize>,
}

/// Answers what is asked.
pub(crate) fn page<'a>(
    moment: &'a ListMoment,
    ask: &ServicesAsk,
    sight: &ListSight<ServicePattern>,
) -> ServicePage<'a> {
    let looker = moment.looker(&ask.list.filter.origins);
    let found = if is_everything(ask, sight) {
        whole_page(&moment.roster, ask, &looker)
    } else {
        let mut walk = Walk::new(ask, moment.roster.origins().len());
        for row in rows(&moment.roster, ask) {
            if passes_by_name(ask, sight, row)
                && let Some(totals) = passes_by_facts(ask, &looker, row)
            {
                walk.add(row, totals);
            }
        }
        walk.end(&moment.roster)
    };
    ServicePage {
        total: found.total,
        rows: found.rows,
        looker,
        next: found.next,
        facets: found.facets,
        filtered: sight.is_filtered(),
    }
}

/// What a walk found.
struct Found<'a> {
    total: usize,
    rows: Vec<(&'a ServiceFacts, RowTotals)>,
    next: Option<ListCursor>,
    facets: Option<ListFacets<'a>>,
}

/// Whether every service passes and none has to be counted: then only the page is looked at.
fn is_everything(ask: &ServicesAsk, sight: &ListSight<ServicePattern>) -> bool {
    let every_name = ask.list.namespace.is_none() && ask.list.group.as_str() == "*" && ask.list.name.as_str() == "*";
    let every_row = ask.search.is_none() && ask.list.filter == Filter::default() && ask.states == Default::default();
    every_name && every_row && !ask.facets && ask.order == ListOrder::Name && !sight.is_filtered()
}

fn whole_page<'a>(roster: &'a ServiceRoster, ask: &ServicesAsk, looker: &RowLooker<'_>) -> Found<'a> {
    let size = ask.list.page.size as usize;
    let taken: Vec<&ServiceFacts> = match &ask.after {
        Some(after) => roster.rows_from(&after.key).filter(|row| row.key != after.key).take(size + 1).collect(),
        None => roster.rows_after(ask.list.page.skipped()).take(size + 1).collect(),
    };
    let rows: Vec<_> = taken.iter().take(size).map(|row| (*row, looker.look(row))).collect();
    let next = rows.last().filter(|_| taken.len() > size).map(|(row, _)| cursor(ListOrder::Name, 0, row));
    Found { total: roster.len(), rows, next, facets: None }
}

fn cursor(order: ListOrder, value: u64, row: &ServiceFacts) -> ListCursor {
    ListCursor { order, value, key: row.key.clone() }
}

/// The rows of the namespace that is asked for, or all.
fn rows<'a>(roster: &'a ServiceRoster, ask: &ServicesAsk) -> Box<dyn Iterator<Item = &'a ServiceFacts> + 'a> {
    match ask.list.namespace.clone() {
        None => Box::new(roster.rows()),
        Some(namespace) => {
            let first = ServiceKey::new(&namespace, "", "");
            Box::new(roster.rows_from(&first).take_while(move |row| row.key.namespace() == namespace))
        }
    }
}

fn passes_by_name(ask: &ServicesAsk, sight: &ListSight<ServicePattern>, row: &ServiceFacts) -> bool {
    let (group, name) = (&ask.list.group, &ask.list.name);
    (group.as_str() == "*" || group.matches(row.key.group()))
        && (name.as_str() == "*" || name.matches(row.key.service()))
        && ask.search.as_ref().is_none_or(|search| search.finds_service(&row.key))
        && sight.shows(&row.key)
}

fn passes_by_facts(ask: &ServicesAsk, looker: &RowLooker<'_>, row: &ServiceFacts) -> Option<RowTotals> {
    let totals = looker.look(row);
    let is_well = ask.list.filter.wellness == Wellness::Any || totals.healthy > 0;
    (totals.origins > 0 && is_well && totals.states.has_all(ask.states)).then_some(totals)
}

/// Gathers a page from the rows that pass, which come by name.
struct Walk<'a, 'q> {
    ask: &'q ServicesAsk,
    total: usize,
    /// Of those that pass, how many come before the page; by name only.
    before: usize,
    by_name: Vec<(&'a ServiceFacts, RowTotals)>,
    /// By another order: all that come after the cursor, each with its value.
    by_value: Vec<(u64, u32, &'a ServiceFacts, RowTotals)>,
    facets: Option<Counting<'a>>,
    /// Whether the walk is past the cursor's name.
    is_past: bool,
}

/// Counts as they are made.
struct Counting<'a> {
    states: [usize; ServiceState::ALL.len()],
    namespaces: Vec<(&'a str, usize)>,
    places: Vec<usize>,
}

impl<'a> Counting<'a> {
    fn count(&mut self, row: &'a ServiceFacts, totals: RowTotals) {
        totals.states.iter().for_each(|state| self.states[state as usize] += 1);
        row.origins.iter().for_each(|found| self.places[found.place as usize] += 1);
        match self.namespaces.last_mut() {
            Some((namespace, count)) if *namespace == row.key.namespace() => *count += 1,
            _ => self.namespaces.push((row.key.namespace(), 1)),
        }
    }

    fn end(self, roster: &'a ServiceRoster) -> ListFacets<'a> {
        let Self { states, mut namespaces, places } = self;
        if namespaces.len() > MOST_NAMESPACES {
            namespaces.sort_by_key(|(_, count)| Reverse(*count)); // Equals stay by name.
            namespaces.truncate(MOST_NAMESPACES);
        }
        let origins = roster.origins().iter().zip(places).filter(|(_, count)| *count > 0).collect();
        ListFacets { states, namespaces: namespaces.into_iter().collect(), origins }
    }
}

impl<'a, 'q> Walk<'a, 'q> {
    fn new(ask: &'q ServicesAsk, places: usize) -> Self {
        let counting = || Counting { states: Default::default(), namespaces: Vec::new(), places: vec![0; places] };
        Self {
            ask,
            total: 0,
            before: if ask.after.is_some() { 0 } else { ask.list.page.skipped() },
            by_name: Vec::new(),
            by_value: Vec::new(),
            facets: ask.facets.then(counting),
            is_past: ask.after.is_none(),
        }
    }

    fn add(&mut self, row: &'a ServiceFacts, totals: RowTotals) {
        self.total += 1;
        if let Some(facets) = &mut self.facets {
            facets.count(row, totals);
        }
        self.is_past = self.is_past || self.ask.after.as_ref().is_none_or(|after| row.key > after.key);
        if self.ask.order == ListOrder::Name {
            return self.add_by_name(row, totals);
        }
        let value = value(self.ask.order, row, totals);
        let comes =
            self.ask.after.as_ref().is_none_or(|after| value < after.value || value == after.value && self.is_past);
        if comes {
            let number = u32::try_from(self.total).unwrap_or(u32::MAX);
            self.by_value.push((value, number, row, totals));
        }
    }

    fn add_by_name(&mut self, row: &'a ServiceFacts, totals: RowTotals) {
        if self.is_past && self.before > 0 {
            self.before -= 1;
        } else if self.is_past && self.by_name.len() <= self.ask.list.page.size as usize {
            self.by_name.push((row, totals)); // One more than the page has: it tells that there is a next one.
        }
    }

    fn end(self, roster: &'a ServiceRoster) -> Found<'a> {
        let Self { ask, total, before, by_name, mut by_value, facets, .. } = self;
        let size = ask.list.page.size as usize;
        let facets = facets.map(|counting| counting.end(roster));
        if ask.order == ListOrder::Name {
            let more = by_name.len() > size;
            let rows: Vec<_> = by_name.into_iter().take(size).collect();
            let next = rows.last().filter(|_| more).map(|(row, _)| cursor(ask.order, 0, row));
            return Found { total, rows, next, facets };
        }
        let (wanted, order) = (before.saturating_add(size), |it: &(u64, u32, _, _)| (Reverse(it.0), it.1));
        let more = by_value.len() > wanted;
        if more {
            by_value.select_nth_unstable_by_key(wanted, order);
            by_value.truncate(wanted);
        }
        by_value.sort_unstable_by_key(order);
        let page: Vec<_> = by_value.into_iter().skip(before).collect();
        let next = page.last().filter(|_| more).map(|(value, _, row, _)| cursor(ask.order, *value, row));
        Found { total, rows: page.into_iter().map(|(_, _, row, totals)| (row, totals)).collect(), next, facets }
    }
}

/// What a list of this order is sorted by. A service whose change nobody knows of comes last.
fn value(order: ListOrder, row: &ServiceFacts, totals: RowTotals) -> u64 {
    match order {
        ListOrder::Name => 0,
        ListOrder::Instances => totals.instances as u64,
        ListOrder::Unhealthy => totals.unhealthy() as u64,
        ListOrder::Changed => row.changed().map_or(0, |at| at.0.saturating_add(1)),
    }
}
