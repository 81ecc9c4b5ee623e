use bounded_listener::ClientCertificates;
use federation_document::secret::is_sensitive;

use super::*;

/// A configuration with this section in place of its own, if it has one.
fn with_section(section: &str) -> String {
    let name = section.split(':').next().unwrap();
    let kept = MINIMAL.lines().filter(|line| !line.starts_with(&format!("{name}:")));
    kept.chain([section]).map(|line| format!("{line}\n")).collect()
}

/// Fields that allow something weak.
fn weak(text: &str) -> Vec<&'static str> {
    read(text).unwrap().config.weaknesses().into_iter().map(|it| it.field).collect()
}

const INSECURE: &str = "`insecure: true` where whoever reaches it may ask and act";

#[test]
fn nothing_but_loopback_is_listened_on_without_tls_unless_somebody_says_so() {
    for (section, found) in [
        (
            r#"listen: {http: "0.0.0.0:7070"}"#,
            vec![format!(
                "5:10 listen.http: plain text on 0.0.0.0:7070, which others may reach (`tls` beside it, 127.0.0.1:7070, or {INSECURE})"
            )],
        ),
        (
            r#"listen: {grpc: "[::]:7071"}"#,
            vec![format!(
                "5:10 listen.grpc: plain text on [::]:7071, which others may reach (`tls` beside it, 127.0.0.1:7071, or {INSECURE})"
            )],
        ),
        (
            r#"front_door: {listen: "10.0.0.7:8849"}"#,
            vec![format!(
                "5:14 front_door.listen: plain text on 10.0.0.7:8849, which others may reach (`tls` beside it, 127.0.0.1:8849, or {INSECURE})"
            )],
        ),
        (
            r#"nacos: {embedded: true, listen: {http: "0.0.0.0:8848"}}"#,
            vec![format!(
                "4:34 nacos.listen.http: plain text on 0.0.0.0:8848, which others may reach (127.0.0.1:8848, or {INSECURE})"
            )],
        ),
    ] {
        assert_eq!(mistakes(&with_section(section)), found);
        let name = section.split(':').next().unwrap();
        let allowed = with_section(&section.replace("\"}", "\", insecure: true}"));
        let field = if name == "nacos" { "nacos.listen.insecure".to_owned() } else { format!("{name}.insecure") };
        assert_eq!(weak(&allowed), [field], "{section}");
    }
    for section in [
        r#"listen: {http: "[::1]:7070", grpc: "[::ffff:127.0.0.1]:7071"}"#,
        r#"listen: {http: "127.0.0.2:7070", insecure: true}"#,
        r#"listen: {http: "0.0.0.0:7070", grpc: "0.0.0.0:7071", tls: {certificate: a, key: b}}"#,
        r#"front_door: {listen: "0.0.0.0:8849", tls: {certificate: a, key: b}}"#,
    ] {
        assert!(weak(&with_section(section)).is_empty(), "{section}");
    }
}

#[test]
fn who_names_authorities_wants_their_certificates() {
    let tls = |more: &str| with_section(&format!("listen: {{tls: {{certificate: a, key: b{more}}}}}"));
    let ca = || "c".into();
    for (more, clients) in [
        ("", ClientCertificates::NotAsked),
        (", client_auth: none", ClientCertificates::NotAsked),
        (", client_ca: c", ClientCertificates::Required { ca: ca() }),
        (", client_ca: c, client_auth: require", ClientCertificates::Required { ca: ca() }),
        (", client_ca: c, client_auth: request", ClientCertificates::Requested { ca: ca() }),
    ] {
        let listen = read(&tls(more)).unwrap().config.listen;
        assert_eq!(listen.security.tls().unwrap().clients, clients, "{more}");
    }
    for (more, found) in [
        (", client_auth: require", "listen.tls.client_ca: a required field is missing"),
        (", client_ca: c, client_auth: none", "listen.tls.client_auth: authorities whose certificates nobody asks for"),
        (", client_auth: maybe", "listen.tls.client_auth:"),
    ] {
        let all = mistakes(&tls(more));
        assert!(all.len() == 1 && all[0].contains(found), "{more}: {all:?}");
    }
    let both = mistakes(&with_section("listen: {tls: {certificate: a, key: b}, insecure: true}"));
    assert!(both.len() == 1 && both[0].contains("listen.insecure: TLS, and leave to do without it"), "{both:?}");
}

