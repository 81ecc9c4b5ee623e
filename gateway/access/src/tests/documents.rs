use super::*;
use crate::book::{AccessBook, BookParts, CredentialRefused};
use crate::document::{bindings_from_text, tokens_from_text};
use crate::identity::{CallerIdentity, PrincipalPattern};
use crate::tokens::{TOKEN_PREFIX, TokenDigest, new_token};
use federation_core::time::WallMs;

fn mistakes(text: &str) -> Vec<String> {
    let tokens = tokens_from_text("t", text).map(|_| ());
    let mistakes = tokens.unwrap_err();
    mistakes.sorted().into_iter().map(|it| format!("{}: {}", it.field, it.problem)).collect()
}

#[test]
fn a_token_file_is_read_strictly_and_with_all_mistakes_at_once() {
    let digest = TokenDigest::of("x");
    let good = format!(
        "tokens:\n  - name: ci\n    sha256: {digest}\n    created_ms: 5\n    expires_ms: 9\n    roles: [{{role: viewer}}]\n"
    );
    let tokens = tokens_from_text("t", &good).unwrap();
    assert_eq!((tokens.len(), &*tokens[0].name, tokens[0].digest), (1, "ci", digest));
    assert_eq!(tokens[0].grants, [RoleGrant::whole(AccessRole::Viewer)]);
    assert_eq!(tokens_from_text("t", "").unwrap(), []);

    let wrong =
        "tokens:\n  - name: 'c i'\n    sha256: 12\n    created_ms: x\n    role: viewer\n    roles: [{role: root}]\n";
    assert_eq!(
        mistakes(wrong),
        [
            "tokens[0].name: `c i` does not fit",
            "tokens[0].sha256: wrong type: the number `12`",
            "tokens[0].created_ms: wrong type: the text `x`",
            "tokens[0].role: unknown field",
            "tokens[0].roles[0].role: `root` does not fit",
        ]
    );
    let twice = good.clone() + good.strip_prefix("tokens:\n").unwrap();
    assert_eq!(mistakes(&twice), ["tokens: the token ci is there twice, by its name or its digest"]);
}

#[test]
fn a_scope_that_a_role_does_not_have_is_a_mistake() {
    for (grant, want) in [
        ("{role: admin, clusters: [a]}", "the role admin is not for some clusters"),
        ("{role: viewer, clusters: [a]}", "the role viewer is not for some clusters"),
        ("{role: config-reader, services: []}", "the role config-reader is not for some services"),
        ("{role: operator, configs: []}", "the role operator is not for some configs"),
    ] {
        let grant = grant.replacen('{', "{to: ['token:x'], ", 1);
        let mistakes = bindings_from_text("b", &format!("bindings: [{grant}]")).unwrap_err();
        assert_eq!(mistakes.sorted()[0].problem, want);
    }
    for to in ["x", "local:", "root:x", "anonymous:*", "token:"] {
        let mistakes = bindings_from_text("b", &format!("bindings: [{{to: ['{to}'], role: viewer}}]")).unwrap_err();
        assert_eq!(mistakes.sorted()[0].field, "bindings[0].to[0]", "{to}");
    }
    assert!(bindings_from_text("b", "bindings: [{to: [], role: viewer}]").is_err(), "nobody is a mistake");
}

#[test]
fn a_viewer_of_some_services_sees_no_config_items_unless_it_is_said() {
    let read = |text: &str| {
        let text = format!("bindings: [{{to: ['token:x'], role: viewer{text}}}]");
        bindings_from_text("b", &text).unwrap()[0].grant.clone()
    };
    assert_eq!(read(""), RoleGrant::whole(AccessRole::Viewer));
    let some = read(", services: [{namespace: prod}]");
    assert_eq!((&some.services, &some.configs), (&only([services(["prod", "*", "*"])]), &only([])));
    assert_eq!(some.to_string(), "viewer (services prod/*/*; no configs)");
    let both = read(", services: [], configs: [{data_id: 'a*'}]");
    assert_eq!((&both.services, &both.configs), (&only([]), &only([configs(["*", "*", "a*"])])));
}

