use super::*;

fn key() -> ConfigKey {
    config_key("", "g", "app.yaml")
}

fn publish(store: &mut ConfigStore, content: &str, expect: ExpectedContent<'_>) -> Result<(), PublishError> {
    let item = store.prepare(&key(), content, ConfigLabels::default(), expect, WallMs(7))?;
    store.put(&key(), Some(item));
    Ok(())
}

#[test]
fn a_publication_with_an_expectation_needs_the_item_as_expected() {
    let one = md5_hex("1");
    for (name, before, expect, want) in [
        ("new", None, ExpectedContent::Anything, Ok(())),
        ("replaced", Some("1"), ExpectedContent::Anything, Ok(())),
        ("as expected", Some("1"), ExpectedContent::Md5(&one), Ok(())),
        ("changed in between", Some("2"), ExpectedContent::Md5(&one), Err(PublishError::Conflict)),
        ("absent, of which Nacos requires nothing", None, ExpectedContent::Md5(&one), Ok(())),
    ] {
        let mut store = ConfigStore::default();
        if let Some(content) = before {
            publish(&mut store, content, ExpectedContent::Anything).unwrap();
        }
        assert_eq!(publish(&mut store, "3", expect), want, "{name}");
        let content = store.look(&key()).unwrap().map(|item| item.content.to_string());
        assert_eq!(content.as_deref(), if want.is_ok() { Some("3") } else { before }, "{name}");
    }
}

#[test]
fn the_same_content_again_is_no_change() {
    let mut store = ConfigStore::default();
    for (content, changes) in [("1", 1), ("1", 0), ("2", 1)] {
        publish(&mut store, content, ExpectedContent::Anything).unwrap();
        assert_eq!(store.take_changed().len(), changes, "{content}");
    }
    store.put(&key(), None);
    store.put(&key(), None);
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
            publish(&mut store, content, ExpectedContent::Anything).unwrap();
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
        let store = ConfigStore::default();
        let key = config_key("", "g", data_id);
        let outcome = store.prepare(&key, content, ConfigLabels::default(), ExpectedContent::Anything, WallMs(1));
        assert_eq!(outcome.is_ok(), legal, "{data_id} {content:?}");
    }
}

#[test]
fn what_cannot_be_read_is_neither_there_nor_absent_and_nobody_hears_that_it_went() {
    let (other, one) = (config_key("", "g", "other"), md5_hex("1"));
    for all in [true, false] {
        let mut store = ConfigStore::default();
        match all {
            true => store.set_all_unreadable(Some("no disk".into())),
            false => store.set_unreadable([(file_name(&key()), "damaged".into())].into()),
        }
        let reason = if all { "no disk" } else { "damaged" };
        assert_eq!(store.look(&key()), Err(UnreadableItem(reason.into())));
        assert!(!store.listen(&key(), &"a".into(), "", &one));
        assert_eq!((store.look(&other).is_err(), store.all_readable().is_err()), (all, all));
        let expected = publish(&mut store, "2", ExpectedContent::Md5(&one)).unwrap_err();
        assert_eq!(
            expected,
            PublishError::Unreadable(UnreadableItem(reason.into())),
            "what it expects cannot be compared"
        );
        assert_eq!(
            publish(&mut store, "2", ExpectedContent::Anything).is_ok(),
            !all,
            "a single one can be published anew"
        );
        store.set_all_unreadable(None);
        store.put(&key(), None);
        assert_eq!(store.look(&key()), Ok(None), "and removed");
    }
}

#[test]
fn what_is_restored_late_replaces_nothing_that_was_published() {
    let item = |content: &str| {
        let store = ConfigStore::default();
        store.prepare(&key(), content, ConfigLabels::default(), ExpectedContent::Anything, WallMs(1)).unwrap()
    };
    let mut store = ConfigStore::default();
    store.restore(&key(), item("of nobody"));
    assert_eq!(store.look(&key()), Ok(None), "it was removed, or never published");
    store.set_all_unreadable(Some("no disk".into()));
    store.restore(&key(), item("1"));
    store.restore(&key(), item("2"));
    assert_eq!(store.look(&key()).unwrap().unwrap().content, "1".into());
    assert_eq!(store.take_changed().len(), 1, "listeners hear of it");
}
