//! `token create`, `list` and `revoke`: a gateway's file of static tokens. Needs no gateway.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use federation_access::document::{TOKEN_NAME, TokenEntry, is_token_name};
use federation_access::role::{AccessRole, PatternScope, RoleGrant};
use federation_access::token_file::{self, TokenFileError};
use federation_access::tokens::{TokenDigest, new_token};
use federation_core::pattern::{ConfigPattern, Glob, ServicePattern};
use federation_core::time::WallMs;
use serde_json::json;

use super::age::age;
use super::args::{Global, NewToken, RevokedToken, Token, TokenFile};
use super::exit::{Exit, Failure, Problem};
use super::output::{Format, Output};
use super::table::{Table, left};
use federation_answers::printable::printable;

/// What is done with a file of tokens.
pub(super) fn run(token: &Token, global: &Global, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match token {
        Token::Create(new) => create(new, global, output),
        Token::List(file) => list(file, output),
        Token::Revoke(revoked) => revoke(revoked, output),
    }
}

fn create(new: &NewToken, global: &Global, output: &mut Output<'_>) -> Result<Exit, Failure> {
    if !is_token_name(&new.name) {
        return Err(Failure::Arguments(format!("{} cannot be a token's name: {TOKEN_NAME}", printable(&new.name))));
    }
    let now = now();
    let (token, grants) = (new_token(), grants(new, global)?);
    let later = |after: Duration| WallMs(now.0.saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
    let entry = TokenEntry {
        name: new.name.as_str().into(),
        digest: TokenDigest::of(token.expose()),
        created: now,
        expires: new.expires.map(later),
        grants,
    };
    token_file::change::<Failure>(&new.file.file, |mut tokens| {
        if tokens.iter().any(|known| known.name == entry.name) {
            let detail = format!("there is a token {} already: revoke it, or choose another name", entry.name);
            return Err(Failure::Arguments(detail));
        }
        tokens.push(entry);
        Ok(tokens)
    })?;
    match output.format {
        Format::Table => output.text(token.expose())?,
        Format::Json => output.document(&json!({"name": new.name, "token": token.expose()}))?,
    }
    Ok(Exit::Ok)
}

/// One role for each that is named, each for what of the patterns fits it.
fn grants(new: &NewToken, global: &Global) -> Result<Vec<RoleGrant>, Failure> {
    let within = global.namespace.is_some() || global.group.is_some();
    let clusters = new.cluster.iter().map(|text| glob(text)).collect::<Result<Vec<_>, _>>()?;
    let [namespace, group, service, data_id] =
        [&global.namespace, &global.group, &new.service, &new.data_id].map(|text| text.as_deref().unwrap_or("*"));
    let services = ServicePattern { namespace: glob(namespace)?, group: glob(group)?, service: glob(service)? };
    let configs = ConfigPattern { namespace: glob(namespace)?, group: glob(group)?, data_id: glob(data_id)? };
    let grant = |role: AccessRole| {
        let mut grant = RoleGrant::whole(role);
        let (of_services, of_configs, of_clusters) = match role {
            AccessRole::Viewer => (true, true, false),
            AccessRole::ConfigReader => (false, true, false),
            AccessRole::Operator => (true, false, true),
            AccessRole::Admin => (false, false, false),
        };
        // Whoever names services alone means no config items, and the other way round.
        let alone = !within && (new.service.is_some() != new.data_id.is_some());
        if of_services && (within || new.service.is_some() || (alone && of_configs)) {
            let none = new.service.is_none() && new.data_id.is_some() && of_configs;
            grant.services = PatternScope::Only(if none { [].into() } else { [services.clone()].into() });
        }
        if of_configs && (within || new.data_id.is_some() || (alone && of_services)) {
            let none = new.data_id.is_none() && new.service.is_some() && of_services;
            grant.configs = PatternScope::Only(if none { [].into() } else { [configs.clone()].into() });
        }
        if of_clusters && !clusters.is_empty() {
            grant.clusters = PatternScope::Only(clusters.clone().into());
        }
        grant
    };
    let roles: Vec<AccessRole> = new.role.iter().map(|word| (*word).into()).collect();
    let fits = |roles_of: &[AccessRole]| roles.iter().any(|role| roles_of.contains(role));
    for (given, option, of) in [
        (!clusters.is_empty(), "--cluster", &[AccessRole::Operator][..]),
        (new.service.is_some(), "--service", &[AccessRole::Viewer, AccessRole::Operator]),
        (new.data_id.is_some(), "--data-id", &[AccessRole::Viewer, AccessRole::ConfigReader]),
        (within, "a namespace or group", &[AccessRole::Viewer, AccessRole::ConfigReader, AccessRole::Operator]),
    ] {
        if given && !fits(of) {
            return Err(Failure::Arguments(format!("{option} does not fit: none of the roles is for a part of that")));
        }
    }
    Ok(roles.into_iter().map(grant).collect())
}

fn glob(text: &str) -> Result<Glob, Failure> {
    text.parse().map_err(|error| Failure::Arguments(format!("{}: {error}", printable(text))))
}

fn list(file: &TokenFile, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let (tokens, now) = (token_file::read(&file.file)?, now());
    let roles = |token: &TokenEntry| token.grants.iter().map(ToString::to_string).collect::<Vec<_>>();
    match output.format {
        Format::Json => {
            let token = |it: &TokenEntry| json!({"name": it.name, "createdMs": it.created.0, "expiresMs": it.expires.map(|at| at.0), "roles": roles(it)});
            output.document(&json!({"tokens": tokens.iter().map(token).collect::<Vec<_>>()}))?;
        }
        Format::Table if tokens.is_empty() => output.text("there is no token")?,
        Format::Table => {
            let mut table = Table::new([left("NAME"), left("AGE"), left("EXPIRES"), left("ROLES")]);
            for token in &tokens {
                let expires = match token.expires {
                    None => "never".to_owned(),
                    Some(at) if at <= now => "expired".to_owned(),
                    Some(at) => format!("in {}", age(at.0 - now.0)),
                };
                let old = age(now.0.saturating_sub(token.created.0));
                table.row([token.name.to_string(), old, expires, roles(token).join(", ")]);
            }
            output.text(&table.render())?;
        }
    }
    Ok(Exit::Ok)
}

fn revoke(revoked: &RevokedToken, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let name = revoked.name.as_str();
    token_file::change::<Failure>(&revoked.file.file, |mut tokens| {
        let before = tokens.len();
        tokens.retain(|token| &*token.name != name);
        if tokens.len() == before {
            let detail = format!("{} has no token {name}", revoked.file.file.display());
            return Err(Problem::not_found("Nothing to revoke", detail));
        }
        Ok(tokens)
    })?;
    output.text(&format!("{} counts no more, within a second of when gateways have this file.", printable(name)))?;
    Ok(Exit::Ok)
}

impl From<TokenFileError> for Failure {
    fn from(error: TokenFileError) -> Self {
        match error {
            TokenFileError::Wrong(mistakes) => mistakes.into(),
            other => Self::Arguments(match std::error::Error::source(&other) {
                Some(source) => format!("{other}: {source}"),
                None => other.to_string(),
            }),
        }
    }
}

fn now() -> WallMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
