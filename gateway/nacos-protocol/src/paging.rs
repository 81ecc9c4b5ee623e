//! Adding up pages: a listing is whole, or an error.
//!
//! Servers list in hash order, without a snapshot over pages, and answer a page behind the end with nothing or with everything. So nothing is
//! asked for behind the end, and pages that do not fit the announced count, or that show again what an earlier page showed, make the whole
//! listing an error.
//!
//! That an item occurs once is *not* presumed: Nacos lists an address as often as clients have registered it. What comes twice on one page
//! is twice there, and the caller merges it by the rule of what it lists. Only between pages is a repetition proof of broken paging (the
//! order moved between two requests, or a page was sent again): there, two items are the same if all that makes them up is the same.
//! Where the order moved, one more request for everything on a single page decides.

use std::collections::BTreeSet;
use std::future::Future;

/// One page as the server sent it.
pub(crate) struct Page<T> {
    /// How many there are in all, as the server says.
    pub(crate) announced: usize,
    /// The items.
    pub(crate) items: Vec<T>,
}

/// How to ask for a listing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turning {
    /// Items to ask for on one page; a server may give fewer.
    pub(crate) page_size: usize,
    /// The longest listing that may be asked for on one page after its order moved; 0 for never.
    pub(crate) one_page_at_most: usize,
}

/// What does not add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    CountChanged,
    EmptyPage,
    ShortPage,
    LongPage,
    Overlap,
}

impl Wrong {
    fn words(self) -> &'static str {
        match self {
            Self::CountChanged => "the count changed between pages",
            Self::EmptyPage => "an empty page before the end",
            Self::ShortPage => "a short page before the end",
            Self::LongPage => "a page with more items than asked for",
            Self::Overlap => "a page shows again what an earlier one showed",
        }
    }

    /// Whether things that came and went meanwhile explain it.
    fn is_movement(self) -> bool {
        matches!(self, Self::CountChanged | Self::Overlap)
    }
}

/// A listing that is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incomplete {
    /// What does not add up.
    pub(crate) reason: &'static str,
    /// How many the server said there are.
    pub(crate) announced: usize,
    /// How many it sent.
    pub(crate) received: usize,
}

/// Pages added up so far; items of earlier pages are known by their key, which has all that makes an item up.
struct Listing<K, T> {
    page_size: usize,
    announced: Option<usize>,
    earlier: BTreeSet<K>,
    items: Vec<T>,
}

impl<K: Ord, T> Listing<K, T> {
    fn new(page_size: usize) -> Self {
        Self { page_size, announced: None, earlier: BTreeSet::new(), items: Vec::new() }
    }

    /// Adds the next page. True: the listing is whole.
    fn add(&mut self, page: Page<T>, key: impl Fn(&T) -> K) -> Result<bool, Wrong> {
        let announced = *self.announced.get_or_insert(page.announced);
        if page.announced != announced {
            return Err(Wrong::CountChanged);
        }
        let (received, wanted) = (page.items.len(), self.page_size.min(announced - self.items.len()));
        match received {
            _ if received == wanted => {}
            _ if received > wanted => return Err(Wrong::LongPage),
            0 => return Err(Wrong::EmptyPage),
            // Its pages are smaller than ours, and the next ones have to be of this size too.
            _ if self.items.is_empty() => self.page_size = received,
            _ => return Err(Wrong::ShortPage),
        }
        if received < announced {
            let keys: BTreeSet<K> = page.items.iter().map(key).collect();
            if !self.earlier.is_disjoint(&keys) {
                return Err(Wrong::Overlap);
            }
            self.earlier.extend(keys);
        }
        self.items.extend(page.items);
        Ok(self.items.len() == announced)
    }

    fn incomplete(&self, wrong: Wrong) -> Incomplete {
        Incomplete { reason: wrong.words(), announced: self.announced.unwrap_or(0), received: self.items.len() }
    }
}