#[test]
fn what_looks_safe_and_is_not_is_a_mistake_unless_it_is_asked_for_by_name() {
    let login = "username: u, password: p";
    let nacos = |more: &str| format!("nacos: {{servers: [\"n:8848\"]{more}}}");
    let kafka = |properties: &str| format!("kafka: {{brokers: [\"k:9092\"], properties: {{{properties}}}}}");
    for (section, found) in [
        (
            nacos(", tls: {ca: c}"),
            "nacos.tls: TLS for gRPC alone: what HTTP answers can be read and forged (`https: true` beside it, or",
        ),
        (
            nacos(&format!(", tls: {{}}, {login}")),
            "nacos.tls: TLS for gRPC alone: user and password go over HTTP in plain text",
        ),
        (
            nacos(&format!(", {login}")),
            "nacos.password: user and password in plain text (`tls` and `https: true` beside it, or",
        ),
        (nacos(&format!(", tls: {{enabled: false}}, {login}")), "nacos.password: user and password in plain text"),
        (nacos(", https: true"), "nacos.https: TLS for HTTP alone"),
        (kafka("security.protocol: SASL_PLAINTEXT, sasl.username: u"), "kafka.properties: SASL without TLS"),
        (
            kafka("security.protocol: ssl, enable.ssl.certificate.verification: false"),
            "certificates of brokers are not verified",
        ),
        (
            kafka("security.protocol: sasl_ssl, ssl.endpoint.identification.algorithm: none"),
            "host names of brokers are not verified",
        ),
        (
            kafka("ssl.ca.location: /ca.pem"),
            "settings of TLS, which is not spoken (security.protocol: ssl, or sasl_ssl, or",
        ),
        (kafka("security.protocol: ssl, sasl.username: u"), "settings of SASL, which is not used"),
    ] {
        let all = mistakes(&with_section(&section));
        assert!(all.len() == 1 && all[0].contains(found), "{section}: {all:?}");
        let name = section.split(':').next().unwrap();
        let allowed = format!("{}, insecure: true}}", section.strip_suffix('}').unwrap());
        assert_eq!(weak(&with_section(&allowed)), [format!("{name}.insecure")]);
        let here = section.replace("n:8848", "localhost:8848").replace("k:9092", "[::1]:9092");
        assert!(weak(&with_section(&here)).is_empty(), "nobody else is on the line: {here}");
    }
    for section in [
        nacos(&format!(", tls: {{}}, https: true, {login}")),
        nacos(""),
        kafka("security.protocol: sasl_ssl, sasl.username: u, ssl.ca.location: /ca.pem"),
        kafka("socket.timeout.ms: 3000"),
    ] {
        assert!(weak(&with_section(&section)).is_empty(), "{section}");
    }
}

fn is_map_of_files(kind: &table::ValueKind) -> bool {
    matches!(kind, table::ValueKind::Map { of: table::ValueKind::Path, .. })
}

