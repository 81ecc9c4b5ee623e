//! What the adapter of the local Nacos, and the engine, have to know from the configuration.

use std::net::SocketAddr;
use std::time::Duration;

use federation_core::pattern::{ConfigPattern, Glob, NameSelection, ServicePattern};
use nacos_protocol::client::ConfigName;
use nacos_protocol::cluster::{ClientIdentity, ClusterOptions, LoginCredentials, ServerAddress, TlsOptions};

use crate::config::{GatewayConfig, NacosConfig, RegistryChoice, RemoteNacos, Tls};
use federation_core::namespaces::Namespaces;
use federation_document::values::HostPort;
use federation_nacos::{NacosSettings, PUBLIC};
use federation_policy::sources::PolicyItem;

/// At the start or later: services come and go, and a deployment registers its first ones after it has started its gateway.
const UNMATCHED_AFTER: Duration = Duration::from_secs(30);

/// Settings for the Nacos that the configuration names; `None` if that is the embedded registry.
#[must_use]
pub(super) fn for_remote(config: &GatewayConfig) -> Option<NacosSettings> {
    match &config.nacos.registry {
        RegistryChoice::Remote(remote) => Some(settings(config, remote_cluster(&config.nacos, remote))),
        RegistryChoice::Embedded(_) => None,
    }
}

/// Settings for the registry in this process, which listens here. `None` if its gRPC port is below its HTTP port: clients compute the
/// one from the other.
#[must_use]
pub(super) fn for_embedded(config: &GatewayConfig, http: SocketAddr, grpc: SocketAddr) -> Option<NacosSettings> {
    let mut cluster = ClusterOptions::new(vec![address(&local(http).to_string())]);
    cluster.grpc_offset = grpc.port().checked_sub(http.port())?;
    cluster.request_timeout = config.nacos.request_timeout;
    cluster.http_timeout = config.nacos.http_timeout;
    Some(settings(config, cluster))
}

fn settings(config: &GatewayConfig, cluster: ClusterOptions) -> NacosSettings {
    NacosSettings {
        cluster,
        export: config.export.0.clone(),
        namespaces: config.namespaces.clone(),
        own_item: config.routing.policy.item.as_ref().map(own_item),
        namespace_poll: config.nacos.namespace_poll,
        service_poll: config.nacos.service_poll,
        unmatched_after: UNMATCHED_AFTER,
    }
}

fn own_item(item: &PolicyItem) -> ConfigName {
    ConfigName::new(item.namespace.as_str(), item.group.as_str(), item.data_id.as_str())
}

fn remote_cluster(nacos: &NacosConfig, remote: &RemoteNacos) -> ClusterOptions {
    let servers = remote.servers.iter().map(|server: &HostPort| address(&server.to_string())).collect();
    let tls = remote.tls.as_ref().map(tls_options);
    ClusterOptions {
        grpc_offset: remote.grpc_offset,
        context_path: remote.context_path.clone(),
        credentials: remote.login.as_ref().and_then(|login| {
            let password = login.password.written()?.expose().to_owned();
            Some(LoginCredentials { username: login.username.clone(), password })
        }),
        http_tls: remote.https.then(|| tls.clone().unwrap_or_default()),
        grpc_tls: tls,
        request_timeout: nacos.request_timeout,
        connect_timeout: nacos.request_timeout,
        http_timeout: nacos.http_timeout,
        ..ClusterOptions::new(servers)
    }
}

fn address(text: &str) -> ServerAddress {
    text.parse().expect("the configuration holds host and port in the forms that are read here")
}

/// A registry that listens everywhere is reached here.
fn local(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], v6.port())),
        other => other,
    }
}

fn tls_options(tls: &Tls) -> TlsOptions {
    let identity = |client: &crate::config::ClientCertificate| ClientIdentity {
        certificate_file: client.cert.clone(),
        key_file: client.key.clone(),
    };
    TlsOptions {
        ca_file: tls.ca.clone(),
        client_identity: tls.client.as_ref().map(identity),
        server_name: tls.server_name.clone(),
    }
}

