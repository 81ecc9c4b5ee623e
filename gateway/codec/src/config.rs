//! Config items as bytes for all to read: what stands in a record, or is sealed there.

use federation_core::config_item::ConfigItem;
use federation_proto::federation::log::v1 as proto;
use prost::Message;

use crate::interner::TextInterner;

/// An item for all to read. Of one that is sealed, nothing.
pub(crate) fn encode(item: &ConfigItem) -> Vec<u8> {
    let content = item.content.text().unwrap_or_default().to_owned();
    let record = proto::ConfigRecord {
        content,
        md5: item.md5.to_string(),
        content_type: item.content_type.to_string(),
        encrypted_data_key: item.encrypted_data_key.to_string(),
        description: item.description.to_string(),
        tags: item.tags.to_string(),
        application: item.application.to_string(),
        last_modified_ms: item.last_modified_ms,
    };
    record.encode_to_vec()
}

/// What is in a value that is not sealed, or was opened.
pub(crate) fn decode(value: &[u8], interner: &mut TextInterner) -> Option<ConfigItem> {
    let record = proto::ConfigRecord::decode(value).ok()?;
    Some(ConfigItem {
        content: record.content.into(),
        md5: record.md5.into(),
        content_type: interner.text(&record.content_type),
        encrypted_data_key: record.encrypted_data_key.into(),
        description: record.description.into(),
        tags: interner.text(&record.tags),
        application: interner.text(&record.application),
        last_modified_ms: record.last_modified_ms,
        sealed_under: None,
    })
}
