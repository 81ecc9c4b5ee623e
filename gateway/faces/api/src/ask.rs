//! What somebody asks for, after parsing: the same for every face.

pub(crate) mod news;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use federation_core::id::{ClusterId, ConfigKey, ServiceKey};
use federation_core::instance::Health;
use federation_core::pattern::Glob;
use federation_core::service::{FederatedConfig, FederatedService};

use federation_view::hub::services::ServiceTopic;
use federation_view::resolve::{CallerAsk, PlaceAsk, PlanExcerpt};

/// The namespace of one item when none is named.
pub(crate) const PUBLIC: &str = "public";
/// The group of one item when none is named.
pub(crate) const DEFAULT_GROUP: &str = "DEFAULT_GROUP";
/// Items of a page when no number is named.
pub(crate) const DEFAULT_PAGE_SIZE: u32 = 100;
/// Most items of a page.
pub(crate) const LARGEST_PAGE: u32 = 1000;
/// Labels of one caller.
pub(crate) const MOST_LABELS: usize = 64;
/// Longest part of what is said of a caller, in bytes: longer than any name of a place.
pub(crate) const LONGEST_PART: usize = 1024;

/// A field of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    NamespaceId,
    GroupName,
    ServiceName,
    DataId,
    Origin,
    HealthyOnly,
    PageNo,
    PageSize,
    Region,
    Zone,
    SubZone,
    Network,
    Cluster,
    Label,
    Limit,
    OnlyTop,
    Query,
    State,
    Sort,
    Detail,
    Facets,
    Cursor,
    Drift,
    Kind,
    Since,
}

impl Field {
    /// Its name as a query parameter.
    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::NamespaceId => "namespaceId",
            Self::GroupName => "groupName",
            Self::ServiceName => "serviceName",
            Self::DataId => "dataId",
            Self::Origin => "origin",
            Self::HealthyOnly => "healthyOnly",
            Self::PageNo => "pageNo",
            Self::PageSize => "pageSize",
            Self::Region => "region",
            Self::Zone => "zone",
            Self::SubZone => "subZone",
            Self::Network => "network",
            Self::Cluster => "cluster",
            Self::Label => "label.<k>",
            Self::Limit => "limit",
            Self::OnlyTop => "onlyTop",
            Self::Query => "q",
            Self::State => "state",
            Self::Sort => "sort",
            Self::Detail => "fields",
            Self::Facets => "facets",
            Self::Cursor => "cursor",
            Self::Drift => "drift",
            Self::Kind => "kind",
            Self::Since => "since",
        }
    }

    /// Its name in a protobuf message.
    pub(crate) fn message_field(self) -> &'static str {
        match self {
            Self::NamespaceId => "namespace_id",
            Self::GroupName => "group_name",
            Self::ServiceName => "service_name",
            Self::DataId => "data_id",
            Self::Origin => "origins",
            Self::HealthyOnly => "healthy_only",
            Self::PageNo => "page_no",
            Self::PageSize => "page_size",
            Self::Region => "caller.region",
            Self::Zone => "caller.zone",
            Self::SubZone => "caller.sub_zone",
            Self::Network => "caller.network",
            Self::Cluster => "caller.cluster",
            Self::Label => "caller.labels",
            Self::Limit => "limit",
            Self::OnlyTop => "only_top",
            // No message has these yet: they are named alike.
            Self::Query | Self::State | Self::Sort | Self::Detail | Self::Facets | Self::Cursor | Self::Drift => {
                self.parameter()
            }
            Self::Kind => "kind",
            Self::Since => "since",
        }
    }
}

/// A field whose value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadField {
    pub(crate) field: Field,
    /// As it was given; `None` if it is missing.
    pub(crate) value: Option<String>,
    /// What is wrong and what would be right.
    pub(crate) detail: String,
}

impl BadField {
    pub(crate) fn new(field: Field, value: &str, detail: impl fmt::Display) -> Self {
        Self { field, value: Some(value.to_owned()), detail: detail.to_string() }
    }

