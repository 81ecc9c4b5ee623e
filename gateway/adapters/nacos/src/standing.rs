//! Looks once a second at what lasts, and tells the board: Nacos shows no sign of life, or a rule of the configuration matches nothing.
//!
//! Silence is told by what was heard, not by errors: a client that waits for an answer raises none. A rule is judged only by what is known:
//! without a connection, before everything was looked at once, or while what it names cannot be listed, nothing new is told of it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::calls::ApiCall;
use super::rules::{Of, Unmatched};
use super::shared::{Context, EngineGone};
use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::RaisedTroubles;
use federation_ports::trouble::lasting::{FindingKnown, LastingFindings, TroubleFinding};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A Nacos that was not heard for this long is a trouble. A paused server is given up after 8 s, and a restarted one takes longer.
const SILENT_AFTER: Duration = Duration::from_secs(10);

/// Looks until `stop`. A rule that names something may match nothing for `unmatched_after`.
pub(super) async fn run(shared: Context, unmatched_after: Duration, stop: CancellationToken) -> Result<(), EngineGone> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silence = RaisedTroubles::new(shared.troubles.clone(), TroubleKind::NacosSilent);
    let mut rules = RaisedTroubles::new(shared.troubles.clone(), TroubleKind::RuleMatchesNothing);
    let (mut heard, mut unmatched) = (Instant::now(), LastingFindings::new(unmatched_after));
    loop {
        // All arms are cancel-safe: a token, a timer.
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = looks.tick() => {}
        }
        let now = Instant::now();
        if let Some(silent) = shared.client.silence() {
            heard = heard.max(now.checked_sub(silent).unwrap_or(heard));
        }
        silence.tell(silences(&shared, now.duration_since(heard)));
        rules.tell(unmatched.due(now, all_unmatched(&shared)));
    }
}

fn silences(shared: &Context, silent: Duration) -> Vec<(String, String)> {
    let mut all = Vec::new();
    if silent >= SILENT_AFTER {
        let reason = shared.note(|notes| notes.disconnected.clone());
        let reason = reason.unwrap_or_else(|| "it is connected, and answers nothing".to_owned());
        all.push((
            "connection".to_owned(),
            format!("nacos shows no sign of life, own services are as last heard: {reason}"),
        ));
    }
    if shared.client.pushes_missing_for().is_some() {
        let text =
            "nacos answers calls, and pushes nothing that is due: changes are seen late, by listings and reads alone";
        all.push(("pushes".to_owned(), text.to_owned()));
    }
    all
}

fn all_unmatched(shared: &Context) -> Vec<TroubleFinding> {
    let looked = shared.generation().is_some() && shared.has_looked_at_everything();
    let listed = shared.note(|notes| notes.listed.clone());
    let rules = shared.rules.unmatched().into_iter().map(|rule| {
        let known = looked && !cannot_be_listed(shared, &rule);
        let text = told(&rule, listed.as_deref());
        TroubleFinding { about: rule.title, text, known: if known { FindingKnown::Yes } else { FindingKnown::No } }
    });
    let known = if looked { FindingKnown::Yes } else { FindingKnown::No };
    let namespaces = shared.names.unmatched(listed.as_deref(), |id| shared.rules.has_anything_in(id));
    let namespaces = namespaces.into_iter().map(|(about, text)| TroubleFinding { about, text, known });
    rules.chain(namespaces).collect()
}

/// Whether a listing that would show what the rule names fails. (One that is refused is another matter: then this is all that will be seen.)
fn cannot_be_listed(shared: &Context, rule: &Unmatched) -> bool {
    let calls: &[ApiCall] = match rule.of {
        Of::Services => &[ApiCall::ListServices, ApiCall::ListGroup],
        Of::Configs => &[ApiCall::ListConfigs],
    };
    let concerns = |concern: &str| match &rule.namespace {
        Some(namespace) => concern.split('/').next() == Some(namespace.as_str()),
        None => true,
    };
    let fails = |call: &ApiCall| shared.calls.is_failing(*call, concerns);
    calls.iter().any(fails) || (rule.namespace.is_none() && shared.calls.is_failing(ApiCall::ListNamespaces, |_| true))
}

fn told(rule: &Unmatched, listed: Option<&BTreeSet<String>>) -> String {
    let Unmatched { title, of, namespace } = rule;
    let noun = match of {
        Of::Services => "service",
        Of::Configs => "config item",
    };
    match (namespace, listed) {
        (Some(id), Some(listed)) if !id.is_empty() && !listed.contains(id) => {
            format!(
                "{title} matches nothing: nacos's list has no namespace {id:?}, and no {noun} was found in it either"
            )
        }
        _ => format!("{title} matches no {noun} that is in nacos and not excluded"),
    }
}
