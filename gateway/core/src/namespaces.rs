//! How namespaces of the local Nacos are called in the federation.

use std::collections::BTreeMap;

/// Names of local namespaces in the federation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    by_id: BTreeMap<String, String>,
    by_shown_name: BTreeMap<String, String>,
}

/// Rules as they are written: a local id, or `name:` and a shown name, and the federated name.
impl FromIterator<(String, String)> for Namespaces {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(rules: T) -> Self {
        let mut namespaces = Self::default();
        for (local, federated) in rules {
            match local.strip_prefix("name:") {
                Some(shown_name) => namespaces.by_shown_name.insert(shown_name.to_owned(), federated),
                None => namespaces.by_id.insert(local, federated),
            };
        }
        namespaces
    }
}

impl Namespaces {
    /// The name in the federation of the local namespace with this id and, if it is known, this shown name. The id
    /// counts before the shown name; without either the id is the name.
    #[must_use]
    pub fn federated<'a>(&'a self, id: &'a str, shown_name: Option<&str>) -> &'a str {
        let by_shown_name = || shown_name.and_then(|name| self.by_shown_name.get(name));
        self.by_id.get(id).or_else(by_shown_name).map_or(id, String::as_str)
    }

    /// Rules by local id: the id and its federated name.
    pub fn by_id(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_id.iter().map(|(local, federated)| (&**local, &**federated))
    }

    /// Federated names of the namespaces that rules find by their shown name.
    pub fn by_shown_name(&self) -> impl Iterator<Item = &str> {
        self.by_shown_name.values().map(|federated| &**federated)
    }

    /// Rules by shown name: the shown name and its federated name.
    pub fn shown_names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_shown_name.iter().map(|(shown, federated)| (&**shown, &**federated))
    }

    /// Whether some name depends on shown names, so that they have to be known before anything is published.
    #[must_use]
    pub fn needs_shown_names(&self) -> bool {
        !self.by_shown_name.is_empty()
    }
}
