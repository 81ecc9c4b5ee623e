//! What readers derive from services, kept beside the view: several kinds, each with a type of its own.
//!
//! Invariant: a value is found only beside the very service that it was derived from, and it is dropped when that service changes or vanishes.
//! The view tells of each change; what a reader derives from a service that is replaced at that moment is not found by anybody, and goes
//! with the next change of that name.

use std::sync::Arc;

use dashmap::DashMap;
use federation_core::id::ServiceKey;
use federation_core::service::FederatedService;

use super::ViewReader;

/// One kind of derived value, shared by all who derive it. Cheap to clone.
pub struct DerivedValue<T> {
    view: ViewReader,
    kept: Arc<Kept<T>>,
}

/// The values by name, each with the service that it belongs to.
type Kept<T> = DashMap<ServiceKey, (Arc<FederatedService>, Arc<T>), foldhash::fast::RandomState>;

impl<T> Clone for DerivedValue<T> {
    fn clone(&self) -> Self {
        Self { view: self.view.clone(), kept: Arc::clone(&self.kept) }
    }
}

/// Somebody who keeps something by the names of services.
pub(super) trait Forget: Send + Sync {
    /// The service changed or vanished.
    fn forget(&self, key: &ServiceKey);
}

impl<T: Send + Sync> Forget for Kept<T> {
    fn forget(&self, key: &ServiceKey) {
        self.remove(key);
    }
}

impl<T: Default + Send + Sync + 'static> DerivedValue<T> {
    /// Nothing is derived yet. The view goes on telling it of changes for as long as the view lives: one for each kind.
    #[must_use]
    pub fn new(view: ViewReader) -> Self {
        let kept = Arc::new(Kept::default());
        view.tell_of_changes(Arc::clone(&kept) as Arc<dyn Forget>);
        Self { view, kept }
    }

    /// The service as it is shown now, and what was derived from it: `T::default()` where nothing was yet. `None` if no origin has an
    /// instance.
    #[must_use]
    pub fn of(&self, key: &ServiceKey) -> Option<(Arc<FederatedService>, Arc<T>)> {
        let service = self.view.service(key)?;
        let found = self.kept.view(key, |_, (of, value)| Arc::ptr_eq(of, &service).then(|| Arc::clone(value)));
        if let Some(value) = found.flatten() {
            return Some((service, value));
        }
        let mut entry = self.kept.entry(key.clone()).or_insert_with(|| (Arc::clone(&service), Arc::default()));
        if !Arc::ptr_eq(&entry.0, &service) {
            *entry = (Arc::clone(&service), Arc::default());
        }
        let value = Arc::clone(&entry.1);
        Some((service, value))
    }

    /// How many services have something derived.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether nothing is derived.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use federation_core::service::Revision;
    use federation_core::time::Mono;

    use super::*;
    use crate::view::{self, ViewChange, ViewWriter};

    fn key() -> ServiceKey {
        ServiceKey::new("public", "G", "orders")
    }

    fn show(writer: &mut ViewWriter, revision: Option<u64>) {
        let service =
            |number| Arc::new(FederatedService { key: key(), revision: Revision(number), origins: Vec::new() });
        writer.apply(ViewChange { services: vec![(key(), revision.map(service))], ..ViewChange::default() });
    }

    #[test]
    fn values_of_several_kinds_hang_on_one_service_and_go_with_it() {
        let (mut writer, reader) = view::new(Arc::new(|| Mono(0)));
        let (texts, numbers) =
            (DerivedValue::<Mutex<String>>::new(reader.clone()), DerivedValue::<Mutex<u8>>::new(reader));
        assert!(texts.of(&key()).is_none(), "there is no service");
        show(&mut writer, Some(1));
        *texts.of(&key()).unwrap().1.lock().unwrap() = "kept".into();
        *numbers.of(&key()).unwrap().1.lock().unwrap() = 7;
        let (service, text) = texts.clone().of(&key()).unwrap();
        assert_eq!((service.revision.0, text.lock().unwrap().as_str()), (1, "kept"));
        assert_eq!(*numbers.of(&key()).unwrap().1.lock().unwrap(), 7);
        show(&mut writer, Some(2));
        assert!(texts.is_empty() && numbers.is_empty());
        let (service, text) = texts.of(&key()).unwrap();
        assert_eq!((service.revision.0, text.lock().unwrap().as_str()), (2, ""), "nothing of a former value");
        show(&mut writer, None);
        assert!(texts.of(&key()).is_none());
        assert_eq!((texts.len(), numbers.len()), (0, 0));
    }
}
