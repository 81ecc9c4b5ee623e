//! What was recorded of one client on one server: behaviours, each of them steps with what was told, as text that can be compared.

use std::collections::BTreeMap;

use anyhow::{Error, Result};
use federation_harness::{SdkInstance, SdkRefusal};
use serde::{Deserialize, Serialize};

use crate::mask::TextMask;

/// One thing that a client did or was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScriptStep {
    pub(crate) name: String,
    pub(crate) told: String,
}

/// What became of one behaviour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BehaviourOutcome {
    Ran(Vec<ScriptStep>),
    /// Why it was not run.
    NotRun(String),
}

impl BehaviourOutcome {
    /// Whether the client refused something by itself because it had lost its server for a moment.
    pub(crate) fn is_without_connection(&self) -> bool {
        let lost = |step: &ScriptStep| step.told.to_lowercase().contains("client not connected");
        matches!(self, Self::Ran(steps) if steps.iter().any(lost))
    }
}

/// By client, then by behaviour.
pub(crate) type ServerRecord = BTreeMap<String, BTreeMap<String, BehaviourOutcome>>;

/// The steps of a behaviour that runs.
#[derive(Debug)]
pub(crate) struct StepLog {
    mask: TextMask,
    steps: Vec<ScriptStep>,
}

impl StepLog {
    pub(crate) fn new(mask: TextMask) -> Self {
        Self { mask, steps: Vec::new() }
    }

    /// Keeps what was told.
    pub(crate) fn note(&mut self, name: &str, told: impl AsRef<str>) {
        self.steps.push(ScriptStep { name: name.into(), told: self.mask.apply(told.as_ref()) });
    }

    /// Keeps whether it was done or why it was refused.
    ///
    /// # Errors
    /// When nobody refused it but it could not be told or asked, and when the SDK has no such function.
    pub(crate) fn done<T>(&mut self, name: &str, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => {
                self.note(name, "done");
                Ok(Some(value))
            }
            Err(error) => match error.downcast_ref::<SdkRefusal>() {
                Some(SdkRefusal::Refused(told)) => {
                    self.note(name, format!("refused: {told}"));
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    }

    /// What became of the behaviour whose script ended so.
    pub(crate) fn end(mut self, ended: Result<()>) -> BehaviourOutcome {
        let Err(error) = ended else { return BehaviourOutcome::Ran(self.steps) };
        if let Some(SdkRefusal::Absent(what)) = error.downcast_ref::<SdkRefusal>() {
            return BehaviourOutcome::NotRun(what.clone());
        }
        let chain: Vec<String> = Error::chain(&error).map(ToString::to_string).collect();
        self.note("the script", format!("broke off: {}", chain.join(": ")));
        BehaviourOutcome::Ran(self.steps)
    }
}

/// Instances on one line, whatever their order; without what the federation adds.
pub(crate) fn listed(instances: &[SdkInstance]) -> String {
    let mut texts: Vec<String> = instances.iter().map(one).collect();
    texts.sort();
    format!("[{}]", texts.join(", "))
}

fn one(instance: &SdkInstance) -> String {
    let SdkInstance { ip, port, weight, healthy, enabled, ephemeral, cluster, metadata } = instance;
    let mut text = format!("{ip}:{port} weight {weight} in {cluster}");
    for (is, word) in [(!healthy, " unhealthy"), (!enabled, " disabled"), (!ephemeral, " persistent")] {
        if is {
            text.push_str(word);
        }
    }
    for (key, value) in metadata.iter().filter(|(key, _)| !key.starts_with("nacos-fed.")) {
        text.push_str(&format!(" {key}={value}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_equal_in_any_order_and_without_the_federation_s_own_metadata() {
        let mut marked = SdkInstance::new("10.0.0.1", 80);
        marked.metadata.insert("nacos-fed.origin".into(), "a".into());
        marked.metadata.insert("k".into(), "v".into());
        let other = SdkInstance { healthy: false, ephemeral: false, ..SdkInstance::new("10.0.0.2", 80) };
        let want = "[10.0.0.1:80 weight 1 in DEFAULT k=v, 10.0.0.2:80 weight 1 in DEFAULT unhealthy persistent]";
        assert_eq!(listed(&[marked.clone(), other.clone()]), want);
        assert_eq!(listed(&[other, marked]), want);
    }

    #[test]
    fn a_client_without_connection_is_told_from_one_that_a_server_refuses() {
        for (told, want) in [("refused: -401, Client not connected, current status", true), ("refused: 400", false)] {
            let step = ScriptStep { name: "register".into(), told: told.into() };
            assert_eq!(BehaviourOutcome::Ran(vec![step]).is_without_connection(), want, "{told}");
        }
    }

    #[test]
    fn a_refusal_is_an_outcome_and_a_missing_function_a_reason_not_to_run() {
        let mut log = StepLog::new(TextMask::default());
        let refused = Error::new(SdkRefusal::Refused("no".into())).context("asked");
        assert_eq!(log.done::<()>("asking", Err(refused)).unwrap(), None);
        let absent = Error::new(SdkRefusal::Absent("not in this SDK: x".into()));
        let ended = log.done::<()>("more", Err(absent)).map(|_| ());
        assert_eq!(log.end(ended), BehaviourOutcome::NotRun("not in this SDK: x".into()));
        let steps = vec![ScriptStep { name: "the script".into(), told: "broke off: gone".into() }];
        assert_eq!(StepLog::new(TextMask::default()).end(Err(Error::msg("gone"))), BehaviourOutcome::Ran(steps));
    }
}