/// Secret fields without a file beside them, and fields that are named like secrets and shown.
fn find_open_secrets(path: &str, section: &table::TableSection, found: &mut Vec<String>) {
    for field in section.fields {
        let path = format!("{path}.{}", field.name);
        let has_sibling = |ending: &str, is: fn(&table::ValueKind) -> bool| {
            let sibling = format!("{}{ending}", field.name);
            section.fields.iter().any(|other| other.name == sibling && is(&other.kind))
        };
        match &field.kind {
            table::ValueKind::Secret if !has_sibling("_file", |kind| matches!(kind, table::ValueKind::Path)) => {
                found.push(format!("{path} has no sibling {}_file", field.name));
            }
            table::ValueKind::Map { of: table::ValueKind::Property, .. } if !has_sibling("_files", is_map_of_files) => {
                found.push(format!("{path} has no sibling {}_files", field.name));
            }
            table::ValueKind::Text | table::ValueKind::Property if is_sensitive(field.name) => {
                found.push(format!("{path} is named like a secret and shown"));
            }
            table::ValueKind::Section(inner) => find_open_secrets(&path, inner, found),
            table::ValueKind::List { of: table::ValueKind::Section(inner), .. }
            | table::ValueKind::Map { of: table::ValueKind::Section(inner), .. } => {
                find_open_secrets(&path, inner, found)
            }
            _ => {}
        }
    }
}

#[test]
fn every_secret_can_be_in_a_file() {
    let mut found = Vec::new();
    find_open_secrets("", &fields::ROOT, &mut found);
    assert_eq!(found, Vec::<String>::new());
    let sections = ["nacos", "kafka"].map(|name| {
        let field = fields::ROOT.fields.iter().find(|field| field.name == name).unwrap();
        let table::ValueKind::Section(section) = &field.kind else { panic!("{name} is a section") };
        section.fields.iter().map(|field| field.name).filter(|name| name.contains("_file")).collect::<Vec<_>>()
    });
    assert_eq!(sections, [vec!["password_file"], vec!["properties_files"]]);
}

#[test]
fn a_secret_is_in_one_place_and_its_file_is_not_opened_by_reading_the_configuration() {
    let nacos = |more: &str| with_section(&format!("nacos: {{servers: [\"127.0.0.1:8848\"], username: u{more}}}"));
    let read_nacos = read(&nacos(", password_file: /nowhere")).unwrap().config.nacos.registry;
    let RegistryChoice::Remote(remote) = read_nacos else { panic!("it is no embedded one") };
    assert_eq!(remote.login.unwrap().password.file(), Some(&"/nowhere".into()));
    assert_eq!(
        mistakes(&nacos(", password: p, password_file: f")),
        ["4:64 nacos.password_file: password is there as well (one of the two)"]
    );
    let kafka = |more: &str| with_section(&format!("kafka: {{brokers: [\"127.0.0.1:9092\"], {more}}}"));
    let files = |more: &str| kafka(&format!("properties: {{security.protocol: sasl_ssl, sasl.username: u{more}}}"));
    let read_kafka = read(&files("}, properties_files: {sasl.password: /nowhere")).unwrap().config.kafka;
    assert_eq!(read_kafka.properties_files.0["sasl.password"], std::path::PathBuf::from("/nowhere"));
    for (more, part) in [
        (files(", sasl.password: p}, properties_files: {sasl.password: f"), "sasl.password is in `properties` as well"),
        (kafka("properties_files: {group.id: f}"), "a property that must not be set"),
        (
            kafka("properties_files: {sasl.password: f}").replace("127.0.0.1", "10.0.0.1"),
            "settings of SASL, which is not used",
        ),
    ] {
        let found = mistakes(&more);
        assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
    }
}

#[test]
fn users_log_in_only_at_a_nacos_that_has_some_and_by_a_line_of_their_own() {
    let with = |nacos: &str| format!("{}access: {{nacos_login: true}}\n", with_section(&format!("nacos: {{{nacos}}}")));
    for (nacos, part) in [
        ("embedded: true", "no users who could log in"),
        (r#"servers: ["10.0.0.1:8848"]"#, "passwords of users who log in, in plain text"),
    ] {
        let found = mistakes(&with(nacos));
        assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
    }
    assert_eq!(weak(&with(r#"servers: ["10.0.0.1:8848"], insecure: true"#)), ["nacos.insecure"]);
    for nacos in [r#"servers: ["127.0.0.1:8848"]"#, r#"servers: ["10.0.0.1:8848"], https: true, tls: {}"#] {
        assert!(weak(&with(nacos)).is_empty(), "{nacos}");
    }
}
