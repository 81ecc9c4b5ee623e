//! Configuration items.

use anyhow::Result;
use md5::{Digest as _, Md5};

use super::{ClientPair, HEARD_WITHIN, MAYBE_WITHIN};
use crate::outcome::StepLog;

/// Longer contents are told by length and checksum.
const SHOWN_BYTES: usize = 100;

/// A content for a step.
pub(super) fn shortened(content: Option<&str>) -> String {
    match content {
        None => "none".into(),
        Some(text) if text.len() <= SHOWN_BYTES => format!("{text:?}"),
        Some(text) => {
            format!("{} bytes, checksum {:08x}", text.len(), xxhash_rust::xxh3::xxh3_64(text.as_bytes()) >> 32)
        }
    }
}

fn checksum(content: &str) -> String {
    Md5::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl ClientPair {
    pub(super) async fn config(&self, log: &mut StepLog) -> Result<()> {
        let item = self.item("app.yaml");
        self.read(log, "read before", &item, None).await;
        self.listen(log, &item).await?;
        for (what, content) in [("publish", "a: 1"), ("publish another", "a: 2\nb: \"ü\"")] {
            log.done(what, self.publisher.publish_config(&item, content).await)?;
            self.read(log, &format!("read after {what}"), &item, Some(content)).await;
            self.hear_content(log, &format!("told after {what}"), &item, HEARD_WITHIN, Some(content)).await;
        }
        log.done("remove", self.publisher.remove_config(&item).await)?;
        self.read(log, "read after remove", &item, None).await;
        self.hear_content(log, "told after remove", &item, MAYBE_WITHIN, None).await;
        log.done("publish once more", self.publisher.publish_config(&item, "a: 3").await)?;
        self.hear_content(log, "told after publish once more", &item, HEARD_WITHIN, Some("a: 3")).await;
        log.done("remove what is not there", self.publisher.remove_config(&self.item("nothing")).await)?;
        Ok(())
    }

    pub(super) async fn cas(&self, log: &mut StepLog) -> Result<()> {
        let item = self.item("cas.yaml");
        let outcome = self.publisher.publish_config_cas(&item, "a: 0", &checksum("nothing")).await;
        log.done("publish what is not there with a checksum", outcome)?;
        log.done("publish", self.publisher.publish_config(&item, "a: 1").await)?;
        self.read(log, "read", &item, Some("a: 1")).await;
        let outcome = self.publisher.publish_config_cas(&item, "a: 2", &checksum("a: 1")).await;
        log.done("publish with the right checksum", outcome)?;
        self.read(log, "read after the right one", &item, Some("a: 2")).await;
        let outcome = self.publisher.publish_config_cas(&item, "a: 3", &checksum("a: 1")).await;
        log.done("publish with a wrong checksum", outcome)?;
        self.read(log, "read after the wrong one", &item, Some("a: 2")).await;
        Ok(())
    }

    pub(super) async fn content(&self, log: &mut StepLog) -> Result<()> {
        let item = self.item("content.txt");
        self.listen(log, &item).await?;
        let line = "key.of.something = value & value + value %20 ü 值 \u{1f600}\n";
        for (what, content) in [
            ("odd characters", "ü 值 \u{1f600} \"quoted\" 'q' \\ %41 + & = <x/>\r\n\ttab\r\nend ".to_owned()),
            ("90 KB", line.repeat(90_000 / line.len())),
            ("1 MB", "x".repeat(1 << 20)),
        ] {
            log.done(&format!("publish {what}"), self.publisher.publish_config(&item, &content).await)?;
            self.read(log, &format!("read {what}"), &item, Some(&content)).await;
            self.hear_content(log, &format!("told of {what}"), &item, HEARD_WITHIN, Some(&content)).await;
        }
        log.done("publish nothing", self.publisher.publish_config(&self.item("empty"), "").await)?;
        log.done("publish blanks", self.publisher.publish_config(&self.item("blank"), "  ").await)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_the_one_that_nacos_computes() {
        assert_eq!(checksum("a: 1"), "270f9e65a80226eccd82c99cdd0dd2fb");
    }

    #[test]
    fn long_contents_are_told_by_length_and_checksum() {
        assert_eq!(shortened(Some("a\n")), "\"a\\n\"");
        assert!(shortened(Some(&"x".repeat(101))).starts_with("101 bytes, checksum "));
    }
}