/// The export rules over federated names, for the engine, which knows no local ones. `export` is over local ids.
///
/// The adapter itself exports by local ids. What the engine decides with these rules is whether what its log has is still exported. A rule
/// for a namespace that is found by its shown name cannot be translated before Nacos is asked; such a name counts as exported.
#[must_use]
pub(super) fn federated_selection(export: &NameSelection, namespaces: &Namespaces) -> NameSelection {
    let services = |rules: &[ServicePattern]| {
        let with = |rule: &ServicePattern, namespace| ServicePattern { namespace, ..rule.clone() };
        translated(rules, namespaces, |rule| &rule.namespace, with)
    };
    let configs = |rules: &[ConfigPattern]| {
        let with = |rule: &ConfigPattern, namespace| ConfigPattern { namespace, ..rule.clone() };
        translated(rules, namespaces, |rule| &rule.namespace, with)
    };
    let mut federated = NameSelection {
        services: services(&export.services),
        configs: configs(&export.configs),
        excluded_services: services(&export.excluded_services),
        excluded_configs: configs(&export.excluded_configs),
    };
    default_namespace_by_name(&mut federated.configs);
    default_namespace_by_name(&mut federated.excluded_configs);
    for name in namespaces.by_shown_name() {
        federated
            .services
            .extend(export.services.iter().map(|rule| ServicePattern { namespace: literal(name), ..rule.clone() }));
        federated
            .configs
            .extend(export.configs.iter().map(|rule| ConfigPattern { namespace: literal(name), ..rule.clone() }));
    }
    exclude_unexported_names(&mut federated, export, namespaces);
    federated
}

/// Each rule as it is, unless it names one namespace that has another name; and once more for each renamed namespace that it matches.
fn translated<R: Clone>(
    rules: &[R],
    namespaces: &Namespaces,
    namespace: impl Fn(&R) -> &Glob,
    with: impl Fn(&R, Glob) -> R,
) -> Vec<R> {
    let mut translated = Vec::new();
    for rule in rules {
        let renamed = namespaces.by_id().filter(|(local, federated)| local != federated);
        let matching: Vec<Glob> =
            renamed.filter(|(local, _)| namespace(rule).matches(local)).map(|(_, name)| literal(name)).collect();
        if namespace(rule).literal().is_none() || matching.is_empty() {
            translated.push(rule.clone());
        }
        translated.extend(matching.into_iter().map(|name| with(rule, name)));
    }
    translated
}

/// Rules with wildcards match names that mean other namespaces here: names of renamed ones that no rule exports, and ids that are no names.
fn exclude_unexported_names(federated: &mut NameSelection, export: &NameSelection, namespaces: &Namespaces) {
    let mut exclude = |name: &str, services: bool, configs: bool| {
        if services {
            federated.excluded_services.push(ServicePattern { namespace: literal(name), ..ServicePattern::any() });
        }
        if configs {
            federated.excluded_configs.push(ConfigPattern { namespace: literal(name), ..ConfigPattern::any() });
        }
    };
    let names: Vec<&str> = namespaces.by_id().map(|(_, name)| name).chain(namespaces.by_shown_name()).collect();
    for (local, name) in namespaces.by_id() {
        exclude(name, !export.may_have_services_in(local), !export.may_have_configs_in(local));
        if local != name && !names.contains(&local) {
            exclude(local, true, true);
        }
    }
}

/// For config items `""` is another name of the default namespace, and keys bear the other.
fn default_namespace_by_name(rules: &mut [ConfigPattern]) {
    for rule in rules.iter_mut().filter(|rule| rule.namespace.literal() == Some("")) {
        rule.namespace = literal(PUBLIC);
    }
}

fn literal(name: &str) -> Glob {
    name.parse().expect("names of namespaces are shorter than patterns may be")
}

#[cfg(test)]
mod tests {
    use federation_core::id::{ConfigKey, ServiceKey};

    use super::*;
    use crate::config::ConfigSurroundings;