#[test]
fn tokens_are_random_and_known_by_their_digest_alone() {
    let [one, other] = [new_token(), new_token()];
    assert!(one.expose().starts_with(TOKEN_PREFIX) && one.expose().len() == TOKEN_PREFIX.len() + 43);
    assert_ne!(one.expose(), other.expose());
    assert_eq!(format!("{one:?} {one}"), "*** ***");
    // The vector of FIPS 180-2.
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(TokenDigest::of("abc").to_string(), hex);
    assert_eq!(TokenDigest::of_hex(&hex.to_uppercase()), Some(TokenDigest::of("abc")));
    for wrong in ["", &hex[1..], &hex.replace('b', "g"), &format!("{hex}00")] {
        assert_eq!(TokenDigest::of_hex(wrong), None);
    }
}

#[test]
fn who_shows_a_token_has_its_roles_and_those_of_bindings_until_it_expires() {
    let entry = |name: &str, token: &str, expires| crate::document::TokenEntry {
        name: name.into(),
        digest: TokenDigest::of(token),
        created: WallMs(0),
        expires,
        grants: vec![RoleGrant::whole(AccessRole::Viewer)],
    };
    let bindings = bindings_from_text("b", "bindings: [{to: ['token:ops-*'], role: operator}]").unwrap();
    let tokens = [entry("ops-1", "secret", Some(WallMs(100))), entry("ci", "other", None)];
    let book = AccessBook::new(BookParts { tokens: &tokens, bindings: &[&bindings], ..BookParts::default() });
    let roles = |identity: &CallerIdentity| identity.grants.iter().map(|it| it.role).collect::<Vec<_>>();
    let ops = book.bearer("secret", WallMs(99)).unwrap();
    assert_eq!(
        (ops.to_string().as_str(), roles(&ops)),
        ("token:ops-1", vec![AccessRole::Viewer, AccessRole::Operator])
    );
    assert!(book.still_knows(&ops, WallMs(99)) && !book.still_knows(&ops, WallMs(100)));
    assert_eq!(book.bearer("secret", WallMs(100)).unwrap_err(), CredentialRefused::Expired);
    assert_eq!(roles(&book.bearer("other", WallMs(u64::MAX)).unwrap()), [AccessRole::Viewer]);
    for unknown in ["secre", "secret ", "SECRET", "x"] {
        assert_eq!(book.bearer(unknown, WallMs(0)).unwrap_err(), CredentialRefused::Unknown, "{unknown}");
    }
    for absurd in [String::new(), "x".repeat(1 << 20)] {
        assert_eq!(book.bearer(&absurd, WallMs(0)).unwrap_err(), CredentialRefused::NotUnderstood);
    }
    let changed = AccessBook::new(BookParts { tokens: &tokens, ..BookParts::default() });
    assert!(!changed.still_knows(&ops, WallMs(0)), "it has fewer roles now");
    assert!(!changed.still_knows(&CallerIdentity::local(), WallMs(0)), "there are accounts now");
}

#[test]
fn nobody_gives_an_order_in_the_name_of_another() {
    let claimed = || Some("token:admin".to_owned());
    assert_eq!(CallerIdentity::local().signs(claimed()), claimed(), "nobody is known there");
    let nobody = CallerIdentity::anonymous([].into());
    assert_eq!(nobody.signs(claimed()).as_deref(), Some("anonymous (says token:admin)"));
    let tokens = tokens_from_text("t", &token_file("ci", "x")).unwrap();
    let book = AccessBook::new(BookParts { tokens: &tokens, ..BookParts::default() });
    let ci = book.bearer("x", WallMs(0)).unwrap();
    assert_eq!(ci.signs(None).as_deref(), Some("token:ci"));
    assert_eq!(ci.signs(claimed()).as_deref(), Some("token:ci (says token:admin)"));
}

#[test]
fn a_principal_is_a_means_and_a_name() {
    let ci = PrincipalPattern::of_text("token:ci-*").unwrap();
    let (token, jwt) = (crate::identity::IdentityMeans::Token, crate::identity::IdentityMeans::Jwt);
    assert!(ci.matches(token, "ci-7", &[]));
    assert!(!ci.matches(jwt, "ci-7", &["ci-7".into()]), "another means is somebody else");
    let group = PrincipalPattern::of_text("jwt-group:corp/sre").unwrap();
    assert!(group.matches(jwt, "corp/ann", &["corp/dev".into(), "corp/sre".into()]));
    assert!(!group.matches(jwt, "corp/sre", &[]) && !group.matches(token, "corp/sre", &[]));
}

pub(super) fn token_file(name: &str, token: &str) -> String {
    format!(
        "tokens:\n  - {{name: {name}, sha256: {}, created_ms: 5, roles: [{{role: viewer}}]}}\n",
        TokenDigest::of(token)
    )
}
