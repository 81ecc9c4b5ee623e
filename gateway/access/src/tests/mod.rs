mod documents;
mod judging;
mod jwt;
mod keeping;

use std::sync::Arc;

use federation_core::pattern::{ConfigPattern, Glob, ServicePattern};

use super::role::{AccessRole, PatternScope, RoleGrant};

fn glob(text: &str) -> Glob {
    text.parse().unwrap()
}

fn services(parts: [&str; 3]) -> ServicePattern {
    let [namespace, group, service] = parts.map(glob);
    ServicePattern { namespace, group, service }
}

fn configs(parts: [&str; 3]) -> ConfigPattern {
    let [namespace, group, data_id] = parts.map(glob);
    ConfigPattern { namespace, group, data_id }
}

fn only<P>(patterns: impl IntoIterator<Item = P>) -> PatternScope<P> {
    PatternScope::Only(patterns.into_iter().collect::<Arc<[P]>>())
}

/// Who may move orders in prod away from frankfurt.
fn ops() -> RoleGrant {
    RoleGrant {
        clusters: only([glob("frankfurt")]),
        services: only([services(["prod", "*", "order-*"])]),
        ..RoleGrant::whole(AccessRole::Operator)
    }
}
