//! Config items: heard of, read, written on condition, and shown to the admin.

use std::collections::BTreeMap;

use federation_harness::Line;
use nacos_protocol::client::{CallError, ConfigName, ConfigWrite};
use nacos_protocol::message::config::addition;

use crate::peer::eventually;
use crate::subject::{Kind, Subject};

fn write(content: &str) -> ConfigWrite {
    ConfigWrite { content: content.into(), ..ConfigWrite::default() }
}

fn item(subject: &Subject, stem: &str) -> ConfigName {
    ConfigName::new("public", "G", subject.unique(stem))
}

pub(crate) async fn a_publish_is_heard_and_read_back_byte_for_byte(subject: &mut Subject) {
    let (writer, mut listener) = (subject.peer().await, subject.peer().await);
    let name = item(subject, "bytes:1.0_a-b");
    assert_eq!(listener.client.query_config(&name).await.unwrap(), None);
    listener.client.listen_config(&name, "");
    for content in ["a: 1\r\nb: \"ü\"\r\n", " leading and trailing \n\n", "值 🙂 \u{1f} \t \\ '\"", "<x a=\"&amp;\"/>"]
    {
        let before = listener.told();
        writer.client.publish_config(&name, write(content)).await.unwrap();
        listener.hears_of(before, &name).await;
        listener.reads(&name, Some(content)).await; // For some 100 ms it may be missing: the bell rings before the book is open.
        let read = listener.client.query_config(&name).await.unwrap().unwrap();
        listener.client.listen_config(&name, &read.md5);
    }
}

pub(crate) async fn a_removal_is_heard_and_read_as_none(subject: &mut Subject) {
    let mut peer = subject.peer().await;
    let name = item(subject, "removed");
    peer.client.publish_config(&name, write("here")).await.unwrap();
    peer.reads(&name, Some("here")).await;
    let md5 = peer.client.query_config(&name).await.unwrap().unwrap().md5;
    peer.client.listen_config(&name, &md5);
    let before = peer.told();
    peer.client.remove_config(&name).await.unwrap();
    peer.hears_of(before, &name).await;
    peer.reads(&name, None).await;
    peer.client.remove_config(&name).await.unwrap();
}

pub(crate) async fn a_stale_writer_is_refused_by_md5(subject: &mut Subject) {
    let peer = subject.peer().await;
    let name = item(subject, "cas");
    let conditional = |content: &str, md5: &str| ConfigWrite { cas_md5: Some(md5.into()), ..write(content) };
    peer.client.publish_config(&name, write("1")).await.unwrap();
    peer.reads(&name, Some("1")).await;
    let md5 = peer.client.query_config(&name).await.unwrap().unwrap().md5;
    peer.client.publish_config(&name, conditional("2", &md5)).await.unwrap();
    let refused = peer.client.publish_config(&name, conditional("3", &md5)).await.unwrap_err();
    assert!(matches!(refused, CallError::Server { .. }), "{refused}");
    peer.reads(&name, Some("2")).await;
}

pub(crate) async fn an_item_of_a_mebibyte_is_read_whole(subject: &mut Subject) {
    let peer = subject.peer().await;
    let name = item(subject, "large");
    let content = "0123456789abcdé\n".repeat((1 << 20) / 17 + 1);
    assert!(content.len() >= 1 << 20);
    peer.client.publish_config(&name, write(&content)).await.unwrap();
    let read = eventually("it can be read", async || peer.client.query_config(&name).await.ok()?).await;
    assert!(read.content == content, "{} bytes came back of {}", read.content.len(), content.len());
}

pub(crate) async fn everything_kept_beside_the_content_is_shown_to_the_admin(subject: &mut Subject) {
    let peer = subject.peer().await;
    // What 2.x has under `public`, the other name, its HTTP API never shows.
    let namespace = if subject.kind() == Kind::Nacos(Line::V2) { "" } else { "public" };
    let name = ConfigName { namespace: namespace.into(), ..item(subject, "details") };
    let additions = BTreeMap::from([
        (addition::APP_NAME.to_owned(), "shop".to_owned()),
        (addition::CONFIG_TAGS.to_owned(), "red,blue".to_owned()),
        (addition::DESC.to_owned(), "what für".to_owned()),
    ]);
    let content = "a: 1\n";
    let publish = ConfigWrite { content_type: "yaml".into(), additions, ..write(content) };
    peer.client.publish_config(&name, publish).await.unwrap();
    let detail = eventually("the admin sees it", async || peer.admin.config_detail(&name).await.unwrap()).await;
    assert_eq!((&*detail.content, &*detail.content_type), (content, "yaml"));
    assert_eq!((&*detail.app_name, &*detail.description), ("shop", "what für"));
    let mut tags = detail.tags.clone();
    tags.sort();
    assert_eq!(tags, ["blue", "red"]);
    let listed = peer.admin.config_keys("public").await.unwrap();
    let found = listed.iter().find(|entry| entry.name.data_id == name.data_id).expect("it is listed");
    assert_eq!(&*found.content_type, "yaml");
    peer.reads(&found.name, Some(content)).await;
    let read = peer.client.query_config(&found.name).await.unwrap().expect("it is read by the name in the listing");
    assert_eq!((&*read.content, &*read.content_type, read.md5), (content, "yaml", detail.md5));
}

/// 3.x made one of them; on 2.x they are two items over gRPC, and the HTTP API shows one.
pub(crate) async fn the_two_names_of_the_default_namespace_are_one_item_on_3_and_two_on_2(subject: &mut Subject) {
    let peer = subject.peer().await;
    let public = item(subject, "names");
    let nameless = ConfigName { namespace: String::new(), ..public.clone() };
    peer.client.publish_config(&nameless, write("here")).await.unwrap();
    peer.reads(&nameless, Some("here")).await;
    let by_the_other_name = peer.client.query_config(&public).await.unwrap().map(|read| read.content);
    let wanted = if subject.kind() == Kind::Nacos(Line::V2) { None } else { Some("here".to_owned()) };
    assert_eq!(by_the_other_name, wanted);
}
