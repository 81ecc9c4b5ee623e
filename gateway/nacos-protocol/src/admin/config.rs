//! All config items of a namespace, and everything kept about one.

use serde::Deserialize;
use serde::de::Error as _;

use super::dialect::Dialect;
use super::{AdminClient, AdminError, answer, namespace_parameter};
use crate::client::ConfigName;
use crate::paging::{self, Page, Turning};

const DIALECTS: [Dialect; 3] = [Dialect::V3, Dialect::V2, Dialect::V1];
/// Small pages where a listing brings contents along: each may be 10 MiB, though hardly one in a thousand is.
const TURNING: Turning = Turning { page_size: 50, one_page_at_most: 0 };

/// A config item in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Which, with the namespace as the server writes it: that is how gRPC has to ask for it. 2.x writes `""` for `public`, and keeps apart
    /// what was written under `public`: [`AdminClient::config_keys_apart`].
    pub name: ConfigName,
    /// Format, for example `yaml`; empty where none was said.
    pub content_type: String,
    /// Application that owns the item; empty where none was said.
    pub app_name: String,
    /// Of the content, where the listing says it.
    pub md5: Option<String>,
    /// Wall clock of the server at the last change, in ms, where the listing says it.
    pub modified_ms: Option<i64>,
}

/// A config item with all that is kept about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigDetail {
    /// Content.
    pub content: String,
    /// Of the content, lower-case hex.
    pub md5: String,
    /// Format; empty where none was said.
    pub content_type: String,
    /// Application that owns the item; empty where none was said.
    pub app_name: String,
    /// For people; empty where none was said.
    pub description: String,
    /// Labels, in the server's order.
    pub tags: Vec<String>,
    /// Belongs to the client-side encryption plugin; empty for plain content.
    pub encrypted_data_key: String,
    /// Who wrote it first; empty where that is not known.
    pub created_by: String,
    /// Wall clock of the server at the last change, in ms.
    pub modified_ms: i64,
}

