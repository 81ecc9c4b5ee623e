//! Folders and claims on a real file system, with what stands in their way.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn owner(cluster: &str) -> FolderOwner {
    FolderOwner { federation: "f".parse().unwrap(), cluster: cluster.parse().unwrap() }
}

fn claim(folder: &Path, cluster: &str) -> FolderClaim {
    FolderClaim::new(folder.to_owned(), owner(cluster), |_| Ok(OwnerEvidence::Nothing))
}

fn begun(folder: &Path, cluster: &str) -> Result<FolderClaim, ClaimRefused> {
    let claim = claim(folder, cluster);
    claim.begin().map(|()| claim)
}

#[test]
fn files_and_folders_are_made_for_their_owner_alone() {
    let root = tempfile::tempdir().unwrap();
    let folder = StorageFolder::make(&root.path().join("a/b")).unwrap();
    folder.replace("x", b"1").unwrap();
    let made = [root.path().join("a"), folder.path().to_owned(), folder.file("x")];
    assert_eq!(made.map(|path| mode(&path)), [0o700, 0o700, 0o600]);
    fs::set_permissions(folder.file("x"), Permissions::from_mode(0o644)).unwrap();
    folder.replace("x", b"2").unwrap();
    assert_eq!(mode(&folder.file("x")), 0o600, "a new file, not the former one's mode");
}

#[test]
fn what_others_could_read_is_narrowed_when_it_is_claimed_but_not_what_others_use() {
    let root = tempfile::tempdir().unwrap();
    let (own, shared) = (root.path().join("own"), root.path().join("shared"));
    for folder in [&own, &shared] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("snapshot"), "1").unwrap();
        fs::set_permissions(folder.join("snapshot"), Permissions::from_mode(0o664)).unwrap();
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(shared.join("program"), "").unwrap();
    fs::set_permissions(shared.join("program"), Permissions::from_mode(0o755)).unwrap();
    let _claims = [begun(&own, "a").unwrap(), begun(&shared, "a").unwrap()];
    assert_eq!((mode(&own), mode(&own.join("snapshot"))), (0o700, 0o600));
    assert_eq!((mode(&shared), mode(&shared.join("snapshot"))), (0o755, 0o600));
    assert_eq!(mode(&shared.join("program")), 0o755);
}

#[test]
fn a_write_leaves_the_former_file_or_the_new_one_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let folder = StorageFolder::make(root.path()).unwrap();
    folder.replace("x", b"former").unwrap();
    drop(folder.stage("x", b"new").unwrap());
    assert_eq!(folder.read("x", 10).unwrap().unwrap(), b"former");
    fs::write(folder.file("x.new"), "left by a crash").unwrap();
    folder.replace("x", b"new").unwrap();
    assert_eq!(
        (folder.read("x", 10).unwrap().unwrap(), folder.names().unwrap()),
        (b"new".to_vec(), vec!["x".to_owned()])
    );
    folder.probe(4096).unwrap();
    assert_eq!(folder.names().unwrap(), ["x"]);
}

