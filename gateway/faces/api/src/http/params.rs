//! Query parameters: names as Nacos has them, strict in what is not known.

use std::borrow::Cow;
use std::str::FromStr;

use federation_core::id::ServiceKey;
use federation_core::search::NameSearch;
use federation_core::service::{FederatedConfig, FederatedService};
use url::form_urlencoded;

use super::problem::Problem;
use crate::ask::news::{ChangesAsk, NewsAsk, SinceAsk};
use crate::ask::{
    BadField, CallerParts, ConfigAsk, Field, Filter, ListAsk, Listable, Origins, Page, ResolveAsk, ServiceAsk, Wellness,
};
use crate::listing::{ListCursor, ListOrder, RowDetail, ServicesAsk, StateSet};
use crate::select::DriftWanted;
use federation_view::resolve::{PlanDepth, PlanExcerpt};
use federation_view::view::history::ChangeKind;

/// Parameters that name one service.
const SERVICE: &[Field] =
    &[Field::NamespaceId, Field::GroupName, Field::ServiceName, Field::Origin, Field::HealthyOnly];
const CHANGES: &[Field] = &[
    Field::NamespaceId,
    Field::GroupName,
    Field::ServiceName,
    Field::DataId,
    Field::Cluster,
    Field::Kind,
    Field::Since,
    Field::Limit,
    Field::Cursor,
];
const CONFIG: &[Field] = &[Field::NamespaceId, Field::GroupName, Field::DataId, Field::Origin];
/// Parameters that name a service and a caller.
const RESOLVE: &[Field] = &[
    Field::NamespaceId,
    Field::GroupName,
    Field::ServiceName,
    Field::Region,
    Field::Zone,
    Field::SubZone,
    Field::Network,
    Field::Cluster,
    Field::Label,
    Field::Limit,
    Field::OnlyTop,
];
/// What the name of a label follows.
const LABEL: &str = "label.";

/// A query, decoded: every name known, none twice except `origin` and `state`.
struct Params(Vec<(Field, String)>);

impl Params {
    fn parse(query: Option<&str>, known: &[Field]) -> Result<Self, Problem> {
        let mut params = Self(Vec::new());
        for (name, value) in form_urlencoded::parse(query.unwrap_or("").as_bytes()) {
            let Some(field) = known.iter().copied().find(|field| field.parameter() == name) else {
                return Err(unknown(&name, &value, known));
            };
            if !matches!(field, Field::Origin | Field::State | Field::Kind) && params.get(field).is_some() {
                return Err(BadField::new(field, &value, "it is given twice").into());
            }
            params.0.push((field, value.into_owned()));
        }
        Ok(params)
    }

    fn all(&self, field: Field) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(found, _)| *found == field).map(|(_, value)| value.as_str())
    }

    fn get(&self, field: Field) -> Option<&str> {
        self.all(field).next()
    }

    fn parsed<T: FromStr>(&self, field: Field, wanted: &str) -> Result<Option<T>, BadField> {
        let parse =
            |text: &str| text.parse().map_err(|_| BadField::new(field, text, format_args!("{wanted} is needed")));
        self.get(field).map(parse).transpose()
    }

    /// Repeated or with commas between.
    fn origins(&self) -> Result<Origins, BadField> {
        Origins::parse(self.all(Field::Origin).flat_map(|ids| ids.split(',')).filter(|id| !id.is_empty()))
    }

    /// What is looked for in names; an empty text is nothing.
    fn search(&self) -> Result<Option<NameSearch>, BadField> {
        let text = self.get(Field::Query).filter(|text| !text.is_empty());
        text.map(|text| text.parse().map_err(|error| BadField::new(Field::Query, text, error))).transpose()
    }

    fn filter(&self) -> Result<Filter, BadField> {
        let healthy_only = self.parsed::<bool>(Field::HealthyOnly, "true or false")?.unwrap_or_default();
        let wellness = if healthy_only { Wellness::HealthyOnly } else { Wellness::Any };
        Ok(Filter { origins: self.origins()?, wellness })
    }

    fn page(&self) -> Result<Page, BadField> {
        let number = self.parsed(Field::PageNo, "a number of 1 or more")?;
        Page::new(number, self.parsed(Field::PageSize, "a number from 1 to 1000")?)
    }

    fn names(&self, name: Field) -> (Option<&str>, Option<&str>, Option<&str>) {
        (self.get(Field::NamespaceId), self.get(Field::GroupName), self.get(name))
    }
}