/// Field names of 2.x and 3.x side by side.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEntry {
    data_id: String,
    group: Option<String>,
    group_name: Option<String>,
    tenant: Option<String>,
    namespace_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    app_name: Option<String>,
    md5: Option<String>,
    modify_time: Option<i64>,
    last_modified: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPage {
    total_count: usize,
    page_items: Vec<RawEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDetail {
    content: String,
    md5: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    app_name: Option<String>,
    desc: Option<String>,
    config_tags: Option<String>,
    encrypted_data_key: Option<String>,
    create_user: Option<String>,
    modify_time: Option<i64>,
}

impl AdminClient {
    /// All config items of a namespace, without content, sorted by name. `""` and `public` both mean the default namespace.
    ///
    /// # Errors
    ///
    /// Any [`AdminError`]. The listing comes in one piece, so a broken one cannot be read at all.
    pub async fn config_keys(&self, namespace: &str) -> Result<Vec<ConfigEntry>, AdminError> {
        self.config_keys.call(&DIALECTS, |dialect| self.config_keys_in(dialect, namespace)).await
    }

    /// The config items of the default namespace that a 2.x server keeps under the id `public`, apart from those under `""`: 3.x clients
    /// write there, and [`AdminClient::config_keys`] does not have them. Without MD5 and time, sorted by name. Empty for a 3.x server, as far as
    /// [`AdminClient::config_keys`] has found out which it is.
    ///
    /// # Errors
    ///
    /// Any [`AdminError`].
    pub async fn config_keys_apart(&self) -> Result<Vec<ConfigEntry>, AdminError> {
        if self.config_keys.last(&DIALECTS) == Dialect::V3 {
            return Ok(Vec::new());
        }
        let page = |number, size| self.config_keys_apart_page(number, size);
        let name = |entry: &RawEntry| (entry.group.clone(), entry.group_name.clone(), entry.data_id.clone());
        let raw = paging::collect(TURNING, page, name).await?.ok_or(AdminError::NotOffered)?;
        read_entries("v1/cs/configs", raw)
    }

    async fn config_keys_apart_page(&self, number: u32, size: usize) -> Result<Option<Page<RawEntry>>, AdminError> {
        let path = "v1/cs/configs";
        let (number, size) = (number.to_string(), size.to_string());
        let query = [
            ("search", "accurate"),
            ("tenant", super::DEFAULT_NAMESPACE),
            ("dataId", ""),
            ("group", ""),
            ("pageNo", &number),
            ("pageSize", &size),
        ];
        let answer = self.get(path, &query).await?.ok_or(AdminError::NotOffered)?;
        let RawPage { total_count, page_items } = answer::bare(path, &answer)?;
        Ok(Some(Page { announced: total_count, items: page_items }))
    }

    async fn config_keys_in(&self, dialect: Dialect, namespace: &str) -> Result<Vec<ConfigEntry>, AdminError> {
        let (path, parameter) = match dialect {
            Dialect::V3 => ("v3/admin/cs/history/configs", "namespaceId"),
            Dialect::V2 => ("v2/cs/history/configs", "namespaceId"),
            Dialect::V1 => ("v1/cs/history/configs", "tenant"),
        };
        let query = [(parameter, namespace_parameter(namespace))];
        let answer = self.get(path, &query).await?.ok_or(AdminError::NotOffered)?;
        let raw: Vec<RawEntry> = match dialect {
            Dialect::V3 | Dialect::V2 => answer::wrapped(path, &answer)?,
            Dialect::V1 => answer::bare(path, &answer)?,
        };
        read_entries(path, raw)
    }

    /// Everything kept about one config item; `None` if the server says that there is none. `""` means the default namespace; `public`
    /// too, but on 2.x it is what is kept apart from that.
    ///
    /// # Errors
    ///
    /// Any [`AdminError`].
    pub async fn config_detail(&self, config: &ConfigName) -> Result<Option<ConfigDetail>, AdminError> {
        let dialects = [Dialect::V3, Dialect::V1];
        self.config_detail.call(&dialects, |dialect| self.config_detail_in(dialect, config)).await
    }

    async fn config_detail_in(
        &self,
        dialect: Dialect,
        config: &ConfigName,
    ) -> Result<Option<ConfigDetail>, AdminError> {
        match dialect {
            Dialect::V3 => {
                let path = "v3/admin/cs/config";
                let query = [
                    ("namespaceId", namespace_parameter(&config.namespace)),
                    ("groupName", &config.group),
                    ("dataId", &config.data_id),
                ];
                let Some(answer) = self.get(path, &query).await? else { return Ok(None) };
                answer::wrapped(path, &answer).map(|raw: RawDetail| Some(raw.into()))
            }
            Dialect::V2 | Dialect::V1 => {
                let path = "v1/cs/configs";
                // Here `public` is not taken for the default namespace, and `""` is.
                let (tenant, group, data_id) = (&*config.namespace, &*config.group, &*config.data_id);
                let query = [("show", "all"), ("tenant", tenant), ("group", group), ("dataId", data_id)];
                let Some(answer) = self.get(path, &query).await? else { return Ok(None) };
                if answer.body.is_empty() {
                    return Ok(None); // How 2.x says that there is none.
                }
                answer::bare(path, &answer).map(|raw: RawDetail| Some(raw.into()))
            }
        }
    }
}

/// The entries of a whole listing. One without a group is left out; a listing of such entries alone is none of config items.
fn read_entries(path: &'static str, raw: Vec<RawEntry>) -> Result<Vec<ConfigEntry>, AdminError> {
    let listed = raw.len();
    let entries: Vec<ConfigEntry> = raw.into_iter().filter_map(RawEntry::read).collect();
    match entries.is_empty() && listed > 0 {
        false => Ok(once_each(entries)),
        true => Err(AdminError::Malformed { path, source: serde_json::Error::missing_field("group") }),
    }
}

/// Sorted by name, each name once. Of several entries of one name the one that was changed last counts, in whatever order they came: else
/// an item that is listed twice would look changed at each listing.
fn once_each(mut entries: Vec<ConfigEntry>) -> Vec<ConfigEntry> {
    let rank = |entry: &ConfigEntry| (entry.modified_ms, entry.md5.clone(), entry.content_type.clone());
    entries.sort_by(|one, other| one.name.cmp(&other.name).then_with(|| rank(other).cmp(&rank(one))));
    entries.dedup_by(|later, first| later.name == first.name);
    entries
}

impl RawEntry {
    /// `None` for an entry without a group, which old databases may hold: no call can ask for it, and it hides no other.
    fn read(self) -> Option<ConfigEntry> {
        let group = self.group.or(self.group_name)?;
        let namespace = self.tenant.or(self.namespace_id).unwrap_or_default();
        Some(ConfigEntry {
            name: ConfigName::new(namespace, group, self.data_id),
            content_type: self.kind.unwrap_or_default(),
            app_name: self.app_name.unwrap_or_default(),
            md5: self.md5.filter(|md5| !md5.is_empty()),
            modified_ms: self.modify_time.or(self.last_modified).filter(|at| *at > 0),
        })
    }
}

impl From<RawDetail> for ConfigDetail {
    fn from(raw: RawDetail) -> Self {
        let tags = raw.config_tags.unwrap_or_default();
        Self {
            content: raw.content,
            md5: raw.md5.unwrap_or_default(),
            content_type: raw.kind.unwrap_or_default(),
            app_name: raw.app_name.unwrap_or_default(),
            description: raw.desc.unwrap_or_default(),
            tags: tags.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
            encrypted_data_key: raw.encrypted_data_key.unwrap_or_default(),
            created_by: raw.create_user.unwrap_or_default(),
            modified_ms: raw.modify_time.unwrap_or_default(),
        }
    }
}
