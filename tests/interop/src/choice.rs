//! What of all is run.

use std::fmt;

use crate::script::{BEHAVIOURS, RESTART};

/// Which behaviours.
#[derive(Clone, Debug)]
pub(crate) struct RunChoice {
    behaviours: Vec<String>,
}

impl RunChoice {
    /// These; all when none is named.
    ///
    /// # Errors
    /// When one is unknown; the error names those there are.
    pub(crate) fn of(behaviours: Vec<String>) -> Result<Self, String> {
        let all: Vec<&str> = BEHAVIOURS.into_iter().chain([RESTART]).collect();
        match behaviours.iter().find(|name| !all.contains(&name.as_str())) {
            Some(unknown) => Err(format!("no behaviour {unknown:?}; there are {}", all.join(", "))),
            None => Ok(Self { behaviours }),
        }
    }

    /// These and no others; they exist.
    pub(crate) fn exactly(behaviours: Vec<String>) -> Self {
        Self { behaviours }
    }

    pub(crate) fn has(&self, behaviour: &str) -> bool {
        self.behaviours.is_empty() || self.behaviours.iter().any(|name| name == behaviour)
    }
}

impl fmt::Display for RunChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.behaviours.is_empty() { "everything" } else { "" })?;
        formatter.write_str(&self.behaviours.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_named_is_everything_and_what_there_is_not_is_refused() {
        assert!(RunChoice::of(vec![]).unwrap().has("config"));
        let one = RunChoice::of(vec!["config".into()]).unwrap();
        assert!(one.has("config") && !one.has(RESTART));
        assert!(RunChoice::of(vec!["confg".into()]).unwrap_err().contains("config, CAS"));
    }
}
