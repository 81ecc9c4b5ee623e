//! What people write about access: the section of the configuration, files of bindings, files of tokens.
//!
//! Input: YAML. Output: what it means, or every mistake with its place. Invariant: what is accepted gives nobody more than it says: unknown
//! fields, a scope that a role does not have, a name that is there twice are mistakes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use federation_core::pattern::{ConfigPattern, Glob, ServicePattern};
use federation_core::time::WallMs;
use federation_document::mistakes::Mistakes;
use federation_document::place::SourceSpan;
use federation_document::reader::{FieldPlace, MappingFields, ReadValue, ShownValue};
use federation_document::table::ValueKind;
use federation_document::tree;

use crate::fields::{BINDINGS_FILE, TOKENS_FILE};
use crate::identity::PrincipalPattern;
use crate::role::{AccessRole, PatternScope, RoleGrant};
use crate::tokens::TokenDigest;

/// Largest file of bindings or tokens in bytes; thousands of entries fit.
pub const LARGEST_FILE_BYTES: u64 = 1 << 20;
/// Longest name of a token in bytes: it is a part of what drains say of whoever ordered them.
const LONGEST_NAME_BYTES: usize = 63;

/// The section `access`.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// What whoever shows nothing may do.
    pub anonymous: Vec<RoleGrant>,
    /// Where digests of static tokens are.
    pub tokens_file: Option<PathBuf>,
    /// Who has which roles.
    pub bindings: Vec<RoleBinding>,
    /// More of them.
    pub bindings_file: Option<PathBuf>,
}

/// A role and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleBinding {
    /// Whoever one of these means.
    pub to: Vec<PrincipalPattern>,
    /// What they have.
    pub grant: RoleGrant,
}

/// A static token as a file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEntry {
    /// Its name.
    pub name: Box<str>,
    /// Of its value.
    pub digest: TokenDigest,
    /// When it was made.
    pub created: WallMs,
    /// From when on it counts no more.
    pub expires: Option<WallMs>,
    /// What it may do.
    pub grants: Vec<RoleGrant>,
}

impl ReadValue for AccessSettings {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let anonymous = fields.get::<AnonymousRoles>("anonymous");
            let tokens_file = fields.maybe("tokens_file");
            let bindings = fields.get("bindings");
            let bindings_file = fields.maybe("bindings_file");
            Some(Self {
                anonymous: anonymous?.0,
                tokens_file: tokens_file?,
                bindings: bindings?,
                bindings_file: bindings_file?,
            })
        })
    }
}

struct AnonymousRoles(Vec<RoleGrant>);

impl ReadValue for AnonymousRoles {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| fields.get("roles").map(Self))
    }
}

impl ReadValue for AccessRole {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.choice().and_then(Self::of_word)
    }
}

impl ReadValue for RoleGrant {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(grant)
    }
}

impl ReadValue for RoleBinding {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let to = fields.get("to");
            let grant = grant(fields);
            Some(Self { to: to?, grant: grant? })
        })
    }
}

impl ReadValue for PrincipalPattern {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let read = Self::of_text(place.text()?);
        if read.is_none() {
            place.refuse_for("token:NAME");
        }
        read
    }
}

fn grant(fields: &mut MappingFields<'_>) -> Option<RoleGrant> {
    let role = fields.get::<AccessRole>("role");
    let clusters = fields.maybe::<Vec<Glob>>("clusters");
    let services = fields.maybe::<Vec<ServicePattern>>("services");
    let configs = fields.maybe::<Vec<ConfigPattern>>("configs");
    let role = role?;
    let scopes: &[&str] = match role {
        AccessRole::Viewer => &["services", "configs"],
        AccessRole::ConfigReader => &["configs"],
        AccessRole::Operator => &["clusters", "services"],
        AccessRole::Admin => &[],
    };
    let mut fits = true;
    for name in ["clusters", "services", "configs"] {
        if fields.has(name) && !scopes.contains(&name) {
            let right = match scopes {
                [] => "no clusters, services or configs: this role has everything".to_owned(),
                scopes => format!("only {} with this role", scopes.join(" and ")),
            };
            fields.mistake(name, &format!("the role {role} is not for some {name}"), &right);
            fits = false;
        }
    }
    let (clusters, services, configs) = (clusters?, services?, configs?);
    let parted = services.is_some() || configs.is_some();
    fits.then(|| RoleGrant {
        role,
        clusters: scope(clusters, false),
        services: scope(services, parted && role == AccessRole::Viewer),
        configs: scope(configs, parted && role == AccessRole::Viewer),
    })
}

