//! Payloads captured from real servers of both lines decode to what was sent.

use std::fs;
use std::path::Path;

use nacos_protocol::message::config::{
    ConfigChangeBatchListenResponse, ConfigChangeNotifyRequest, ConfigContext, ConfigPublishResponse,
    ConfigQueryResponse, ConfigRemoveResponse,
};
use nacos_protocol::message::internal::{
    ErrorResponse, HealthCheckResponse, ServerCheckResponse, SetupAckRequest, ability,
};
use nacos_protocol::message::naming::{
    BatchInstanceResponse, InstanceResponse, NacosInstance, NamingFuzzyWatchChangeNotifyRequest,
    NamingFuzzyWatchResponse, NamingFuzzyWatchSyncRequest, NotifySubscriberRequest, QueryServiceResponse, ServiceInfo,
    ServiceListResponse, SubscribeServiceResponse, changed_type, sync_type,
};
use nacos_protocol::message::{Message, Request, Response, ResponseOutcome, error_code};
use nacos_protocol::payload::Payload;

const LINES: [&str; 2] = ["2.3.2", "3.1.0"];

fn captured<M: Message>(line: &str, name: &str) -> M {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(line).join(format!("{name}.bin"));
    let bytes = fs::read(&file).expect("the fixture is there");
    let payload = <Payload as prost::Message>::decode(&bytes[..]).expect("a payload");
    payload.decode().unwrap_or_else(|error| panic!("{}: {error:?}", file.display()))
}

fn assert_two_instances(info: &ServiceInfo) {
    assert_eq!((&*info.name, &*info.group_name), ("capture", "G"));
    assert!(info.last_ref_time > 1_700_000_000_000 && !info.reach_protection_threshold);
    let instance = |ip: &str, weight| NacosInstance {
        instance_id: format!("{ip}#8080#DEFAULT#G@@capture"),
        ip: ip.to_owned(),
        port: 8080,
        weight,
        cluster_name: "DEFAULT".to_owned(),
        service_name: "G@@capture".to_owned(),
        metadata: [("owner".to_owned(), "ü \"q\" \u{1f}".to_owned())].into(),
        ..NacosInstance::default()
    };
    assert_eq!(info.hosts, [instance("192.0.2.1", 0.5), instance("192.0.2.2", 3.0)]);
}

#[test]
fn the_handshake_of_both_lines_is_read() {
    for line in LINES {
        let check: ServerCheckResponse = captured(line, "server_check_response");
        assert!(check.support_ability_negotiation && check.connection_id.contains("_127.0.0.1_"), "{line}");
        let abilities = captured::<SetupAckRequest>(line, "setup_ack_request").ability_table;
        assert_eq!(abilities.get(ability::PERSISTENT_INSTANCE), Some(&true), "{line}");
        assert_eq!(abilities.get(ability::FUZZY_WATCH).copied().unwrap_or(false), line == "3.1.0");
        assert_eq!(captured::<HealthCheckResponse>(line, "health_check_response").outcome(), ResponseOutcome::Ok);
    }
}

#[test]
fn services_of_both_lines_are_read() {
    for line in LINES {
        let push: NotifySubscriberRequest = captured(line, "notify_subscriber_request");
        assert!(push.request_id().parse::<u64>().is_ok(), "{line}");
        assert_eq!(push.namespace, "", "{line}: pushes name no namespace");
        assert_two_instances(&push.service_info.expect("a service"));
        let query: QueryServiceResponse = captured(line, "query_service_response");
        assert_two_instances(&query.service_info.expect("a service"));
        let ended: SubscribeServiceResponse = captured(line, "unsubscribe_response");
        assert_two_instances(&ended.service_info.expect("a service"));
        let empty: SubscribeServiceResponse = captured(line, "subscribe_response_empty");
        assert_eq!(empty.service_info.expect("a service").hosts, []);
        let list: ServiceListResponse = captured(line, "service_list_response");
        assert_eq!((list.count, list.service_names.len()), (4, 4));
        assert_eq!(captured::<InstanceResponse>(line, "instance_response").operation, "registerInstance");
        assert_eq!(
            captured::<BatchInstanceResponse>(line, "batch_instance_response").operation,
            "batchRegisterInstance"
        );
    }
}

#[test]
fn config_items_of_both_lines_are_read() {
    for line in LINES {
        let item: ConfigQueryResponse = captured(line, "config_query_response");
        assert_eq!(item.content.as_deref(), Some("a: ü\r\n"));
        assert_eq!(item.content_type.as_deref(), Some("yaml"));
        assert_eq!(item.md5.as_deref(), Some("ef4cd8fd3e10d59e8c965a49755b0205"));
        let absent: ConfigQueryResponse = captured(line, "config_query_response_absent");
        assert_eq!((absent.error_code, absent.content), (error_code::NOT_READY, None));
        let changed: ConfigChangeBatchListenResponse = captured(line, "config_listen_response");
        let key = ConfigContext { group: "G".into(), data_id: "capture".into(), tenant: "dev".into() };
        assert_eq!(changed.changed_configs, [key]);
        let bell: ConfigChangeNotifyRequest = captured(line, "config_change_notify_request");
        assert_eq!((&*bell.tenant, &*bell.group, &*bell.data_id), ("dev", "G", "capture"));
        assert_eq!(captured::<ConfigPublishResponse>(line, "config_publish_response").outcome(), ResponseOutcome::Ok);
        assert_eq!(captured::<ConfigPublishResponse>(line, "config_publish_response_cas").error_code, 500);
        assert_eq!(captured::<ConfigRemoveResponse>(line, "config_remove_response").outcome(), ResponseOutcome::Ok);
    }
}

#[test]
fn errors_of_both_lines_are_read() {
    for line in LINES {
        let unregistered: ErrorResponse = captured(line, "error_unregistered");
        assert_eq!(unregistered.error_code, error_code::UNREGISTERED, "{line}");
        let unknown: ErrorResponse = captured(line, "error_unknown_message");
        assert_eq!(unknown.error_code, error_code::NO_HANDLER, "{line}");
    }
}

#[test]
fn fuzzy_watch_of_3x_is_read() {
    assert_eq!(
        captured::<NamingFuzzyWatchResponse>("3.1.0", "naming_fuzzy_watch_response").outcome(),
        ResponseOutcome::Ok
    );
    let init: NamingFuzzyWatchSyncRequest = captured("3.1.0", "fuzzy_watch_sync_request_init");
    assert_eq!((&*init.sync_type, &*init.group_key_pattern), (sync_type::INIT, "public>>*>>*"));
    assert!(init.contexts.iter().any(|service| service.service_key == "public@@G@@capture"));
    assert!(init.contexts.iter().all(|service| service.changed_type == changed_type::ADDED));
    let finish: NamingFuzzyWatchSyncRequest = captured("3.1.0", "fuzzy_watch_sync_request_finish");
    assert_eq!((&*finish.sync_type, finish.contexts.len()), (sync_type::INIT_FINISHED, 0));
    let change: NamingFuzzyWatchChangeNotifyRequest = captured("3.1.0", "fuzzy_watch_change_request");
    assert_eq!((&*change.service_key, &*change.changed_type), ("public@@G@@capture", changed_type::DELETED));
}
