//! A mapping's content: names of applications with commas between, and what is added to it and taken away again.

use std::collections::BTreeSet;
use std::sync::Arc;

use md5::{Digest, Md5};

/// Longest list that anything is added to, and that is added, in bytes: a hundred applications with long names. Longer ones stay as they are.
const LONGEST_LIST: usize = 16 << 10;

/// What other clusters map an interface to, each application once, in the order of the clusters' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OtherApplications(Vec<Arc<str>>);

impl OtherApplications {
    /// The applications of these lists; what is no list does not count.
    pub(super) fn of<'a>(lists: impl Iterator<Item = &'a str>) -> Self {
        let (mut seen, mut names) = (BTreeSet::new(), Vec::new());
        for name in lists.filter(|list| is_list(list)).flat_map(|list| list.split(',').map(str::trim)) {
            if seen.insert(name) {
                names.push(Arc::from(name));
            }
        }
        let bytes: usize = names.iter().map(|name: &Arc<str>| name.len() + 1).sum();
        if bytes > LONGEST_LIST { Self::default() } else { Self(names) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells one state of them from another; 0 of none.
    pub(super) fn mark(&self) -> u64 {
        if self.0.is_empty() { 0 } else { xxhash_rust::xxh3::xxh3_64(self.0.join(",").as_bytes()) }
    }

    /// Those that a content lacks; none where it is no list.
    pub(super) fn beyond(&self, local: &str) -> Vec<Arc<str>> {
        if !local.is_empty() && !is_list(local) {
            return Vec::new();
        }
        let there: BTreeSet<&str> = local.split(',').map(str::trim).collect();
        self.0.iter().filter(|name| !there.contains(&***name)).cloned().collect()
    }
}

/// The content with these names behind what it has.
pub(super) fn with(local: &str, added: &[Arc<str>]) -> String {
    let mut content = local.to_owned();
    for name in added {
        if !content.is_empty() {
            content.push(',');
        }
        content.push_str(name);
    }
    content
}

/// The content without these names; `None` if nothing would be left, or if it is no list.
pub(super) fn without(content: &str, added: &[Arc<str>]) -> Option<String> {
    if !is_list(content) {
        return None;
    }
    let is_kept = |name: &&str| !added.iter().any(|it| **it == *name.trim());
    let kept: Vec<&str> = content.split(',').filter(is_kept).collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// Lower-case hex, as Nacos writes it.
pub(super) fn md5_of(content: &str) -> String {
    Md5::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether it is names of applications, in the letters that Dubbo allows, and nothing else: items of others may lie in a group of that name.
fn is_list(content: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_letter);
    content.len() <= LONGEST_LIST && content.split(',').map(str::trim).all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(lists: &[&str]) -> OtherApplications {
        OtherApplications::of(lists.iter().copied())
    }

    #[test]
    fn what_a_content_lacks_comes_behind_it_each_once_in_one_order() {
        for (name, local, lists, want) in [
            ("nothing there", "", vec!["orders"], "orders"),
            ("nothing elsewhere", "shop", vec![], "shop"),
            ("others", "shop", vec!["orders,billing", "stock"], "shop,orders,billing,stock"),
            ("the same", "orders,shop", vec!["shop,orders"], "orders,shop"),
            ("twice elsewhere", "shop", vec!["orders", "orders, billing"], "shop,orders,billing"),
        ] {
            assert_eq!(with(local, &others(&lists).beyond(local)), want, "{name}");
        }
    }

    #[test]
    fn what_is_no_list_of_applications_is_neither_added_nor_added_to() {
        let long = "a".repeat(LONGEST_LIST + 1);
        for foreign in ["colour: blue", "a=b", "{\"a\":1}", "a,,b", "two words", "a\nb", "ü", long.as_str()] {
            assert!(others(&[foreign]).is_empty(), "{foreign:.20}");
            assert!(others(&["orders"]).beyond(foreign).is_empty(), "{foreign:.20}");
        }
        let many: Vec<String> = (0..1_200).map(|number| format!("application-{number}")).collect();
        assert!(others(&[&many[..600].join(","), &many[600..].join(",")]).is_empty(), "too many");
    }

    #[test]
    fn what_was_added_is_taken_away_and_nothing_else() {
        let added = others(&["orders,billing"]).beyond("shop");
        assert_eq!(without("shop,orders,billing,stock", &added).as_deref(), Some("shop,stock"));
        assert_eq!(without("orders,billing", &added), None);
        assert_eq!(without("orders: billing", &added), None);
    }

    #[test]
    fn a_mark_is_another_for_other_names() {
        assert_eq!(others(&[]).mark(), 0);
        assert_ne!(others(&["a,b"]).mark(), others(&["a"]).mark());
        assert_eq!(others(&["a,b"]).mark(), others(&["a", "b,a"]).mark());
    }
}
