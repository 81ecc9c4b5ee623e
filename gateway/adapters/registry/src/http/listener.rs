//! The long poll for config items, `/v1/cs/configs/listener`, by which clients up to 1.4 and SDKs without gRPC hear of changes.
//!
//! A client names the items that it holds with their MD5. What differs is told at once; else the answer waits until something does, or until half a second before
//! the client would give up. The client reads the items itself, and asks again.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use federation_core::id::ConfigKey;
use nacos_protocol::web::ParamFailure;
use tokio::sync::oneshot;

use super::Api;
use super::answer::{Failure, V1, bare, json_text};
use super::params::Params;
use crate::check::check_config;
use crate::configs::config_key;
use crate::polls::{KnownItem, MOST_ITEMS_EACH};
use crate::store::RegistryStore;

/// How long the client waits, in ms; without this header it wants an answer at once.
const TIMEOUT: &str = "Long-Pulling-Timeout";
/// The client wants an answer at once although it names a time-out: it has just begun to listen to an item.
const NO_HANGUP: &str = "Long-Pulling-Timeout-No-Hangup";
/// The answer comes so long before the client gives up.
const AHEAD: Duration = Duration::from_millis(500);
/// No wait is shorter, as in Nacos.
const SHORTEST: Duration = Duration::from_secs(10);
/// Nor longer, unlike there: a client that waits for days holds a place as long, and asks again anyway.
const LONGEST: Duration = Duration::from_secs(60);

/// Ends a field, and an item.
const FIELD_END: char = '\u{2}';
const ITEM_END: char = '\u{1}';

/// POST of version 1.
pub(super) async fn listen(State(api): State<Api>, headers: HeaderMap, params: Params) -> Result<Response, V1> {
    let known = match parse(params.get("Listening-Configs").unwrap_or_default()) {
        Ok(known) => known,
        Err(Malformed::Bare) => return Ok(bare(StatusCode::BAD_REQUEST)),
        Err(Malformed::Told) => return Err(ParamFailure::Invalid("invalid probeModify".into()).into()),
    };
    known.iter().try_for_each(|item| check_config(&item.key))?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let patience = match (header(TIMEOUT), header(NO_HANGUP)) {
        (None, _) => Patience::None,
        (Some(_), Some("true")) => Patience::NoneNow,
        (Some(text), _) => Patience::Until(text.to_owned()),
    };
    answer(&api, known, patience).await.map_err(V1::from)
}

/// How long a client waits.
enum Patience {
    /// It does not, and reads headers.
    None,
    /// It does not this time.
    NoneNow,
    /// So many ms, as it wrote them.
    Until(String),
}

async fn answer(api: &Api, known: Vec<KnownItem>, patience: Patience) -> Result<Response, Failure> {
    let wait = match &patience {
        Patience::Until(text) => wait(text),
        Patience::None | Patience::NoneNow => Ok(Duration::ZERO),
    };
    let waits = matches!(&patience, Patience::Until(_)) && wait.is_ok();
    let (tell, told) = oneshot::channel();
    let asked = api.handle.ask(move |store, _| {
        let changed: Vec<KnownItem> = known.iter().filter(|item| differs(store, item)).cloned().collect();
        match changed.is_empty() && waits {
            true => store.polls.wait(tell, known).map(|()| changed),
            false => Ok(changed),
        }
    });
    let changed = asked.await??;
    if matches!(patience, Patience::None) {
        return Ok(by_headers(&changed));
    }
    if !changed.is_empty() || matches!(patience, Patience::NoneNow) {
        return Ok(by_body(&changed));
    }
    // A registry that stops tells nobody: the client asks again, and hears by its MD5.
    let changed = tokio::time::timeout(wait?, told).await.ok().and_then(Result::ok).unwrap_or_default();
    Ok(by_body(&changed))
}

/// How long a client that names this time-out is let wait.
fn wait(text: &str) -> Result<Duration, Failure> {
    let ms = text.parse().map_err(|_| ParamFailure::NotANumber(text.to_owned()))?;
    Ok(Duration::from_millis(ms).saturating_sub(AHEAD).clamp(SHORTEST, LONGEST))
}

fn differs(store: &RegistryStore, item: &KnownItem) -> bool {
    // What cannot be read is neither there nor absent: nothing is known to have changed.
    store.configs.look(&item.key).is_ok_and(|found| found.map_or("", |found| &*found.md5) != item.md5)
}

/// What cannot be read as a list of items.
enum Malformed {
    /// Nacos says so.
    Told,
    /// Nacos says no more than the status.
    Bare,
}

/// Reads items `dataId^2group^2md5^1` or `dataId^2group^2md5^2tenant^1`. What has no end is not there yet, and is not looked at.
fn parse(text: &str) -> Result<Vec<KnownItem>, Malformed> {
    if text.trim().is_empty() {
        return Err(Malformed::Told);
    }
    // Nacos decodes once more what its web server has decoded: some clients encode twice.
    let text = percent_decoded(text);
    let Some((whole, _)) = text.rsplit_once(ITEM_END) else {
        return if text.contains(FIELD_END) { Ok(Vec::new()) } else { Err(Malformed::Bare) };
    };
    let items: Vec<&str> = whole.split(ITEM_END).collect();
    if items.len() > MOST_ITEMS_EACH {
        return Err(Malformed::Told);
    }
    items.into_iter().map(item).collect()
}