#[test]
fn only_plain_files_of_bounded_size_are_read() {
    let root = tempfile::tempdir().unwrap();
    let folder = StorageFolder::make(root.path()).unwrap();
    fs::write(folder.file("plain"), "12345678").unwrap();
    fs::create_dir(folder.file("folder")).unwrap();
    symlink("plain", folder.file("link")).unwrap();
    symlink("nowhere", folder.file("dangling")).unwrap();
    // Not by a program: a process that starts has all locks of this one for a moment, and other tests look at theirs.
    let (pipe, mode) = (folder.file("pipe"), rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(folder.read("absent", 8).unwrap().is_none());
    assert_eq!(folder.read("plain", 8).unwrap().unwrap(), b"12345678");
    for (name, most, want) in [
        ("plain", 7, "is larger than 7 bytes"),
        ("folder", 8, "is a folder, not a file"),
        ("link", 8, "is a symbolic link, which is not followed"),
        ("dangling", 8, "is a symbolic link, which is not followed"),
        ("pipe", 8, "is no plain file"),
    ] {
        let refused = folder.read(name, most).unwrap_err().to_string();
        assert!(refused.ends_with(want), "{refused}");
    }
}

#[test]
fn what_stands_in_the_way_is_said_with_what_helps() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    for (path, want) in [
        (root.path().join("file"), "a file is where a folder should be"),
        (root.path().join("file/below"), "a file is where a folder should be"),
    ] {
        assert!(StorageFolder::make(&path).unwrap_err().told().ends_with(&format!("{want}: move it away")), "{path:?}");
    }
    let full =
        StorageError::io(Path::new("data/x"), FileAction::Written)(std::io::Error::from_raw_os_error(libc::ENOSPC));
    assert_eq!(full.told(), "data/x cannot be written: No space left on device (os error 28); make room on that disk");
}

#[test]
fn a_folder_is_its_first_users_and_says_so() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("data");
    let first = begun(&folder, "a").unwrap();
    assert_eq!(first.standing(), Some(ClaimStanding::New));
    drop(first);
    assert_eq!(begun(&folder, "a").unwrap().standing(), Some(ClaimStanding::Known));
    let before = fs::read_to_string(folder.join("identity")).unwrap();
    let refused = begun(&folder, "b").unwrap_err();
    let (found, own) = (owner("a"), owner("b"));
    assert_eq!(refused, ClaimRefused::Foreign { path: folder.clone(), found, own });
    let text = refused.to_string();
    assert!(text.contains("cluster a of federation f") && text.contains("cluster b of federation f"), "{text}");
    let of_another = FolderOwner { federation: "g".parse().unwrap(), ..owner("a") };
    assert!(FolderClaim::new(folder.clone(), of_another, |_| Ok(OwnerEvidence::Nothing)).begin().is_err());
    assert_eq!(fs::read_to_string(folder.join("identity")).unwrap(), before);
}

#[test]
fn content_from_before_identities_is_judged_once_and_only_what_agrees_is_adopted() {
    let root = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let judged = |evidence: OwnerEvidence| {
        let asked = Arc::clone(&asked);
        let judge = move |_: &StorageFolder| {
            asked.fetch_add(1, Ordering::Relaxed);
            Ok(evidence.clone())
        };
        let claim = FolderClaim::new(root.path().to_owned(), owner("a"), judge);
        claim.begin().map(|()| claim)
    };
    let refused = judged(OwnerEvidence::Disagrees("its snapshot knows b".to_owned())).unwrap_err().to_string();
    assert!(refused.contains("its snapshot knows b"), "{refused}");
    assert!(!root.path().join("identity").exists(), "nothing is written before it is known whose it is");
    let advised = refused.rsplit_once("echo '").unwrap().1.split_once('\'').unwrap().0.to_owned();
    assert_eq!(judged(OwnerEvidence::Agrees).unwrap().standing(), Some(ClaimStanding::Adopted));
    asked.store(0, Ordering::Relaxed);
    assert_eq!(judged(OwnerEvidence::Disagrees(String::new())).unwrap().standing(), Some(ClaimStanding::Known));
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    fs::write(root.path().join("identity"), advised + "\n").unwrap();
    assert_eq!(
        judged(OwnerEvidence::Disagrees(String::new())).unwrap().standing(),
        Some(ClaimStanding::Known),
        "as advised"
    );
}

