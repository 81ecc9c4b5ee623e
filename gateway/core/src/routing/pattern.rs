//! Patterns of localities: `r1/z1/s1`, `r1/*`, `*`.
//!
//! Compared part by part. `*` stands for a whole part, also for a missing one; an empty part for a missing one, as
//! localities are printed; a pattern of fewer parts matches everything below it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::locality::Locality;

/// Which localities a rule means. One to three parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalityPattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Any,
    Missing,
    Named(Arc<str>),
}

/// A text that is no pattern of localities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a locality: region, region/zone or region/zone/sub_zone is needed, each part a name or *")]
pub struct InvalidPattern {
    /// The text as it was given.
    pub text: String,
}

impl LocalityPattern {
    /// Whether `place` is meant.
    #[must_use]
    pub fn matches(&self, place: &Locality) -> bool {
        self.0.iter().zip([&place.region, &place.zone, &place.sub_zone]).all(|(part, value)| match part {
            Part::Any => true,
            Part::Missing => value.is_none(),
            Part::Named(name) => value.as_ref() == Some(name),
        })
    }

    /// Whether some locality is meant by both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a == b || *a == Part::Any || *b == Part::Any)
    }
}

impl FromStr for LocalityPattern {
    type Err = InvalidPattern;
    /// One to three parts between slashes, not all of them empty. Blanks around a part are refused: they would make it a name that no locality has.
    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let parts: Vec<Part> = text.split('/').map(Part::from).collect();
        let legal = parts.len() <= 3 && parts.iter().any(|part| *part != Part::Missing);
        // A star within a name is a misunderstanding: only whole parts can be left open.
        let whole_stars = parts.iter().all(|part| !matches!(part, Part::Named(name) if name.contains('*')));
        let trimmed = text.split('/').all(|part| part.trim() == part);
        (legal && whole_stars && trimmed).then_some(Self(parts)).ok_or_else(|| InvalidPattern { text: text.into() })
    }
}

impl From<&str> for Part {
    fn from(part: &str) -> Self {
        match part {
            "*" => Self::Any,
            "" => Self::Missing,
            name => Self::Named(name.into()),
        }
    }
}

impl fmt::Display for LocalityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            let separator = if index > 0 { "/" } else { "" };
            let part = match part {
                Part::Any => "*",
                Part::Missing => "",
                Part::Named(name) => name,
            };
            write!(f, "{separator}{part}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> LocalityPattern {
        text.parse().unwrap()
    }

    fn place(parts: [&str; 3]) -> Locality {
        let [region, zone, sub_zone] = parts.map(|part| (!part.is_empty()).then(|| part.into()));
        Locality { region, zone, sub_zone, network: None }
    }

    #[test]
    fn a_pattern_is_compared_part_by_part() {
        for (text, parts, matches) in [
            ("r1/z1/s1", ["r1", "z1", "s1"], true),
            ("r1/z1", ["r1", "z1", "s1"], true),
            ("r1", ["r1", "", ""], true),
            ("r1/z1", ["r1", "", ""], false),
            ("r1/*", ["r1", "", ""], true),
            ("r1/*/s1", ["r1", "z9", "s1"], true),
            ("*", ["", "", ""], true),
            ("*/z1", ["r7", "z1", ""], true),
            ("r1//s1", ["r1", "", "s1"], true),
            ("r1//s1", ["r1", "z1", "s1"], false),
            ("r1", ["r11", "", ""], false),
        ] {
            assert_eq!(pattern(text).matches(&place(parts)), matches, "{text} {parts:?}");
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    #[test]
    fn patterns_overlap_if_some_locality_matches_both() {
        for (a, b, overlap) in [
            ("r1/z1", "r1/z2", false),
            ("r1", "r1/z2", true),
            ("*", "r1/z2/s1", true),
            ("r1/*/s1", "r1/z1/s2", false),
            ("r1/*/s1", "r1/z1", true),
            ("r1//s1", "r1/z1", false),
            ("r1/z1", "r1/z1", true),
        ] {
            assert_eq!(pattern(a).overlaps(&pattern(b)), overlap, "{a} {b}");
            assert_eq!(pattern(b).overlaps(&pattern(a)), overlap, "{b} {a}");
        }
    }

    #[test]
    fn what_names_no_locality_is_refused() {
        for refused in ["", "/", "//", "r1/z1/s1/t1", "r*", "r1/z*", " r1", "r1 /z1", "r1/ ", " * "] {
            assert!(refused.parse::<LocalityPattern>().is_err(), "{refused:?}");
        }
    }
}
