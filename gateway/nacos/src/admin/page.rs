//! Adding up pages: a listing is whole, or an error.
//!
//! Servers list in hash order, without a snapshot over pages, and answer a page behind the end with nothing or with everything. So nothing is
//! asked for behind the end, and a page that is short, repeated or does not fit the announced count makes the whole listing an error.

use std::collections::BTreeMap;

use super::AdminError;

/// One page as the server sent it.
pub(super) struct Page<T> {
    /// How many there are in all, as the server says.
    pub(super) announced: usize,
    /// The items.
    pub(super) items: Vec<T>,
}

/// Pages added up so far, by key.
pub(super) struct Listing<K, T> {
    path: &'static str,
    page_size: usize,
    announced: Option<usize>,
    items: BTreeMap<K, T>,
}

impl<K: Ord, T> Listing<K, T> {
    pub(super) fn new(path: &'static str, page_size: usize) -> Self {
        Self { path, page_size, announced: None, items: BTreeMap::new() }
    }

    /// Adds the next page. True: the listing is whole.
    pub(super) fn add(&mut self, page: Page<T>, key: impl Fn(&T) -> K) -> Result<bool, AdminError> {
        let announced = *self.announced.get_or_insert(page.announced);
        if page.announced != announced {
            return Err(self.incomplete("the count changed between pages"));
        }
        let wanted = self.page_size.min(announced - self.items.len());
        if page.items.len() != wanted {
            return Err(self.incomplete(match page.items.len() {
                0 => "an empty page before the end",
                received if received < wanted => "a short page before the end",
                _ => "a page with more items than asked for",
            }));
        }
        for item in page.items {
            if self.items.insert(key(&item), item).is_some() {
                return Err(self.incomplete("an item came twice"));
            }
        }
        Ok(self.items.len() == announced)
    }

    /// All items, sorted by key.
    pub(super) fn into_items(self) -> Vec<T> {
        self.items.into_values().collect()
    }

    fn incomplete(&self, reason: &'static str) -> AdminError {
        let (announced, received) = (self.announced.unwrap_or(0), self.items.len());
        AdminError::Incomplete { path: self.path, reason, announced, received }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pages: &[(usize, &[u32])]) -> Result<Vec<u32>, String> {
        let mut listing = Listing::new("list", 2);
        for (announced, items) in pages {
            let page = Page { announced: *announced, items: items.to_vec() };
            match listing.add(page, |item| *item) {
                Ok(true) => return Ok(listing.into_items()),
                Ok(false) => {}
                Err(AdminError::Incomplete { reason, .. }) => return Err(reason.to_owned()),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("asked for more".to_owned())
    }

    #[test]
    fn only_pages_that_add_up_are_a_listing() {
        for (pages, want) in [
            (&[(0, &[][..])][..], Ok(vec![])),
            (&[(2, &[2, 1])], Ok(vec![1, 2])),
            (&[(3, &[3, 1]), (3, &[2])], Ok(vec![1, 2, 3])),
            (&[(3, &[3, 1]), (3, &[])], Err("an empty page before the end")),
            (&[(5, &[3, 1]), (5, &[]), (5, &[4])], Err("an empty page before the end")),
            (&[(3, &[])], Err("an empty page before the end")),
            (&[(5, &[1, 2]), (5, &[3])], Err("a short page before the end")),
            (&[(3, &[1, 2]), (3, &[2])], Err("an item came twice")),
            (&[(3, &[1, 2]), (4, &[3, 4])], Err("the count changed between pages")),
            (&[(1, &[1, 2])], Err("a page with more items than asked for")),
            (&[(0, &[1])], Err("a page with more items than asked for")),
            (&[(3, &[1, 2, 3])], Err("a page with more items than asked for")),
            (&[(3, &[1, 2])], Err("asked for more")),
        ] {
            assert_eq!(list(pages), want.map_err(str::to_owned), "{pages:?}");
        }
    }
}