    fn missing(field: Field) -> Self {
        Self { field, value: None, detail: "it is required and must not be empty".to_owned() }
    }
}

/// Clusters whose facts are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Origins {
    #[default]
    All,
    /// Sorted, each once, at least one.
    Only(Arc<[ClusterId]>),
}

impl Origins {
    /// Reads ids; none at all means all clusters.
    pub(crate) fn parse<'a>(ids: impl Iterator<Item = &'a str>) -> Result<Self, BadField> {
        let parse = |id: &str| id.parse::<ClusterId>().map_err(|error| BadField::new(Field::Origin, id, error));
        let mut ids = ids.map(parse).collect::<Result<Vec<_>, _>>()?;
        ids.sort();
        ids.dedup();
        Ok(if ids.is_empty() { Self::All } else { Self::Only(ids.into()) })
    }

    pub(crate) fn accepts(&self, origin: &ClusterId) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.binary_search(origin).is_ok(),
        }
    }
}

/// Instances of which health are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Wellness {
    #[default]
    Any,
    HealthyOnly,
}

impl Wellness {
    pub(crate) fn accepts(self, health: Health) -> bool {
        self == Self::Any || health == Health::Healthy
    }
}

/// Which instances of a service, or which services, are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Filter {
    pub(crate) origins: Origins,
    pub(crate) wellness: Wellness,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ServiceAsk {
    pub(crate) key: ServiceKey,
    pub(crate) filter: Filter,
}

impl ServiceAsk {
    /// `name` may be `GROUP@@NAME`. A missing namespace is `public`, an empty one a namespace of its own, as in Nacos.
    pub(crate) fn new(
        namespace: Option<&str>,
        group: Option<&str>,
        name: &str,
        filter: Filter,
    ) -> Result<Self, BadField> {
        let (group, name) = grouped(group, name)?;
        if name.is_empty() {
            return Err(BadField::missing(Field::ServiceName));
        }
        let key = ServiceKey::new(namespace.unwrap_or(PUBLIC), group.unwrap_or(DEFAULT_GROUP), name);
        Ok(Self { key, filter })
    }
}

impl ServiceTopic for ServiceAsk {
    fn key(&self) -> &ServiceKey {
        &self.key
    }
}

/// Splits `GROUP@@NAME`. A group that is named twice has to be the same one.
fn grouped<'a>(group: Option<&'a str>, name: &'a str) -> Result<(Option<&'a str>, &'a str), BadField> {
    let group = group.filter(|group| !group.is_empty());
    match (group, name.split_once("@@")) {
        (Some(group), Some((other, _))) if group != other => {
            Err(BadField::new(Field::GroupName, group, format_args!("serviceName names the group {other:?}")))
        }
        (_, Some((group, name))) => Ok((Some(group), name)),
        (group, None) => Ok((group, name)),
    }
}

/// One config item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigAsk {
    pub(crate) key: ConfigKey,
    pub(crate) origins: Origins,
}

impl ConfigAsk {
    /// A missing or empty namespace is `public`: Nacos keeps one item for both.
    pub(crate) fn new(
        namespace: Option<&str>,
        group: Option<&str>,
        data_id: &str,
        origins: Origins,
    ) -> Result<Self, BadField> {
        if data_id.is_empty() {
            return Err(BadField::missing(Field::DataId));
        }
        let group = group.filter(|group| !group.is_empty()).unwrap_or(DEFAULT_GROUP);
        let key = ConfigKey::new(config_namespace(namespace.unwrap_or(PUBLIC)), group, data_id);
        Ok(Self { key, origins })
    }
}

fn config_namespace(namespace: &str) -> &str {
    if namespace.is_empty() { PUBLIC } else { namespace }
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// From 1.
    pub(crate) number: u32,
    /// 1 to [`LARGEST_PAGE`].
    pub(crate) size: u32,
}