#[test]
fn an_identity_that_cannot_be_understood_is_no_first_use() {
    let root = tempfile::tempdir().unwrap();
    let identity = root.path().join("identity");
    for text in ["", "{", "{\"format\":1}", "{\"format\":2,\"federation\":\"f\",\"cluster\":\"a\"}"] {
        fs::write(&identity, text).unwrap();
        assert!(matches!(begun(root.path(), "a"), Err(ClaimRefused::Damaged { .. })), "{text}");
        assert_eq!(fs::read_to_string(&identity).unwrap(), text);
    }
    fs::remove_file(&identity).unwrap();
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    fs::write(elsewhere.path(), "{\"format\":1,\"federation\":\"f\",\"cluster\":\"a\"}").unwrap();
    symlink(elsewhere.path(), &identity).unwrap();
    assert!(matches!(begun(root.path(), "a"), Err(ClaimRefused::Damaged { .. })), "a link is not followed");
}

#[test]
fn one_process_at_a_time_uses_a_folder() {
    let root = tempfile::tempdir().unwrap();
    let first = begun(root.path(), "a").unwrap();
    let second = begun(root.path(), "a").unwrap_err();
    assert_eq!(second, ClaimRefused::InUse { path: root.path().to_owned(), holder: Some(std::process::id()) });
    assert!(second.to_string().contains("needs a data_dir of its own"), "{second}");
    drop(first);
    begun(root.path(), "a").unwrap();
}

#[test]
fn a_folder_may_be_a_link_but_one_within_it_may_not() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("real")).unwrap();
    let linked = root.path().join("data");
    symlink("real", &linked).unwrap();
    let place = StoragePlace::claimed(Arc::new(begun(&linked, "a").unwrap()));
    place.to_write().unwrap().replace("x", b"1").unwrap();
    assert!(root.path().join("real/x").exists());
    fs::create_dir(root.path().join("elsewhere")).unwrap();
    symlink("../elsewhere", linked.join("registry")).unwrap();
    let within = place.under("registry");
    for refused in [within.to_write().map(Some), within.to_read()] {
        assert!(matches!(refused, Err(StorageError::NotAFile { .. })), "{refused:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_used_at_the_start_is_claimed_when_it_can_be() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("data");
    fs::write(&folder, "a file where the folder should be").unwrap();
    let place = StoragePlace::claimed(Arc::new(begun(&folder, "a").expect("the gateway goes on")));
    assert!(place.to_write().is_err() && place.to_read().is_err());
    fs::remove_file(&folder).unwrap();
    assert!(place.to_read().unwrap().is_none());
    place.to_write().unwrap();
    assert!(folder.join("identity").exists());
}

#[test]
fn a_folder_that_comes_late_or_is_replaced_is_looked_at_before_it_is_used() {
    let root = tempfile::tempdir().unwrap();
    let [folder, of_b, gone] = ["data", "of-b", "gone"].map(|name| root.path().join(name));
    drop(begun(&of_b, "b").unwrap());
    let place = StoragePlace::claimed(Arc::new(begun(&folder, "a").unwrap()));
    place.to_write().unwrap();
    fs::rename(&folder, &gone).unwrap();
    fs::rename(&of_b, &folder).unwrap();
    for refused in [place.to_write().map(Some), place.to_read()] {
        assert!(matches!(refused, Err(StorageError::Claim(ClaimRefused::Foreign { .. }))), "{refused:?}");
    }
    fs::rename(&folder, &of_b).unwrap();
    place.to_write().unwrap();
    assert!(folder.join("identity").exists(), "a folder that vanished is made again");
    fs::remove_file(folder.join("lock")).unwrap();
    let second = begun(&folder, "a").unwrap();
    assert!(matches!(place.to_write(), Err(StorageError::Claim(ClaimRefused::InUse { .. }))), "its lock is another's");
    drop(second);
    place.to_write().unwrap();
}

#[test]
fn parts_of_one_process_that_claim_at_once_are_not_in_each_others_way() {
    let root = tempfile::tempdir().unwrap();
    let place = StoragePlace::claimed(Arc::new(claim(root.path(), "a")));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                if let Err(error) = place.to_write() {
                    failures.lock().unwrap().push(error.told());
                }
            });
        }
    });
    assert_eq!(failures.into_inner().unwrap(), Vec::<String>::new());
}
