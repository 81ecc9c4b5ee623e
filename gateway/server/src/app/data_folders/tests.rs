use std::fs;
use std::path::Path;

use federation_core::config_item::ConfigItem;
use federation_core::id::ConfigKey;

use super::*;

fn owner(cluster: &str) -> FolderOwner {
    FolderOwner { federation: "f".parse().unwrap(), cluster: cluster.parse().unwrap() }
}

/// An origin that has these config items.
fn origin(name: &str, items: &[(&str, &str)]) -> OriginSnapshot {
    let fact = |(data_id, content): &(&str, &str)| {
        let item = ConfigItem { content: (*content).into(), ..ConfigItem::default() };
        let key = ConfigKey::new("renamed", "g", data_id);
        let body = RecordBody::Config(Arc::new(item));
        KeptFact { key: DataKey::Config(key), body, header: None, digest: 0, readable: true }
    };
    OriginSnapshot {
        origin: name.parse().unwrap(),
        descriptor: None,
        last_beat: None,
        partitions: 1,
        facts: items.iter().map(fact).collect(),
        intents: Vec::new(),
        places: Vec::new(),
    }
}

/// What the version before left: a snapshot that names no owner, and items without a version.
fn left_before(folder: &Path, origins: Option<&[OriginSnapshot]>, items: &[(&str, &str)]) {
    let registry = folder.join(REGISTRY);
    fs::create_dir_all(&registry).unwrap();
    if let Some(origins) = origins {
        snapshot_file::write_all(&folder.into(), origins).unwrap();
    }
    for (data_id, content) in items {
        let key = federation_registry::configs::config_key("", "g", data_id);
        let md5 = federation_registry::configs::md5_hex(content);
        let item = serde_json::json!({"content": content, "md5": md5, "created_ms": 1, "modified_ms": 1, "labels": {}});
        let saved = serde_json::json!({"namespace": key.namespace(), "group": "g", "data_id": data_id, "item": item});
        fs::write(registry.join(federation_registry::configs::file_name(&key)), saved.to_string()).unwrap();
    }
}

#[test]
fn a_folder_from_before_is_adopted_only_by_the_cluster_whose_it_is() {
    let one: &[(&str, &str)] = &[("app.yaml", "1")];
    let two: &[(&str, &str)] = &[("app.yaml", "1"), ("db.yaml", "2")];
    let both = |ours: &[(&str, &str)], theirs: &[(&str, &str)]| vec![origin("a", ours), origin("b", theirs)];
    for (name, snapshot, items, want) in [
        ("nothing in it", None, &[][..], Ok(ClaimStanding::New)),
        ("a snapshot that knows us", Some(both(&[], &[])), &[], Ok(ClaimStanding::Adopted)),
        ("a snapshot that does not", Some(vec![origin("b", &[])]), &[], Err("its snapshot knows b, but not a")),
        ("our items", Some(both(two, &[])), two, Ok(ClaimStanding::Adopted)),
        ("not all of them are exported", Some(both(one, &[])), two, Ok(ClaimStanding::Adopted)),
        ("none is exported", Some(both(&[], &[])), two, Ok(ClaimStanding::Adopted)),
        ("the same in both clusters", Some(both(one, one)), one, Ok(ClaimStanding::Adopted)),
        ("another's items", Some(both(one, two)), two, Err("the config items in it are rather those of b")),
        ("an empty snapshot", Some(vec![]), &[], Ok(ClaimStanding::New)),
        ("items that nobody claims", None, two, Err("nothing tells whose the 2 config items in it are")),
    ] {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("data");
        left_before(&folder, snapshot.as_deref(), items);
        let claimed = claim_all(folder.clone(), None, owner("a"));
        match want {
            Ok(standing) => {
                let folders = claimed.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(folders.own.takes_nameless_files(), standing == ClaimStanding::Adopted, "{name}");
            }
            Err(why) => {
                let refused = claimed.unwrap_err().to_string();
                assert!(refused.contains(why), "{name}: {refused}");
            }
        }
    }
}

#[test]
fn a_snapshot_that_names_its_owner_speaks_for_a_folder_whose_identity_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("data");
    let folders = claim_all(folder.clone(), None, owner("b")).unwrap();
    snapshot_file::write_all(&folders.own, &[origin("a", &[]), origin("b", &[])]).unwrap();
    drop(folders);
    fs::remove_file(folder.join("identity")).unwrap();
    let refused = claim_all(folder.clone(), None, owner("a")).unwrap_err().to_string();
    assert!(refused.contains("its snapshot is of f/b, not of f/a"), "{refused}");
    claim_all(folder, None, owner("b")).unwrap();
}

#[test]
fn a_folder_of_config_items_elsewhere_is_claimed_like_the_own_one() {
    let root = tempfile::tempdir().unwrap();
    let [own, items, fresh] = ["own", "items", "fresh"].map(|name| root.path().join(name));
    fs::create_dir(&items).unwrap();
    let claim = |own: &Path, cluster: &str| claim_all(own.to_owned(), Some(items.clone()), owner(cluster));
    let folders = claim(&own, "a").unwrap();
    assert!(claim(&fresh, "a").unwrap_err().to_string().contains("is used by another gateway"));
    drop(folders);
    assert!(claim(&fresh, "b").unwrap_err().to_string().contains("belongs to cluster a of federation f"));

    fs::remove_file(items.join("identity")).unwrap();
    let item = root.path().join("left");
    left_before(&item, None, &[("app.yaml", "1")]);
    for entry in fs::read_dir(item.join(REGISTRY)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, items.join(path.file_name().unwrap())).unwrap();
    }
    let refused = claim(&root.path().join("new"), "a").unwrap_err().to_string();
    assert!(refused.contains("nothing tells whose the 1 config items in it are"), "{refused}");
    claim(&own, "a").expect("beside a data directory that is known to be this cluster's");
}

#[test]
fn one_folder_for_both_is_claimed_once() {
    let root = tempfile::tempdir().unwrap();
    let (own, link) = (root.path().join("data"), root.path().join("link"));
    std::os::unix::fs::symlink("data", &link).unwrap();
    fs::create_dir(&own).unwrap();
    for registry in [own.clone(), link] {
        let folders = claim_all(own.clone(), Some(registry), owner("a")).unwrap();
        assert_eq!(folders.registry.path(), own);
    }
}