/// Asks for page after page, numbered from 1, until the listing is whole. `None`: the server says that what is listed does not exist.
///
/// `key` has all that makes an item up; see the module's words on repetitions.
pub(crate) async fn collect<T, K, E, F>(
    turning: Turning,
    fetch: impl Fn(u32, usize) -> F,
    key: impl Fn(&T) -> K,
) -> Result<Option<Vec<T>>, E>
where
    K: Ord,
    E: From<Incomplete>,
    F: Future<Output = Result<Option<Page<T>>, E>>,
{
    let mut listing = Listing::new(turning.page_size);
    for number in 1u32.. {
        let Some(page) = fetch(number, turning.page_size).await? else { return Ok(None) };
        match listing.add(page, &key) {
            Ok(true) => break,
            Ok(false) => {}
            Err(wrong) => {
                let announced = listing.announced.unwrap_or(0);
                if !wrong.is_movement() || announced > turning.one_page_at_most {
                    return Err(listing.incomplete(wrong).into());
                }
                // Room for what comes meanwhile: an eighth more.
                let page = fetch(1, announced + announced / 8 + 1).await?;
                return match page {
                    Some(page) if page.items.len() == page.announced => Ok(Some(page.items)),
                    Some(_) => Err(listing.incomplete(wrong).into()),
                    None => Ok(None),
                };
            }
        }
    }
    Ok(Some(listing.items))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Turns pages of two items through `pages`, each with the count that it announces. What is asked for beyond them is an error.
    fn list(pages: &[(usize, &[u32])], one_page_at_most: usize) -> Result<Vec<u32>, &'static str> {
        #[derive(Debug)]
        struct Why(&'static str);
        impl From<Incomplete> for Why {
            fn from(incomplete: Incomplete) -> Self {
                Self(incomplete.reason)
            }
        }
        let left = Mutex::new(pages.iter());
        let fetch = |_, _| {
            let next = left.lock().unwrap().next();
            let page = next.map(|(announced, items)| Page { announced: *announced, items: items.to_vec() });
            std::future::ready(page.map(Some).ok_or(Why("asked for more")))
        };
        let turning = Turning { page_size: 2, one_page_at_most };
        let listed = futures::executor::block_on(collect(turning, fetch, |item: &u32| *item));
        listed.map(|found| found.expect("it exists")).map_err(|why| why.0)
    }

    #[test]
    fn only_pages_that_add_up_are_a_listing() {
        for (pages, want) in [
            (&[(0, &[][..])][..], Ok(vec![])),
            (&[(2, &[2, 1])], Ok(vec![2, 1])),
            (&[(3, &[3, 1]), (3, &[2])], Ok(vec![3, 1, 2])),
            (&[(3, &[3, 1]), (3, &[])], Err("an empty page before the end")),
            (&[(5, &[3, 1]), (5, &[]), (5, &[4])], Err("an empty page before the end")),
            (&[(3, &[])], Err("an empty page before the end")),
            (&[(5, &[1, 2]), (5, &[3])], Err("a short page before the end")),
            (&[(4, &[1, 2]), (4, &[1, 2])], Err("a page shows again what an earlier one showed")),
            (&[(3, &[1, 2]), (3, &[2])], Err("a page shows again what an earlier one showed")),
            (&[(3, &[1, 2]), (4, &[3, 4])], Err("the count changed between pages")),
            (&[(1, &[1, 2])], Err("a page with more items than asked for")),
            (&[(0, &[1])], Err("a page with more items than asked for")),
            (&[(3, &[1, 2, 3])], Err("a page with more items than asked for")),
            (&[(3, &[1, 2])], Err("asked for more")),
        ] {
            assert_eq!(list(pages, 0), want, "{pages:?}");
        }
    }

    #[test]
    fn what_a_server_has_twice_on_one_page_is_twice_there() {
        assert_eq!(list(&[(2, &[1, 1])], 0), Ok(vec![1, 1]));
        assert_eq!(list(&[(3, &[1, 1]), (3, &[2])], 0), Ok(vec![1, 1, 2]));
    }

    #[test]
    fn a_server_whose_pages_are_smaller_than_asked_for_is_turned_through_at_its_size() {
        assert_eq!(list(&[(3, &[1]), (3, &[2]), (3, &[3])], 0), Ok(vec![1, 2, 3]));
        assert_eq!(list(&[(3, &[1]), (3, &[2, 3])], 0), Err("a page with more items than asked for"));
        assert_eq!(list(&[(2, &[1]), (2, &[])], 0), Err("an empty page before the end"));
    }

    #[test]
    fn where_the_order_moved_one_page_with_everything_decides() {
        let moved = (3, &[2, 1][..]);
        assert_eq!(list(&[moved, (3, &[2]), (3, &[1, 2, 3])], 3), Ok(vec![1, 2, 3]));
        assert_eq!(list(&[moved, (4, &[3, 4]), (4, &[1, 2, 3, 4])], 3), Ok(vec![1, 2, 3, 4]));
        assert_eq!(list(&[moved, (3, &[2]), (3, &[1, 2])], 3), Err("a page shows again what an earlier one showed"));
        assert_eq!(list(&[moved, (3, &[])], 3), Err("an empty page before the end"), "nothing moved");
    }
}
