//! Makes listings longer than they are, so that a client has to turn pages: no test registers 20,000 services for that.

use bytes::Bytes;
use serde_json::Value;

/// Which listings become how long.
#[derive(Debug)]
pub(super) struct Padding {
    pub(super) parts: Vec<String>,
    pub(super) pages: usize,
}

/// The page that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    number: usize,
    size: usize,
}

impl Page {
    /// `None` when the request asks for no page.
    pub(super) fn of(target: &str) -> Option<Self> {
        let number = |name: &str| {
            let (_, query) = target.split_once('?')?;
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        let (number, size) = (number("pageNo")?, number("pageSize")?);
        (number > 0 && size > 0).then_some(Self { number, size })
    }

    /// The same request for the first page, which has all true items.
    pub(super) fn first(self, target: &str) -> String {
        target.replace(&format!("pageNo={}", self.number), "pageNo=1")
    }
}

/// The page `page` of a listing of `pages` pages, the last but one item full: first the true items of `body`, then invented ones, which
/// differ from the first true one by their `name`. `None` when `body` is no listing with an item.
pub(super) fn padded(body: &[u8], page: Page, pages: usize) -> Option<Bytes> {
    let mut document: Value = serde_json::from_slice(body).ok()?;
    let (count, items) = listing(&mut document)?;
    let model = items.first()?.clone();
    let total = pages * page.size - 1;
    let first = (page.number - 1) * page.size;
    let item = |index: usize| {
        items.get(index).cloned().unwrap_or_else(|| {
            let mut invented = model.clone();
            invented["name"] = format!("padding-{index:06}").into();
            invented
        })
    };
    let shown = (first..total.min(first + page.size)).map(item).collect();
    (*count, *items) = (total.into(), shown);
    Some(document.to_string().into())
}

/// The count and the items of a listing of either line.
fn listing(document: &mut Value) -> Option<(&mut Value, &mut Vec<Value>)> {
    let object = if document["data"].is_object() { &mut document["data"] } else { document };
    let (mut count, mut items) = (None, None);
    for (name, value) in object.as_object_mut()? {
        match value {
            Value::Number(_) if name == "totalCount" || name == "count" => count = Some(value),
            Value::Array(list) => items = Some(list),
            _ => {}
        }
    }
    Some((count?, items?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_listing_begins_with_the_true_items_and_adds_up() {
        let body = br#"{"code":0,"data":{"totalCount":2,"pageItems":[{"name":"a"},{"name":"b"}]}}"#;
        let names = |number| {
            let page = Page::of(&format!("/list?pageNo={number}&pageSize=3")).unwrap();
            let document: Value = serde_json::from_slice(&padded(body, page, 2).unwrap()).unwrap();
            assert_eq!(document["data"]["totalCount"], 5);
            let items = document["data"]["pageItems"].as_array().unwrap();
            items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(1), ["a", "b", "padding-000002"]);
        assert_eq!(names(2), ["padding-000003", "padding-000004"]);
        assert!(names(3).is_empty());
    }

    #[test]
    fn what_is_no_page_is_not_padded() {
        assert_eq!(Page::of("/list"), None);
        assert_eq!(Page::of("/list?pageNo=1"), None);
        let page = Page::of("/list?a=b&pageSize=3&pageNo=2").unwrap();
        assert_eq!(page.first("/list?a=b&pageSize=3&pageNo=2"), "/list?a=b&pageSize=3&pageNo=1");
        for body in [&b"<html>"[..], b"{}", br#"{"count":0,"serviceList":[]}"#] {
            assert_eq!(padded(body, page, 2), None);
        }
    }
}
