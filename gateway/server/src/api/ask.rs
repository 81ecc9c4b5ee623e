//! What somebody asks for, after parsing: the same for every face.

use std::fmt;
use std::sync::Arc;

use federation_core::id::{ClusterId, ConfigKey, ServiceKey};
use federation_core::instance::Health;
use federation_core::pattern::Glob;

/// The namespace of one item when none is named.
pub(crate) const PUBLIC: &str = "public";
/// The group of one item when none is named.
pub(crate) const DEFAULT_GROUP: &str = "DEFAULT_GROUP";
/// Items of a page when no number is named.
pub(crate) const DEFAULT_PAGE_SIZE: u32 = 100;
/// Most items of a page.
pub(crate) const LARGEST_PAGE: u32 = 1000;

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

impl ListAsk {
    /// Services; `name` may be `GROUP@@NAME`, of two patterns.
    pub(crate) fn services(
        namespace: Option<&str>,
        group: Option<&str>,
        name: Option<&str>,
        filter: Filter,
        page: Page,
    ) -> Result<Self, BadField> {
        let (group, name) = grouped(group, name.unwrap_or(""))?;
        let (group, name) = (pattern(Field::GroupName, group)?, pattern(Field::ServiceName, Some(name))?);
        Ok(Self { namespace: namespace.map(str::to_owned), group, name, filter, page })
    }

    /// Config items.
    pub(crate) fn configs(
        namespace: Option<&str>,
        group: Option<&str>,
        data_id: Option<&str>,
        origins: Origins,
        page: Page,
    ) -> Result<Self, BadField> {
        let (group, name) = (pattern(Field::GroupName, group)?, pattern(Field::DataId, data_id)?);
        let filter = Filter { origins, wellness: Wellness::Any };
        Ok(Self { namespace: namespace.map(|name| config_namespace(name).to_owned()), group, name, filter, page })
    }
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
    fn pages_are_counted_from_one_and_hold_at_most_a_thousand() {
        assert_eq!(Page::new(None, None), Ok(Page { number: 1, size: 100 }));
        assert_eq!(Page::new(Some(u32::MAX), Some(1000)).map(Page::skipped), Ok(4_294_967_294_000));
        for (number, size, field) in [(0, 1, Field::PageNo), (1, 0, Field::PageSize), (1, 1001, Field::PageSize)] {
            assert_eq!(Page::new(Some(number), Some(size)).map_err(|bad| bad.field), Err(field));
        }
    }
}
