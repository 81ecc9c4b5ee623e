//! Which list of a service is the newest that was told: one rule for all who tell lists.
//!
//! What a server says by itself is newest by its place in the stream. An answer may have been overtaken by a push while it was under way: it
//! is then older than what is known, and to tell it would take back what happened since. Lists are told apart by the time at which their server built
//! them (`lastRefTime`); clocks of two servers cannot be compared, so that only counts within a connection.

/// Why a list comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListSource {
    /// The server's own word: newest by its place in the stream.
    Stream,
    /// An answer, which a push may have overtaken.
    Answer,
}

/// The newest list of one service that was told, as far as that matters for the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewestList {
    /// The connection it came over, and when its server built it.
    told: Option<(u64, i64)>,
}

impl NewestList {
    /// Whether a list is to be told that came over the connection `generation` and was built at `built`, in milliseconds of its server. One
    /// that is counts as told: the caller tells it before any other of this service.
    pub fn admits(&mut self, generation: u64, built: i64, source: ListSource) -> bool {
        let was_told_newer = |(over, newest): (u64, i64)| over == generation && built < newest;
        let is_overtaken = source == ListSource::Answer && self.told.is_some_and(was_told_newer);
        if !is_overtaken {
            self.told = Some((generation, built));
        }
        !is_overtaken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_older_than_what_was_told_is_not_told_but_every_word_of_the_stream_is() {
        use ListSource::{Answer, Stream};
        let mut newest = NewestList::default();
        for (generation, built, source, told) in [
            (1, 5, Answer, true),
            (1, 6, Stream, true),
            (1, 5, Answer, false),
            (1, 6, Answer, true),
            (1, 4, Stream, true), // The server's clock was set back.
            (1, 5, Answer, true),
            (2, 1, Answer, true), // Another server has another clock.
            (2, 0, Answer, false),
        ] {
            assert_eq!(newest.admits(generation, built, source), told, "{generation} {built} {source:?}");
        }
    }
}
