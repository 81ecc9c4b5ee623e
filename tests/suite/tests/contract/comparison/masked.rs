//! Answers without what differs from run to run, and without what is known to differ everywhere.
//!
//! What is set aside everywhere, and why:
//! - times, ids of items and connections, tokens, figures of the machine: they are of the moment;
//! - `allIPs` (2.x) and `allIps` (3.x), of which the embedded registry sends both: clients of both lines read one of them. `!raw` shows them;
//! - over gRPC, what Nacos derives from an instance's metadata (`instanceHeartBeatInterval`, `instanceHeartBeatTimeOut`, `ipDeleteTimeout`,
//!   `instanceIdGenerator`, `valid`): clients derive it themselves, and in pushes it would be a third of the bytes;
//! - the order of lists: Nacos's is that of a hash table;
//! - namespaces but the default one, which other tests make.

use std::fmt::Write as _;

use serde_json::Value;

/// Fields of the moment.
const OF_THE_MOMENT: [&str; 28] = [
    "lastRefTime",
    "timestamp",
    "lastModified",
    "lastModifiedTs",
    "createTime",
    "modifyTime",
    "createdTime",
    "accessToken",
    "connectionId",
    "id",
    "createUser",
    "createIp",
    "cpu",
    "load",
    "mem",
    "configCount",
    "version",
    "server_port",
    "serviceCount",
    "instanceCount",
    "responsibleInstanceCount",
    "subscribeCount",
    "clientCount",
    "connectionBasedClientCount",
    "ephemeralIpPortClientCount",
    "persistentIpPortClientCount",
    "responsibleClientCount",
    "longPolls",
];
/// Fields by which the lines name one thing.
const ALL_IPS: [&str; 2] = ["allIPs", "allIps"];
/// Derived from metadata.
const DERIVED: [&str; 5] =
    ["instanceHeartBeatInterval", "instanceHeartBeatTimeOut", "ipDeleteTimeout", "instanceIdGenerator", "valid"];
/// Lists whose order means nothing.
const UNORDERED: [&str; 6] = ["hosts", "doms", "services", "serviceNames", "pageItems", "data"];

/// `$s`, `$x9` and `$w9` in a call.
pub(super) fn named(text: &str, service: &str) -> String {
    let mut named = String::new();
    let mut parts = text.split('$');
    named.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (kind, rest) = part.split_at(1);
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let count = rest[..digits].parse().unwrap_or(0);
        match kind {
            "s" => write!(named, "{service}{rest}").expect("writing to memory cannot fail"),
            "x" => named.push_str(&("x".repeat(count) + &rest[digits..])),
            "w" => named.push_str(&("%E2%82%AC".repeat(count) + &rest[digits..])),
            _ => panic!("${kind} means nothing"),
        }
    }
    named
}

/// An answer's body, without what is named above.
pub(super) fn masked(body: &str, service: &str, raw: bool) -> String {
    let text = match serde_json::from_str::<Value>(body) {
        Ok(mut json @ (Value::Object(_) | Value::Array(_))) => {
            let over_grpc = json.get("resultCode").is_some() && json.get("success").is_some();
            mask(&mut json, raw, over_grpc);
            json.to_string()
        }
        _ if body.trim_start().to_ascii_lowercase().starts_with("<!doctype html") => "a page".to_owned(),
        _ => body.to_owned(),
    };
    shortened(&text.replace(service, "$s"))
        .replace('\r', "\\r")
        .replace('\n', "\\n")
        .replace('\u{feff}', "<BOM>")
        .replace('\0', "<NUL>")
}

fn mask(json: &mut Value, raw: bool, over_grpc: bool) {
    match json {
        Value::Object(fields) => {
            fields.retain(|name, _| (raw || !ALL_IPS.contains(&&**name)) && !(over_grpc && DERIVED.contains(&&**name)));
            for (name, value) in fields.iter_mut() {
                mask(value, raw, over_grpc);
                if OF_THE_MOMENT.contains(&&**name) && !value.is_null() {
                    *value = "*".into();
                }
                if let (true, Value::Array(items)) = (UNORDERED.contains(&&**name), &mut *value) {
                    items.retain(|item| item.get("namespaceShowName").is_none_or(|name| name == "public"));
                    items.sort_by_key(Value::to_string);
                }
                // A random number of 64 bits, where metadata asks for one.
                if name == "instanceId"
                    && let Some((first, rest)) = value.as_str().and_then(|text| text.split_once('#'))
                    && first.len() > 15
                    && first.bytes().all(|byte| byte.is_ascii_digit())
                {
                    *value = format!("*#{rest}").into();
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, raw, over_grpc)),
        _ => {}
    }
}

/// Runs of one letter as they are written in calls.
fn shortened(text: &str) -> String {
    let mut short = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['x', '€']) {
        let letter = rest[at..].chars().next().expect("it was found");
        let run = rest[at..].chars().take_while(|c| *c == letter).count();
        short.push_str(&rest[..at]);
        match (run >= 20, letter) {
            (true, 'x') => short.push_str(&format!("$x{run}")),
            (true, _) => short.push_str(&format!("$w{run}")),
            (false, letter) => short.extend(std::iter::repeat_n(letter, run)),
        }
        rest = &rest[at + run * letter.len_utf8()..];
    }
    short + rest
}