fn unknown(name: &str, value: &str, known: &[Field]) -> Problem {
    let known: Vec<&str> = known.iter().map(|field| field.parameter()).collect();
    Problem::unknown_parameter(name, value, &known)
}

/// No parameter is known.
pub(super) fn none(query: Option<&str>) -> Result<(), Problem> {
    Params::parse(query, &[]).map(|_| ())
}

/// One service.
pub(super) fn service(query: Option<&str>) -> Result<ServiceAsk, Problem> {
    let params = Params::parse(query, SERVICE)?;
    let (namespace, group, name) = params.names(Field::ServiceName);
    Ok(ServiceAsk::new(namespace, group, name.unwrap_or(""), params.filter()?)?)
}

/// The service whose policy is asked for; none is asked for without any parameter.
pub(super) fn policy(query: Option<&str>) -> Result<Option<ServiceKey>, Problem> {
    let params = Params::parse(query, &[Field::NamespaceId, Field::GroupName, Field::ServiceName])?;
    if params.0.is_empty() {
        return Ok(None);
    }
    let (namespace, group, name) = params.names(Field::ServiceName);
    Ok(Some(ServiceAsk::new(namespace, group, name.unwrap_or(""), Filter::default())?.key))
}

/// Whose changes are counted.
pub(super) fn news(query: Option<&str>) -> Result<NewsAsk, Problem> {
    let params = Params::parse(query, &[Field::Query, Field::NamespaceId, Field::Origin])?;
    Ok(NewsAsk::new(params.search()?, params.get(Field::NamespaceId), params.origins()?))
}

/// What changed.
pub(super) fn changes(query: Option<&str>) -> Result<ChangesAsk, Problem> {
    let params = Params::parse(query, CHANGES)?;
    let known = |word: &str| ChangeKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    let kind = |word: &str| known(word).ok_or_else(|| BadField::new(Field::Kind, word, ChangesAsk::KINDS));
    let words = params.all(Field::Kind).flat_map(|words| words.split(',')).filter(|word| !word.is_empty());
    let cluster =
        params.get(Field::Cluster).map(|id| id.parse().map_err(|error| BadField::new(Field::Cluster, id, error)));
    let limit = params.parsed(Field::Limit, "a number from 1 to 1000")?;
    let (namespace, group, service) = params.names(Field::ServiceName);
    Ok(ChangesAsk {
        subject: ChangesAsk::subject(namespace, group, service, params.get(Field::DataId))?,
        namespace: namespace.map(str::to_owned),
        group: group.filter(|group| !group.is_empty()).map(str::to_owned),
        cluster: cluster.transpose()?,
        kinds: words.map(kind).collect::<Result<_, _>>()?,
        since: params.get(Field::Since).map(SinceAsk::parse).transpose()?,
        limit: ChangesAsk::limit(limit)?,
        below: params.parsed(Field::Cursor, "nextCursor of an earlier answer")?.unwrap_or(u64::MAX),
    })
}

fn list<L: Listable>(params: &Params) -> Result<ListAsk, BadField> {
    let (namespace, group, name) = params.names(L::NAME);
    ListAsk::of::<L>(namespace, group, name, params.filter()?, params.page()?)
}

/// A page of config items, of those alone that differ or of all.
pub(super) fn configs(query: Option<&str>) -> Result<(ListAsk, DriftWanted), Problem> {
    let params = Params::parse(query, FederatedConfig::FIELDS)?;
    let drift = params.parsed::<bool>(Field::Drift, "true or false")?.unwrap_or_default();
    let drift = if drift { DriftWanted::Only } else { DriftWanted::Any };
    Ok((list::<FederatedConfig>(&params)?, drift))
}