fn item(text: &str) -> Result<KnownItem, Malformed> {
    let fields: Vec<&str> = text.split(FIELD_END).collect();
    let (data_id, group, md5, tenant) = match *fields {
        [data_id, group, md5] => (data_id, group, md5, ""),
        [data_id, group, md5, tenant] => (data_id, group, md5, tenant),
        _ if fields.len() < 3 => return Err(Malformed::Told),
        _ => return Err(Malformed::Bare),
    };
    Ok(KnownItem { key: config_key(tenant, group, data_id), tenant: tenant.to_owned(), md5: md5.to_owned() })
}

fn percent_decoded(text: &str) -> String {
    // A form whose one name is empty: the same decoding as of any form.
    let form = format!("={}", text.replace('&', "%26"));
    url::form_urlencoded::parse(form.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

/// The items as clients of the long poll read them: percent-encoded as a whole.
fn by_body(changed: &[KnownItem]) -> Response {
    if changed.is_empty() {
        return json_text("");
    }
    let text: String = changed.iter().map(|KnownItem { key, tenant, .. }| line(key, tenant)).collect();
    let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    ([(axum::http::header::CONTENT_TYPE, "application/json;charset=UTF-8")], format!("{encoded}\n")).into_response()
}

fn line(key: &ConfigKey, tenant: &str) -> String {
    let end = if tenant.is_empty() { String::new() } else { format!("{FIELD_END}{tenant}") };
    format!("{}{FIELD_END}{}{end}{ITEM_END}", key.data_id(), key.group())
}

/// The items as the oldest clients read them.
fn by_headers(changed: &[KnownItem]) -> Response {
    let old: String =
        changed.iter().map(|KnownItem { key, .. }| format!("{}:{};", key.data_id(), key.group())).collect();
    let new: String = changed.iter().map(|KnownItem { key, tenant, .. }| line(key, tenant)).collect();
    let new: String = url::form_urlencoded::byte_serialize(new.as_bytes()).collect();
    ([("Probe-Modify-Response", old), ("Probe-Modify-Response-New", new)], json_text("")).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nacos_protocol::server::ClientSessions;

    use super::*;
    use crate::access::Access;
    use crate::keeping::Keeping;
    use crate::owner::Owner;
    use crate::polls::MOST_POLLS;

    fn shown(text: &str) -> Result<String, &'static str> {
        match parse(text) {
            Ok(known) => {
                Ok(known.iter().map(|it| format!("{}|{}|{}", it.key, it.tenant, it.md5)).collect::<Vec<_>>().join(" "))
            }
            Err(Malformed::Told) => Err("told"),
            Err(Malformed::Bare) => Err("bare"),
        }
    }

    fn open() -> Api {
        let store = RegistryStore::default();
        let (owner, handle) = Owner::new(store, ClientSessions::default(), Duration::ZERO, Keeping::nowhere());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(owner.run(tokio_util::sync::CancellationToken::new()));
        tasks.detach_all(); // It ends when nobody can ask it any more.
        Api { handle, access: Arc::new(Access::new(None, 7)) }
    }

    fn known(data_id: &str) -> Vec<KnownItem> {
        vec![KnownItem { key: config_key("", "g", data_id), tenant: String::new(), md5: String::new() }]
    }

    #[test]
    fn a_poll_is_answered_half_a_second_before_the_client_gives_up() {
        for (timeout, want) in [("30000", 29_500), ("0", 10_000), ("86400000", 60_000)] {
            assert_eq!(wait(timeout).unwrap().as_millis(), want, "{timeout}");
        }
        for odd in ["soon", "-1", "", "1e3"] {
            assert!(wait(odd).is_err(), "{odd:?}");
        }
    }

    #[tokio::test]
    async fn polls_beyond_the_bound_are_refused_until_others_have_gone() {
        let api = open();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..MOST_POLLS {
            let api = api.clone();
            waiting.spawn(async move { answer(&api, known("d"), Patience::Until("30000".into())).await.is_ok() });
        }
        while api.handle.ask(|store, _| store.polls.len()).await.unwrap() < MOST_POLLS {
            tokio::task::yield_now().await;
        }
        let refused = answer(&api, known("d"), Patience::Until("30000".into())).await;
        assert!(matches!(refused, Err(Failure::TooMany(_))));
        waiting.shutdown().await; // Their clients go away.
        while api.handle.ask(|store, _| store.polls.len()).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut again = tokio::task::JoinSet::new();
        let ask = api.clone();
        again.spawn(async move { answer(&ask, known("d"), Patience::Until("30000".into())).await.is_ok() });
        while api.handle.ask(|store, _| store.polls.len()).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_list_of_items_is_read_as_clients_write_it() {
        for (text, want) in [
            ("d\u{2}g\u{2}m\u{1}", Ok("public/g/d||m")),
            ("d\u{2}g\u{2}\u{1}", Ok("public/g/d||")),
            ("d\u{2}g\u{2}m\u{2}t\u{1}e\u{2}g\u{2}\u{2}\u{1}", Ok("t/g/d|t|m public/g/e||")),
            ("d%02g%02m%01", Ok("public/g/d||m")),
            ("d\u{2}g\u{2}m\u{1}e\u{2}g", Ok("public/g/d||m")),
            ("d\u{2}g\u{2}m", Ok("")),
            ("", Err("told")),
            ("d\u{2}g\u{1}", Err("told")),
            ("abc", Err("bare")),
            ("a\u{2}b\u{2}c\u{2}d\u{2}e\u{1}", Err("bare")),
        ] {
            assert_eq!(shown(text).as_deref(), want.as_deref(), "{text:?}");
        }
        let many = |count: usize| "d\u{2}g\u{2}\u{1}".repeat(count);
        assert!(parse(&many(MOST_ITEMS_EACH)).is_ok() && parse(&many(MOST_ITEMS_EACH + 1)).is_err());
    }
}