impl Page {
    /// Missing numbers are the first page and [`DEFAULT_PAGE_SIZE`].
    pub(crate) fn new(number: Option<u32>, size: Option<u32>) -> Result<Self, BadField> {
        let (number, size) = (number.unwrap_or(1), size.unwrap_or(DEFAULT_PAGE_SIZE));
        if number == 0 {
            return Err(BadField::new(Field::PageNo, "0", "pages are counted from 1"));
        }
        if !(1..=LARGEST_PAGE).contains(&size) {
            let detail = format_args!("a page holds 1 to {LARGEST_PAGE} items");
            return Err(BadField::new(Field::PageSize, &size.to_string(), detail));
        }
        Ok(Self { number, size })
    }

    /// How many items come before it.
    pub(crate) fn skipped(self) -> usize {
        let before = u64::from(self.number - 1) * u64::from(self.size);
        usize::try_from(before).unwrap_or(usize::MAX)
    }
}

/// A page of services or config items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListAsk {
    /// Exactly; `None` is all namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) group: Glob,
    pub(crate) name: Glob,
    pub(crate) filter: Filter,
    pub(crate) page: Page,
}

/// What is asked for in pages: how it is named.
pub(crate) trait Listable {
    /// Its name within its group.
    const NAME: Field;
    /// All that a page of it may be asked by.
    const FIELDS: &'static [Field];

    /// The group and the name that were meant.
    fn named<'a>(group: Option<&'a str>, name: &'a str) -> Result<(Option<&'a str>, &'a str), BadField>;

    /// The namespace that was meant.
    fn namespace(namespace: &str) -> &str;
}

/// A name may be `GROUP@@NAME`, of two patterns.
impl Listable for FederatedService {
    const NAME: Field = Field::ServiceName;
    const FIELDS: &'static [Field] = &[
        Field::NamespaceId,
        Field::GroupName,
        Field::ServiceName,
        Field::Origin,
        Field::HealthyOnly,
        Field::PageNo,
        Field::PageSize,
        Field::Query,
        Field::State,
        Field::Sort,
        Field::Detail,
        Field::Facets,
        Field::Cursor,
    ];

    fn named<'a>(group: Option<&'a str>, name: &'a str) -> Result<(Option<&'a str>, &'a str), BadField> {
        grouped(group, name)
    }

    fn namespace(namespace: &str) -> &str {
        namespace
    }
}

impl Listable for FederatedConfig {
    const NAME: Field = Field::DataId;
    const FIELDS: &'static [Field] = &[
        Field::NamespaceId,
        Field::GroupName,
        Field::DataId,
        Field::Origin,
        Field::PageNo,
        Field::PageSize,
        Field::Drift,
    ];

    fn named<'a>(group: Option<&'a str>, name: &'a str) -> Result<(Option<&'a str>, &'a str), BadField> {
        Ok((group, name))
    }

    fn namespace(namespace: &str) -> &str {
        config_namespace(namespace)
    }
}

impl ListAsk {
    /// A page of `L`s. A missing or empty group or name is every one.
    pub(crate) fn of<L: Listable>(
        namespace: Option<&str>,
        group: Option<&str>,
        name: Option<&str>,
        filter: Filter,
        page: Page,
    ) -> Result<Self, BadField> {
        let (group, name) = L::named(group, name.unwrap_or(""))?;
        let (group, name) = (pattern(Field::GroupName, group)?, pattern(L::NAME, Some(name))?);
        let namespace = namespace.map(|name| L::namespace(name).to_owned());
        Ok(Self { namespace, group, name, filter, page })
    }
}

/// A plan for a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolveAsk<'a> {
    pub(crate) key: ServiceKey,
    pub(crate) caller: CallerAsk<'a>,
    pub(crate) excerpt: PlanExcerpt,
}