/// A page of services.
pub(super) fn services(query: Option<&str>) -> Result<ServicesAsk, Problem> {
    let params = Params::parse(query, FederatedService::FIELDS)?;
    let list = list::<FederatedService>(&params)?;
    let order = params.get(Field::Sort).map(ListOrder::parse).transpose()?.unwrap_or_default();
    let detail = match params.get(Field::Detail) {
        None => RowDetail::Clusters,
        Some("summary") => RowDetail::Summary,
        Some(other) => return Err(BadField::new(Field::Detail, other, "only summary can be asked for").into()),
    };
    let after = params.get(Field::Cursor).map(|text| ListCursor::parse(text, order)).transpose()?;
    if let (Some(_), Some(number)) = (&after, params.get(Field::PageNo)) {
        let detail = "a page is either numbered or follows a cursor";
        return Err(BadField::new(Field::PageNo, number, detail).into());
    }
    let words = params.all(Field::State).flat_map(|words| words.split(',')).filter(|word| !word.is_empty());
    Ok(ServicesAsk {
        list,
        search: params.search()?,
        states: StateSet::parse(words)?,
        order,
        detail,
        facets: params.parsed::<bool>(Field::Facets, "true or false")?.unwrap_or_default(),
        after,
    })
}

/// One config item.
pub(super) fn config(query: Option<&str>) -> Result<ConfigAsk, Problem> {
    let params = Params::parse(query, CONFIG)?;
    let (namespace, group, data_id) = params.names(Field::DataId);
    Ok(ConfigAsk::new(namespace, group, data_id.unwrap_or(""), params.origins()?)?)
}

/// A plan for a caller. What needs no decoding is borrowed: this is asked most often of all.
pub(super) fn resolve(query: Option<&str>) -> Result<ResolveAsk<'_>, Problem> {
    let (mut name, mut caller, mut shown) = ([const { None }; 3], CallerParts::default(), [const { None }; 2]);
    for (parameter, value) in form_urlencoded::parse(query.unwrap_or("").as_bytes()) {
        if let Some(label) = parameter.strip_prefix(LABEL) {
            let label = match &parameter {
                Cow::Borrowed(parameter) => Cow::Borrowed(&parameter[LABEL.len()..]),
                Cow::Owned(_) => Cow::Owned(label.to_owned()),
            };
            caller.labels.push((label, value));
            continue;
        }
        let (field, slot) = match &*parameter {
            "namespaceId" => (Field::NamespaceId, &mut name[0]),
            "groupName" => (Field::GroupName, &mut name[1]),
            "serviceName" => (Field::ServiceName, &mut name[2]),
            "region" => (Field::Region, &mut caller.region),
            "zone" => (Field::Zone, &mut caller.zone),
            "subZone" => (Field::SubZone, &mut caller.sub_zone),
            "network" => (Field::Network, &mut caller.network),
            "cluster" => (Field::Cluster, &mut caller.cluster),
            "limit" => (Field::Limit, &mut shown[0]),
            "onlyTop" => (Field::OnlyTop, &mut shown[1]),
            _ => return Err(unknown(&parameter, &value, RESOLVE)),
        };
        if slot.is_some() {
            return Err(BadField::new(field, &value, "it is given twice").into());
        }
        *slot = Some(value);
    }
    let [namespace, group, service] = name.each_ref().map(Option::as_deref);
    let key = ServiceAsk::new(namespace, group, service.unwrap_or(""), Filter::default())?.key;
    Ok(ResolveAsk { key, caller: caller.check()?, excerpt: excerpt(&shown)? })
}

fn excerpt(shown: &[Option<Cow<'_, str>>; 2]) -> Result<PlanExcerpt, BadField> {
    let limit = |text: &str| match text.parse() {
        Ok(0) | Err(_) => Err(BadField::new(Field::Limit, text, "a number of 1 or more is needed")),
        Ok(limit) => Ok(limit),
    };
    let depth = |text: &str| match text {
        "true" => Ok(PlanDepth::Top),
        "false" => Ok(PlanDepth::All),
        _ => Err(BadField::new(Field::OnlyTop, text, "true or false is needed")),
    };
    let [limit_text, depth_text] = shown.each_ref().map(Option::as_deref);
    Ok(PlanExcerpt { limit: limit_text.map(limit).transpose()?, depth: depth_text.map_or(Ok(PlanDepth::All), depth)? })
}
