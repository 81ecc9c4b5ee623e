//! What somebody asks for who follows what changes: streams of signals, and what is remembered of changes.

use federation_core::id::ClusterId;
use federation_core::search::NameSearch;
use federation_core::time::{Millis, WallMs};
use federation_view::view::history::{ChangeKind, ChangeRecord, ChangeSubject};

use super::{BadField, ConfigAsk, DEFAULT_PAGE_SIZE, Field, Filter, LARGEST_PAGE, Origins, ServiceAsk};

/// Whose changes are counted in a stream of signals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NewsAsk {
    search: Option<NameSearch>,
    namespace: Option<String>,
    pub(crate) origins: Origins,
}

impl NewsAsk {
    pub(crate) fn new(search: Option<NameSearch>, namespace: Option<&str>, origins: Origins) -> Self {
        Self { search, namespace: namespace.map(str::to_owned), origins }
    }

    /// Whether something of this namespace, group and name is meant.
    pub(crate) fn means(&self, parts: [&str; 3]) -> bool {
        let found = |search: &NameSearch| parts.into_iter().any(|part| search.finds(part));
        self.namespace.as_deref().is_none_or(|wanted| wanted == parts[0]) && self.search.as_ref().is_none_or(found)
    }
}

/// Which changes are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangesAsk {
    /// One service or config item; `None` is everything.
    pub(crate) subject: Option<ChangeSubject>,
    pub(crate) namespace: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) cluster: Option<ClusterId>,
    /// None is all.
    pub(crate) kinds: Vec<ChangeKind>,
    pub(crate) since: Option<SinceAsk>,
    /// 1 to [`LARGEST_PAGE`].
    pub(crate) limit: usize,
    /// Ids below this.
    pub(crate) below: u64,
}

impl ChangesAsk {
    pub(crate) const KINDS: &'static str =
        "one of instance, config, freshness, drain, hold, policy, leader, gateway, excluded is needed";

    pub(crate) fn subject(
        namespace: Option<&str>,
        group: Option<&str>,
        service: Option<&str>,
        data_id: Option<&str>,
    ) -> Result<Option<ChangeSubject>, BadField> {
        match (service, data_id) {
            (Some(_), Some(data_id)) => {
                Err(BadField::new(Field::DataId, data_id, "a service is named already: one of both is needed"))
            }
            (Some(name), None) => {
                let ask = ServiceAsk::new(namespace, group, name, Filter::default())?;
                Ok(Some(ChangeSubject::Service(ask.key)))
            }
            (None, Some(data_id)) => {
                let ask = ConfigAsk::new(namespace, group, data_id, Origins::All)?;
                Ok(Some(ChangeSubject::Config(ask.key)))
            }
            (None, None) => Ok(None),
        }
    }

    pub(crate) fn limit(limit: Option<u32>) -> Result<usize, BadField> {
        match limit.unwrap_or(DEFAULT_PAGE_SIZE) {
            limit @ 1..=LARGEST_PAGE => Ok(limit as usize),
            wrong => {
                let detail = format_args!("a number from 1 to {LARGEST_PAGE} is needed");
                Err(BadField::new(Field::Limit, &wrong.to_string(), detail))
            }
        }
    }

    /// Whether a change is meant, but for when it was.
    pub(crate) fn means(&self, record: &ChangeRecord) -> bool {
        let (namespace, group) = match &record.subject {
            ChangeSubject::Service(key) => (Some(key.namespace()), Some(key.group())),
            ChangeSubject::Config(key) => (Some(key.namespace()), Some(key.group())),
            ChangeSubject::Hold(target) => (Some(&**target.namespace()), None),
            _ => (None, None),
        };
        let named = self.subject.is_some() // Its names were understood with it.
            || (self.namespace.as_deref().is_none_or(|wanted| namespace == Some(wanted))
                && self.group.as_deref().is_none_or(|wanted| group == Some(wanted)));
        named
            && self.cluster.as_ref().is_none_or(|wanted| record.origin.as_ref() == Some(wanted))
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
    }
}

/// From when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SinceAsk {
    /// So long ago.
    Ago(Millis),
    /// At this time.
    At(WallMs),
}

impl SinceAsk {
    /// A number with `ms`, `s`, `m`, `h` or `d`, or unix ms.
    pub(crate) fn parse(text: &str) -> Result<Self, BadField> {
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let wrong =
            || BadField::new(Field::Since, text, "a time before now like 90s, 10m, 2h or 1d, or unix ms, is needed");
        let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
        let unit = match &text[digits..] {
            "" => return Ok(Self::At(WallMs(number))),
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        Ok(Self::Ago(Millis(number.saturating_mul(unit))))
    }

    pub(crate) fn before(self, now: WallMs) -> WallMs {
        match self {
            Self::Ago(ago) => WallMs(now.0.saturating_sub(ago.0)),
            Self::At(at) => at,
        }
    }
}