/// What was said of a caller, as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerParts<'a> {
    pub(crate) region: Option<Cow<'a, str>>,
    pub(crate) zone: Option<Cow<'a, str>>,
    pub(crate) sub_zone: Option<Cow<'a, str>>,
    pub(crate) network: Option<Cow<'a, str>>,
    pub(crate) cluster: Option<Cow<'a, str>>,
    pub(crate) labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> CallerParts<'a> {
    /// A place needs the parts above each of its parts: zones are unique only within a region. The empty region is none, and
    /// that is said, too. Blanks around names and labels are none of them, as with what registrants say.
    pub(crate) fn check(self) -> Result<CallerAsk<'a>, BadField> {
        let Self { region, zone, sub_zone, network, cluster, labels } = self;
        let [region, zone, sub_zone, network, cluster] =
            [region, zone, sub_zone, network, cluster].map(|part| part.map(trimmed));
        let mut labels: Vec<_> = labels.into_iter().map(|(name, value)| (trimmed(name), trimmed(value))).collect();
        let parts = [
            (Field::Region, &region),
            (Field::Zone, &zone),
            (Field::SubZone, &sub_zone),
            (Field::Network, &network),
            (Field::Cluster, &cluster),
        ];
        for (field, part) in parts {
            part.iter().try_for_each(|part| short(field, part))?;
        }
        check_labels(&mut labels)?;
        let region_said = region.is_some();
        let [region, zone, sub_zone] = [region, zone, sub_zone].map(|part| part.filter(|part| !part.is_empty()));
        if let (None, Some(zone)) = (&region, &zone) {
            return Err(BadField::new(Field::Zone, zone, "a zone is unique only within its region, which is missing"));
        }
        if let (None, Some(sub_zone)) = (&zone, &sub_zone) {
            let detail = "a sub-zone is unique only within its zone, which is missing";
            return Err(BadField::new(Field::SubZone, sub_zone, detail));
        }
        let place = region_said.then_some(PlaceAsk { region, zone, sub_zone });
        Ok(CallerAsk { place, network, cluster, labels })
    }
}

/// The text without blanks around it; not copied where there are none.
fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

fn check_labels(labels: &mut [(Cow<'_, str>, Cow<'_, str>)]) -> Result<(), BadField> {
    if labels.len() > MOST_LABELS {
        let detail = format_args!("a caller has at most {MOST_LABELS} labels");
        return Err(BadField::new(Field::Label, &labels.len().to_string(), detail));
    }
    for (name, value) in &*labels {
        if name.is_empty() {
            return Err(BadField::new(Field::Label, name, "a label has a name"));
        }
        short(Field::Label, name)?;
        short(Field::Label, value)?;
    }
    labels.sort();
    match labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(BadField::new(Field::Label, &pair[0].0, "it is given twice")),
        None => Ok(()),
    }
}

fn short(field: Field, part: &str) -> Result<(), BadField> {
    if part.len() <= LONGEST_PART {
        return Ok(());
    }
    let beginning: String = part.chars().take(32).chain(['…']).collect();
    let detail = format_args!("it is {} bytes long, at most {LONGEST_PART} are allowed", part.len());
    Err(BadField::new(field, &beginning, detail))
}

