//! The folders that a gateway keeps its files in, claimed for its cluster before anything in them is read.
//!
//! The embedded registry keeps its config items in a folder within the data directory, under the same claim, or in one of its own with a claim of its
//! own. Folders from before there were claims are judged here, for that takes what only the whole gateway knows: the snapshot names the
//! clusters that were known, and their config items.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use federation_core::federation::{KeptFact, OriginSnapshot};
use federation_core::log::key::DataKey;
use federation_core::log::record::RecordBody;

use crate::config::{GatewayConfig, RegistryChoice};
use federation_engine::snapshot_file;
use federation_registry::kept_items;
use federation_storage::{
    ClaimStanding, FolderClaim, FolderOwner, OwnerEvidence, StorageError, StorageFolder, StoragePlace,
};

/// The folder of config items within the data directory.
const REGISTRY: &str = "registry";

/// The places of one gateway.
#[derive(Clone, Debug)]
pub(super) struct DataFolders {
    /// Its own: snapshots and policies.
    pub(super) own: StoragePlace,
    /// Of the config items of its embedded registry.
    pub(super) registry: StoragePlace,
}

/// Claims the folders. Those that cannot be used now are no error.
///
/// # Errors
/// A [`ClaimRefused`](federation_storage::ClaimRefused): they are another cluster's, or in use.
pub(super) async fn claim(config: &GatewayConfig) -> anyhow::Result<DataFolders> {
    let owner = FolderOwner { federation: config.federation.clone(), cluster: config.cluster.clone() };
    let own = config.data_dir.clone();
    let of_registry = match &config.nacos.registry {
        RegistryChoice::Embedded(embedded) => embedded.data_dir.clone(),
        RegistryChoice::Remote(_) => None,
    };
    Ok(tokio::task::spawn_blocking(move || claim_all(own, of_registry, owner)).await??)
}

fn claim_all(
    own: PathBuf,
    of_registry: Option<PathBuf>,
    owner: FolderOwner,
) -> Result<DataFolders, federation_storage::ClaimRefused> {
    let judge = {
        let owner = owner.clone();
        move |folder: &StorageFolder| judge(folder, &owner)
    };
    let claim = Arc::new(FolderClaim::new(own, owner.clone(), judge));
    claim.begin()?;
    let own = StoragePlace::claimed(Arc::clone(&claim));
    let registry = match of_registry {
        None => own.under(REGISTRY),
        Some(path) if is_same(&path, &own) => own.clone(),
        Some(path) => {
            let beside = Arc::new(FolderClaim::new(path, owner, move |folder| judge_items(folder, claim.standing())));
            beside.begin()?;
            StoragePlace::claimed(beside)
        }
    };
    Ok(DataFolders { own, registry })
}

/// Whether both names are of one folder, which cannot be claimed twice.
fn is_same(path: &PathBuf, own: &StoragePlace) -> bool {
    match (std::fs::canonicalize(path), std::fs::canonicalize(own.path())) {
        (Ok(one), Ok(other)) => one == other,
        _ => path == own.path(),
    }
}

/// Whose a data directory without an identity is: the snapshot in it has to name the own cluster, and config items in it must not rather be
/// those of another cluster in the snapshot.
fn judge(folder: &StorageFolder, owner: &FolderOwner) -> Result<OwnerEvidence, StorageError> {
    let kept = snapshot_file::generations(folder);
    let own_name = format!("{}/{}", owner.federation, owner.cluster);
    if let Some(named) = kept.iter().find_map(|generation| generation.owner.as_ref()) {
        return Ok(match *named == own_name {
            true => OwnerEvidence::Agrees,
            false => OwnerEvidence::Disagrees(format!("its snapshot is of {named}, not of {own_name}")),
        });
    }
    let origins: Vec<&OriginSnapshot> = kept.first().map(|newest| newest.origins.iter().collect()).unwrap_or_default();
    let items = match StorageFolder::existing(&folder.file(REGISTRY))? {
        Some(registry) => kept_items(&registry)?,
        None => Vec::new(),
    };
    if origins.is_empty() {
        return Ok(match items.len() {
            0 => OwnerEvidence::Nothing,
            count => OwnerEvidence::Disagrees(format!("nothing tells whose the {count} config items in it are")),
        });
    }
    let own = &owner.cluster;
    if origins.iter().all(|origin| origin.origin != *own) {
        let mut known: Vec<&str> = origins.iter().map(|origin| origin.origin.as_str()).collect();
        known.dedup(); // Pieces of one origin follow each other.
        return Ok(OwnerEvidence::Disagrees(format!("its snapshot knows {}, but not {own}", known.join(", "))));
    }
    // Namespaces may have other names in the federation; group, data id and content do not.
    let items: BTreeSet<(&str, &str, &str)> =
        items.iter().map(|(key, item)| (key.group(), key.data_id(), &*item.content)).collect();
    let matches = |origin: &OriginSnapshot| origin.facts.iter().filter(|fact| is_among(&items, fact)).count();
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for piece in &origins {
        *found.entry(piece.origin.as_str()).or_default() += matches(piece);
    }
    let ours = found[own.as_str()];
    match found.iter().find(|(_, theirs)| **theirs > ours) {
        Some((other, _)) => Ok(OwnerEvidence::Disagrees(format!("the config items in it are rather those of {other}"))),
        None => Ok(OwnerEvidence::Agrees),
    }
}

fn is_among(items: &BTreeSet<(&str, &str, &str)>, fact: &KeptFact) -> bool {
    match (&fact.key, &fact.body) {
        (DataKey::Config(key), RecordBody::Config(item)) => {
            item.content.text().is_ok_and(|text| items.contains(&(key.group(), key.data_id(), text)))
        }
        _ => false,
    }
}

/// Whose a folder of config items without an identity is: that of a gateway whose data directory is known to be its cluster's.
fn judge_items(folder: &StorageFolder, own: Option<ClaimStanding>) -> Result<OwnerEvidence, StorageError> {
    match (kept_items(folder)?.len(), own) {
        (0, _) => Ok(OwnerEvidence::Nothing),
        (_, Some(ClaimStanding::Known | ClaimStanding::Adopted)) => Ok(OwnerEvidence::Agrees),
        (count, _) => Ok(OwnerEvidence::Disagrees(format!("nothing tells whose the {count} config items in it are"))),
    }
}

#[cfg(test)]
mod tests;
