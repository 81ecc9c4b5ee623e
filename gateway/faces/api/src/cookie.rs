//! The cookie that holds a session's token for a browser.
//!
//! Over TLS its name begins with `__Host-`: a browser then takes it from this host alone, over TLS alone, so that no other site of the same
//! domain can put its own in its place. A cookie of the other name does not count there.

use axum::http::{HeaderMap, HeaderValue, header};
use federation_core::time::Millis;

/// The header by which a page says that an order is its own.
pub(crate) const CSRF: &str = "x-nacos-fed-csrf";

const OPEN_NAME: &str = "nacos-fed-session";
const SECURE_NAME: &str = "__Host-nacos-fed-session";

fn name(is_encrypted: bool) -> &'static str {
    if is_encrypted { SECURE_NAME } else { OPEN_NAME }
}

/// The token that a request shows; nothing is taken of what is no text.
pub(crate) fn shown(headers: &HeaderMap, is_encrypted: bool) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name(is_encrypted)).map(|(_, token)| token)
}

/// Whether a page sends the request: it shows a session's cookie, or a browser says for which page it asks. Pages of others were refused before.
pub(crate) fn is_of_page(headers: &HeaderMap) -> bool {
    let is_said = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    is_said || shown(headers, false).is_some() || shown(headers, true).is_some()
}

/// Has a browser keep the token.
pub(crate) fn set(token: &str, keep: Millis, is_encrypted: bool) -> HeaderValue {
    line(token, keep.0 / 1_000, is_encrypted)
}

/// Has a browser forget it.
pub(crate) fn forget(is_encrypted: bool) -> HeaderValue {
    line("", 0, is_encrypted)
}

fn line(token: &str, seconds: u64, is_encrypted: bool) -> HeaderValue {
    let secure = if is_encrypted { "; Secure" } else { "" };
    let text = format!("{}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", name(is_encrypted));
    let mut line = HeaderValue::try_from(text).expect("tokens are letters, digits, - and _");
    line.set_sensitive(true);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_the_name_that_it_has_to_have() {
        let mut headers = HeaderMap::new();
        for cookie in ["a=1; nacos-fed-session=open ;b", "__Host-nacos-fed-session=safe; __Host-nacos-fed-session=2"] {
            headers.append(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        assert_eq!((shown(&headers, false), shown(&headers, true)), (Some("open"), Some("safe")));
        headers.remove(header::COOKIE);
        headers.append(header::COOKIE, HeaderValue::from_static("nacos-fed-session=open"));
        assert_eq!(shown(&headers, true), None, "anybody on the line can have set that one");
    }

    #[test]
    fn it_is_kept_from_scripts_from_other_sites_and_from_plain_lines() {
        assert_eq!(set("t", Millis(5_000), false), "nacos-fed-session=t; Path=/; Max-Age=5; HttpOnly; SameSite=Strict");
        let safe = "__Host-nacos-fed-session=t; Path=/; Max-Age=5; HttpOnly; SameSite=Strict; Secure";
        assert_eq!(set("t", Millis(5_000), true), safe);
        assert!(forget(true).to_str().unwrap().contains("=; Path=/; Max-Age=0;"));
    }
}