    fn config(lines: &str) -> GatewayConfig {
        let head = "federation: f\ncluster: c\nlocality: {region: r}\nkafka: {brokers: [\"h:2\"]}\n";
        crate::config::from_text("test", &format!("{head}{lines}"), &ConfigSurroundings::default()).unwrap().config
    }

    fn exports(lines: &str) -> impl Fn(&str) -> bool {
        let config = config(&format!("nacos: {{servers: [\"h:1\"]}}\n{lines}"));
        let selection = federated_selection(&config.export.0, &config.namespaces);
        move |namespace| selection.has_service(&ServiceKey::new(namespace, "G", "s"))
    }

    #[test]
    fn a_nacos_is_reached_as_the_configuration_says() {
        let config = config(
            "nacos: {servers: [\"[::1]:8000\", \"nacos:8848\"], username: u, password: p, https: true, insecure: true, grpc_offset: 7, \
             context_path: /x, request_timeout: 2s, http_timeout: 5s, service_poll: 4s}\n",
        );
        let settings = for_remote(&config).unwrap();
        let servers: Vec<String> = settings.cluster.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["[::1]:8000", "nacos:8848"]);
        assert_eq!((settings.cluster.grpc_offset, &*settings.cluster.context_path), (7, "/x"));
        assert_eq!(
            settings.cluster.credentials.map(|found| (found.username, found.password)),
            Some(("u".into(), "p".into()))
        );
        assert!(settings.cluster.grpc_tls.is_none() && settings.cluster.http_tls.is_some());
        assert_eq!(
            (settings.cluster.request_timeout, settings.cluster.http_timeout, settings.service_poll),
            (Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(4))
        );
    }

    #[test]
    fn an_embedded_registry_is_reached_where_it_listens() {
        let config = config("nacos: {embedded: true}\n");
        assert!(for_remote(&config).is_none());
        let (http, grpc) = ("0.0.0.0:8848".parse().unwrap(), "0.0.0.0:9848".parse().unwrap());
        let settings = for_embedded(&config, http, grpc).unwrap();
        assert_eq!(
            (settings.cluster.servers[0].to_string().as_str(), settings.cluster.grpc_offset),
            ("127.0.0.1:8848", 1000)
        );
        assert!(for_embedded(&config, grpc, http).is_none());
    }

    #[test]
    fn rules_over_local_ids_are_kept_where_nothing_is_renamed() {
        let exported =
            exports("export: {services: [{namespace: \"prod-*\"}], exclude: {services: [{namespace: prod-9}]}}\n");
        assert!(exported("prod-1") && !exported("prod-9") && !exported("test"));
    }

    #[test]
    fn a_rule_for_a_renamed_namespace_exports_its_federated_name() {
        let exported = exports("export: {services: [{namespace: a1b2}]}\nnamespaces: {a1b2: prod}\n");
        assert!(exported("prod") && !exported("a1b2") && !exported("other"));
    }

    #[test]
    fn a_wildcard_exports_renamed_namespaces_under_their_new_name_only() {
        let exported = exports("namespaces: {a1b2: prod}\n");
        assert!(exported("prod") && exported("other") && !exported("a1b2"));
        let exported = exports("export: {services: [{namespace: \"p*\"}]}\nnamespaces: {secret: public-2}\n");
        assert!(exported("public") && !exported("public-2"), "its local id matches no rule");
    }

    #[test]
    fn names_that_depend_on_shown_names_count_as_exported() {
        let exported = exports("export: {services: [{namespace: a1b2}]}\nnamespaces: {\"name:Production\": prod}\n");
        assert!(exported("prod"));
    }

    #[test]
    fn the_default_namespace_of_config_items_is_public() {
        let config = config(
            "nacos: {servers: [\"h:1\"]}\nexport: {configs: [{namespace: \"\", group: \"*\", data_id: \"*\"}]}\n",
        );
        let selection = federated_selection(&config.export.0, &config.namespaces);
        assert!(selection.has_config(&ConfigKey::new("public", "G", "d")));
    }
}
