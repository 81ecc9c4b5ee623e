//! What people write about access: the section of the configuration, files of bindings, files of tokens.
//!
//! Input: YAML. Output: what it means, or every mistake with its place. Invariant: what is accepted gives nobody more than it says: unknown
//! fields, a scope that a role does not have, a name that is there twice are mistakes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use federation_core::id::ClusterId;
use federation_core::pattern::{ConfigPattern, Glob, ServicePattern};
use federation_core::time::WallMs;
use federation_document::mistakes::Mistakes;
use federation_document::place::SourceSpan;
use federation_document::reader::{FieldPlace, MappingFields, ReadValue, ShownValue};
use federation_document::table::ValueKind;
use federation_document::tree;
use url::Url;

use crate::certificate::{CertificateNames, CertificateRule};
use crate::fields::{BINDINGS_FILE, TOKENS_FILE};
use crate::identity::{PRINCIPALS, PrincipalPattern};
use crate::jwt::{JwtExpectation, jwt_algorithm};
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
    /// Identity providers.
    pub jwt: Vec<JwtProvider>,
    /// For whom certificates stand.
    pub certificates: Vec<CertificateRule>,
    /// Who has which roles.
    pub bindings: Vec<RoleBinding>,
    /// More of them.
    pub bindings_file: Option<PathBuf>,
    /// Where orders are written.
    pub audit_file: Option<PathBuf>,
    /// Whether users of the local Nacos may log in.
    pub nacos_login: bool,
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
            let jwt = fields.get::<Vec<JwtProvider>>("jwt");
            let certificates = fields.get("certificates");
            let bindings = fields.get("bindings");
            let bindings_file = fields.maybe("bindings_file");
            let audit_file = fields.maybe("audit_file");
            let nacos_login = fields.get("nacos_login");
            Some(Self {
                anonymous: anonymous?.0,
                tokens_file: tokens_file?,
                jwt: providers(fields, jwt?)?,
                certificates: certificates?,
                bindings: bindings?,
                bindings_file: bindings_file?,
                audit_file: audit_file?,
                nacos_login: nacos_login?,
            })
        })
    }
}

/// An identity provider: what is expected of its tokens, and where its keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtProvider {
    /// What is expected.
    pub expected: JwtExpectation,
    /// Where its keys are.
    pub keys: KeySource,
}

/// Where keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In a file.
    File(PathBuf),
    /// At a URL.
    Url {
        /// Which.
        url: Url,
        /// From one fetch to the next.
        refresh: Duration,
        /// For how long keys count that are not confirmed.
        keep: Duration,
    },
}

/// Two providers of one name would be one: the names of each could be given out by the other.
fn providers(fields: &mut MappingFields<'_>, providers: Vec<JwtProvider>) -> Option<Vec<JwtProvider>> {
    let mut names = BTreeSet::new();
    if let Some(twice) = providers.iter().find(|it| !names.insert(it.expected.provider.clone())) {
        let problem = format!("two identity providers are named {}", twice.expected.provider);
        fields.mistake("jwt", &problem, "a name of its own for each");
        return None;
    }
    Some(providers)
}

struct PinnedAlgorithm(jsonwebtoken::Algorithm);

impl ReadValue for PinnedAlgorithm {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.choice().and_then(jwt_algorithm).map(Self)
    }
}

impl ReadValue for JwtProvider {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let name = fields.get::<ClusterId>("name"); // The same characters: it is a part of names.
            let issuer = fields.filled("issuer", "the issuer that tokens name");
            let audience = fields.filled("audience", "what tokens for this gateway are for");
            let algorithms = fields.get::<Vec<PinnedAlgorithm>>("algorithms");
            let name_claim = fields.filled("name_claim", "the name of a claim");
            let groups_claim = fields.filled("groups_claim", "the name of a claim");
            let leeway = fields.get("leeway");
            let keys = key_source(fields);
            let expected = JwtExpectation {
                provider: name?.as_str().into(),
                issuer: issuer?,
                audience: audience?,
                algorithms: algorithms?.into_iter().map(|algorithm| algorithm.0).collect(),
                name_claim: name_claim?,
                groups_claim: groups_claim?,
                leeway: leeway?,
            };
            Some(Self { expected, keys: keys? })
        })
    }
}

fn key_source(fields: &mut MappingFields<'_>) -> Option<KeySource> {
    let url = fields.maybe::<Url>("jwks_url");
    let file = fields.maybe::<PathBuf>("jwks_file");
    let (refresh, keep) = (fields.get::<Duration>("refresh"), fields.get::<Duration>("keep"));
    match (url?, file?) {
        (Some(url), None) if url.scheme() != "https" && !is_near(&url) => {
            let right = "https: who changes keys on the way is whoever he likes";
            fields.mistake("jwks_url", "the keys of tokens over an open connection", right);
            None
        }
        (Some(url), None) => Some(KeySource::Url { url, refresh: refresh?, keep: keep? }),
        (None, Some(file)) => Some(KeySource::File(file)),
        _ => {
            fields.mistake("jwks_url", "it is not clear where the keys are", "one of `jwks_url` and `jwks_file`");
            None
        }
    }
}

fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl ReadValue for CertificateRule {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let uri = fields.maybe::<Glob>("uri");
            let subject = fields.maybe::<Glob>("subject");
            let name = fields.maybe::<String>("name");
            let of = match (uri?, subject?) {
                (Some(uri), None) => CertificateNames::Uri(uri),
                (None, Some(subject)) => CertificateNames::Subject(subject),
                _ => {
                    fields.mistake("uri", "it is not clear which certificates are meant", "one of `uri` and `subject`");
                    return None;
                }
            };
            Some(Self { of, name: name?.filter(|name| !name.is_empty()).map(Into::into) })
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
            place.refuse_for(PRINCIPALS);
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
