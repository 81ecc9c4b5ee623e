use super::*;

fn key() -> ConfigKey {
    config_key("", "g", "app.yaml")
}

fn publish(store: &mut ConfigStore, content: &str, expect: Expect<'_>) -> Result<(), PublishError> {
    store.publish(&key(), content, ConfigLabels::default(), expect, WallMs(7))
}

#[test]
fn a_publication_with_an_expectation_needs_the_item_as_expected() {
    let one = md5_hex("1");
    for (name, before, expect, want) in [
        ("new", None, Expect::Anything, Ok(())),
        ("replaced", Some("1"), Expect::Anything, Ok(())),
        ("as expected", Some("1"), Expect::Md5(&one), Ok(())),
        ("changed in between", Some("2"), Expect::Md5(&one), Err(PublishError::Conflict)),
        ("absent, of which Nacos requires nothing", None, Expect::Md5(&one), Ok(())),
    ] {
        let mut store = ConfigStore::default();
        if let Some(content) = before {
            publish(&mut store, content, Expect::Anything).unwrap();
        }
        assert_eq!(publish(&mut store, "3", expect), want, "{name}");
        let content = store.get(&key()).map(|item| item.content.to_string());
        assert_eq!(content.as_deref(), if want.is_ok() { Some("3") } else { before }, "{name}");
    }
}

#[test]
fn the_same_content_again_is_no_change() {
    let mut store = ConfigStore::default();
    for (content, changes) in [("1", 1), ("1", 0), ("2", 1)] {
        publish(&mut store, content, Expect::Anything).unwrap();
        assert_eq!(store.take_changed().len(), changes, "{content}");
    }
    store.remove(&key());
    store.remove(&key());
    assert_eq!(store.take_changed().len(), 1);
}

#[test]
fn a_listener_hears_at_once_what_it_does_not_know() {
    let one = md5_hex("1");
    for (name, content, md5, differs) in [
        ("neither has it", None, "", false),
        ("only the listener has it", None, one.as_str(), true),
        ("only the registry has it", Some("1"), "", true),
        ("both have it", Some("1"), one.as_str(), false),
    ] {
        let mut store = ConfigStore::default();
        if let Some(content) = content {
            publish(&mut store, content, Expect::Anything).unwrap();
        }
        assert_eq!(store.listen(&key(), &"a".into(), "", md5), differs, "{name}");
    }
}

#[test]
fn each_listener_is_kept_with_the_name_it_uses_for_the_default_namespace() {
    let mut store = ConfigStore::default();
    store.listen(&config_key("", "g", "app.yaml"), &"a".into(), "", "");
    store.listen(&config_key("public", "g", "app.yaml"), &"b".into(), "public", "");
    let told: Vec<_> = store.listeners(&key()).map(|(who, name)| format!("{who}:{name}")).collect();
    assert_eq!(told, ["a:", "b:public"]);
    store.disconnect(&"a".into());
    store.ignore(&key(), &"b".into());
    assert_eq!(store.listeners(&key()).count(), 0);
}

#[test]
fn a_format_that_nobody_knows_is_text() {
    for (said, kept) in [("yaml", "yaml"), ("", "text"), ("JSON", "text"), ("nothing", "text"), ("unset", "unset")] {
        assert_eq!(known_kind(said), kept, "{said:?}");
    }
}

#[test]
fn items_that_nacos_refuses_are_refused() {
    let long = "d".repeat(257);
    for (data_id, content, legal) in [
        ("app.yaml", "a: 1\r\n", true),
        ("a:b-c_d.e", "ä", true),
        ("", "1", false),
        ("a b", "1", false),
        (long.as_str(), "1", false),
        ("app.yaml", "", false),
        ("app.yaml", " \n", false),
    ] {
        let mut store = ConfigStore::default();
        let key = config_key("", "g", data_id);
        let outcome = store.publish(&key, content, ConfigLabels::default(), Expect::Anything, WallMs(1));
        assert_eq!(outcome.is_ok(), legal, "{data_id} {content:?}");
    }
}