/// Nothing and the empty text are every name.
fn pattern(field: Field, text: Option<&str>) -> Result<Glob, BadField> {
    match text.filter(|text| !text.is_empty()) {
        None => Ok(Glob::any()),
        Some(text) => text.parse().map_err(|error| BadField::new(field, text, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_as_nacos_names_it() {
        let key = |namespace, group, name| {
            ServiceAsk::new(namespace, group, name, Filter::default()).map(|ask| ask.key.to_string())
        };
        for (namespace, group, name, want) in [
            (None, None, "s", Ok("public/DEFAULT_GROUP@@s")),
            (Some(""), None, "s", Ok("/DEFAULT_GROUP@@s")),
            (Some("dev"), Some("g"), "s", Ok("dev/g@@s")),
            (None, None, "g@@s", Ok("public/g@@s")),
            (None, Some("g"), "g@@s", Ok("public/g@@s")),
            (None, Some(""), "s", Ok("public/DEFAULT_GROUP@@s")),
            (None, Some("h"), "g@@s", Err(Field::GroupName)),
            (None, None, "", Err(Field::ServiceName)),
            (None, None, "g@@", Err(Field::ServiceName)),
        ] {
            let found = key(namespace, group, name).map_err(|bad| bad.field);
            assert_eq!(found, want.map(str::to_owned), "{namespace:?} {group:?} {name:?}");
        }
    }

    #[test]
    fn the_empty_namespace_of_a_config_item_is_public() {
        for namespace in [None, Some(""), Some("public")] {
            let ask = ConfigAsk::new(namespace, None, "d", Origins::All).unwrap();
            assert_eq!(ask.key.to_string(), "public/DEFAULT_GROUP/d", "{namespace:?}");
        }
    }

    #[test]
    fn a_part_of_a_place_needs_the_parts_above_it() {
        let check = |region: Option<&'static str>, zone: Option<&'static str>, sub_zone: Option<&'static str>| {
            let [region, zone, sub_zone] = [region, zone, sub_zone].map(|part| part.map(Cow::Borrowed));
            CallerParts { region, zone, sub_zone, ..CallerParts::default() }.check().map_err(|bad| bad.field)
        };
        let place = |parts: [Option<&'static str>; 3]| {
            let [region, zone, sub_zone] = parts.map(|part| part.map(Cow::Borrowed));
            Ok(Some(PlaceAsk { region, zone, sub_zone }))
        };
        for (parts, want) in [
            ([None, None, None], Ok(None)),
            ([None, Some(""), None], Ok(None)),
            ([Some(""), None, None], place([None, None, None])),
            ([Some("r"), Some(""), None], place([Some("r"), None, None])),
            ([Some("r"), Some("z"), Some("s")], place([Some("r"), Some("z"), Some("s")])),
            ([None, Some("z"), None], Err(Field::Zone)),
            ([Some(""), Some("z"), None], Err(Field::Zone)),
            ([Some(" r "), Some("z\t"), Some(" ")], place([Some("r"), Some("z"), None])),
            ([Some(" "), Some("z"), None], Err(Field::Zone)),
            ([Some("r"), None, Some("s")], Err(Field::SubZone)),
        ] {
            assert_eq!(check(parts[0], parts[1], parts[2]).map(|caller| caller.place), want, "{parts:?}");
        }
    }

    #[test]
    fn labels_have_names_once_and_bounds() {
        let check = |labels: Vec<(String, String)>| {
            let labels = labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            CallerParts { labels, ..CallerParts::default() }.check()
        };
        let label = |name: &str| (name.to_owned(), String::new());
        let sorted = check(vec![label("b"), label("a")]).unwrap().labels;
        assert_eq!((&*sorted[0].0, &*sorted[1].0), ("a", "b"));
        let many = |count: usize| (0..count).map(|number| label(&number.to_string())).collect();
        assert!(check(many(MOST_LABELS)).is_ok());
        for wrong in [
            vec![label("a"), label("a")],
            vec![label("")],
            many(MOST_LABELS + 1),
            vec![label(&"x".repeat(LONGEST_PART + 1))],
        ] {
            assert_eq!(check(wrong).map_err(|bad| bad.field), Err(Field::Label));
        }
    }

    #[test]
    fn pages_are_counted_from_one_and_hold_at_most_a_thousand() {
        assert_eq!(Page::new(None, None), Ok(Page { number: 1, size: 100 }));
        assert_eq!(Page::new(Some(u32::MAX), Some(1000)).map(Page::skipped), Ok(4_294_967_294_000));
        for (number, size, field) in [(0, 1, Field::PageNo), (1, 0, Field::PageSize), (1, 1001, Field::PageSize)] {
            assert_eq!(Page::new(Some(number), Some(size)).map_err(|bad| bad.field), Err(field));
        }
    }
}