fn scope<P>(named: Option<Vec<P>>, otherwise_none: bool) -> PatternScope<P> {
    match named {
        Some(patterns) => PatternScope::Only(patterns.into()),
        None if otherwise_none => PatternScope::Only([].into()),
        None => PatternScope::All,
    }
}

impl ReadValue for TokenDigest {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let read = Self::of_hex(place.text()?);
        if read.is_none() {
            place.refuse_for("64 hexadecimal digits, as `nacos-fed token create` writes them");
        }
        read
    }
}

/// Whether a token may have this name.
#[must_use]
pub fn is_token_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LONGEST_NAME_BYTES).contains(&name.len()) && name.bytes().all(legal)
}

/// What [`is_token_name`] wants, for people.
pub const TOKEN_NAME: &str = "1 to 63 characters of a-z, A-Z, 0-9, `-`, `_` and `.`";

struct TokenName(Box<str>);

impl ReadValue for TokenName {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        let name = place.text()?;
        let read = is_token_name(name).then(|| Self(name.into()));
        if read.is_none() {
            place.refuse_for(TOKEN_NAME);
        }
        read
    }
}

impl ReadValue for TokenEntry {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let name = fields.get::<TokenName>("name");
            let digest = fields.get::<TokenDigest>("sha256");
            let created = fields.get::<u64>("created_ms");
            let expires = fields.maybe::<u64>("expires_ms");
            let grants = fields.get("roles");
            Some(Self {
                name: name?.0,
                digest: digest?,
                created: WallMs(created?),
                expires: expires?.map(WallMs),
                grants: grants?,
            })
        })
    }
}

struct TokenList(Vec<TokenEntry>);

impl ReadValue for TokenList {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let tokens: Vec<TokenEntry> = fields.get("tokens")?;
            let (mut names, mut digests) = (BTreeSet::new(), BTreeSet::new());
            let twice = tokens.iter().find(|token| {
                let named = !names.insert(token.name.clone());
                !digests.insert(token.digest.to_string()) || named
            });
            if let Some(token) = twice {
                let problem = format!("the token {} is there twice, by its name or its digest", token.name);
                fields.mistake("tokens", &problem, "each token once");
                return None;
            }
            Some(Self(tokens))
        })
    }
}

struct BindingList(Vec<RoleBinding>);

impl ReadValue for BindingList {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| fields.get("bindings").map(Self))
    }
}

static TOKENS_KIND: ValueKind = ValueKind::Section(&TOKENS_FILE);
static BINDINGS_KIND: ValueKind = ValueKind::Section(&BINDINGS_FILE);

/// Reads a file of tokens; `name` is shown in mistakes.
///
/// # Errors
/// Every mistake.
pub fn tokens_from_text(name: &str, text: &str) -> Result<Vec<TokenEntry>, Mistakes> {
    from_text::<TokenList>(name, text, &TOKENS_KIND).map(|list| list.0)
}

/// Reads a file of bindings; `name` is shown in mistakes.
///
/// # Errors
/// Every mistake.
pub fn bindings_from_text(name: &str, text: &str) -> Result<Arc<[RoleBinding]>, Mistakes> {
    from_text::<BindingList>(name, text, &BINDINGS_KIND).map(|list| list.0.into())
}

fn from_text<T: ReadValue>(name: &str, text: &str, kind: &'static ValueKind) -> Result<T, Mistakes> {
    let mut mistakes = Mistakes::new(name, text);
    let Some(node) = tree::parse(text, &mut mistakes) else { return Err(mistakes) };
    let mut place = FieldPlace {
        node: &node,
        kind,
        path: String::new(),
        named: SourceSpan { line: 1, column: 1, width: 0 },
        mistakes: &mut mistakes,
        shown: ShownValue::Nothing,
    };
    match T::read(&mut place) {
        Some(read) if mistakes.count() == 0 => Ok(read),
        _ => Err(mistakes),
    }
}
