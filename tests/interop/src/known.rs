//! Differences that are known and explained: `differences.txt` beside `src`, one a line, fields between bars.

use std::str::FromStr;

/// How the reason of a difference begins that depends on who is faster: it may be there, and need not.
const AT_TIMES: &str = "at times: ";

/// Matches any line of Nacos, or any client.
const ANY: &str = "*";

/// The list that is checked in.
pub(crate) const CHECKED_IN: &str = include_str!("../differences.txt");

/// One difference that may be, and has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownDifference {
    /// Name of the subject.
    pub(crate) subject: String,
    /// Version of the reference, or [`ANY`].
    pub(crate) line: String,
    /// Name of the client, or [`ANY`]; of several with commas between.
    pub(crate) client: String,
    pub(crate) behaviour: String,
    pub(crate) step: String,
    pub(crate) why: String,
}

/// Where a difference is seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DifferencePlace<'a> {
    pub(crate) subject: &'a str,
    pub(crate) line: &'a str,
    pub(crate) client: &'a str,
    pub(crate) behaviour: &'a str,
}

impl KnownDifference {
    /// Whether it is of such a place, whatever the step.
    pub(crate) fn is_of(&self, place: DifferencePlace<'_>) -> bool {
        let line = self.line == ANY || self.line == place.line;
        self.subject == place.subject && line && self.names(place.client) && self.behaviour == place.behaviour
    }

    /// Whether it need not be there.
    pub(crate) fn is_at_times(&self) -> bool {
        self.why.starts_with(AT_TIMES)
    }

    fn names(&self, client: &str) -> bool {
        self.client == ANY || self.client.split(',').any(|one| one.trim() == client)
    }
}

impl FromStr for KnownDifference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fields: Vec<&str> = text.split('|').map(str::trim).collect();
        let [subject, line, client, behaviour, step, why] = fields[..] else {
            return Err(format!("not six fields between bars: {text}"));
        };
        if fields.iter().any(|field| field.is_empty()) {
            return Err(format!("a field is empty: {text}"));
        }
        let [subject, line, client, behaviour, step, why] =
            [subject, line, client, behaviour, step, why].map(String::from);
        Ok(Self { subject, line, client, behaviour, step, why })
    }
}

/// Reads a list: a difference a line; empty lines and lines that begin with `#` are for people.
///
/// # Errors
/// When a line is neither.
pub(crate) fn parse_list(text: &str) -> Result<Vec<KnownDifference>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_that_is_checked_in_can_be_read() {
        parse_list(CHECKED_IN).unwrap();
    }

    #[test]
    fn a_difference_names_its_place_or_leaves_line_and_client_open() {
        let known = parse_list("# for people\n\nembedded | * | go, rust | names | a blank | it is late\n").unwrap();
        let place = DifferencePlace { subject: "embedded", line: "2.3.2", client: "rust", behaviour: "names" };
        assert!(known[0].is_of(place));
        for other in [
            DifferencePlace { subject: "nacos", ..place },
            DifferencePlace { client: "node", ..place },
            DifferencePlace { behaviour: "config", ..place },
        ] {
            assert!(!known[0].is_of(other), "{other:?}");
        }
        assert!(parse_list("embedded | * | go").is_err());
        assert!(parse_list("embedded | * | go | names | a blank | ").is_err());
    }
}
