//! Names as they may be, and names as they may not.

use anyhow::Result;
use federation_harness::{SdkConfig, SdkInstance, SdkService};

use super::ClientPair;
use crate::outcome::StepLog;

impl ClientPair {
    pub(super) async fn names(&self, log: &mut StepLog) -> Result<()> {
        self.odd_services(log).await?;
        self.refused_services(log).await?;
        self.refused_instances(log).await?;
        self.items(log).await
    }

    async fn odd_services(&self, log: &mut StepLog) -> Result<()> {
        let tag = format!("{}-{:?}", self.tag, self.sdk);
        for (group, name) in [
            ("G.1-a_b:c", "UPPER.lower:x-y_z"),
            ("G", "providers:org.example.Api:1.0:"),
            ("G", "a/b#c"),
            ("G", "a%20b+c&d"),
        ] {
            let service = SdkService { group: group.into(), ..SdkService::public(format!("{name}{tag}")) };
            let title = format!("{group} {name}");
            log.done(&title, self.publisher.register(&service, &SdkInstance::new("10.0.0.1", 80)).await)?;
            self.look(log, &format!("lookup of {title}"), &service, |list| !list.is_empty()).await;
        }
        let unknown = SdkService { namespace: format!("n-{tag}"), ..self.service("namespace") };
        log.done("unknown namespace", self.publisher.register(&unknown, &SdkInstance::new("10.0.0.1", 80)).await)?;
        self.look(log, "lookup in an unknown namespace", &unknown, |list| !list.is_empty()).await;
        Ok(())
    }

    async fn refused_services(&self, log: &mut StepLog) -> Result<()> {
        let instance = SdkInstance::new("10.0.0.1", 80);
        let long = "s".repeat(600);
        for (title, group, name) in [
            ("two at signs", "G", "a@@b"),
            ("a leading at sign", "G", "@a"),
            ("a blank", "G", "a b"),
            ("Chinese", "G", "值"),
            ("600 characters", "G", &long),
            ("a blank in the group", "a b", "name"),
            ("a slash in the group", "a/b", "name"),
        ] {
            let service = SdkService { group: group.into(), ..SdkService::public(name) };
            log.done(title, self.publisher.register(&service, &instance).await)?;
        }
        Ok(())
    }

    async fn refused_instances(&self, log: &mut StepLog) -> Result<()> {
        let good = SdkInstance::new("10.0.0.1", 80);
        let with = |key: &str, value: String| {
            let mut instance = good.clone();
            instance.metadata.insert(key.into(), value);
            instance
        };
        for (title, instance) in [
            ("a blank in the cluster", SdkInstance { cluster: "a b".into(), ..good.clone() }),
            ("a comma in the cluster", SdkInstance { cluster: "a,b".into(), ..good.clone() }),
            ("a host name", SdkInstance { ip: "host-1.example".into(), ..good.clone() }),
            ("no address", SdkInstance { ip: String::new(), ..good.clone() }),
            ("a weight below 0", SdkInstance { weight: -1.0, ..good.clone() }),
            ("a weight above 10000", SdkInstance { weight: 20_000.0, ..good.clone() }),
            ("2000 characters of metadata", with("k", "v".repeat(2000))),
        ] {
            let service = self.service("refused");
            log.done(title, self.publisher.register(&service, &instance).await)?;
        }
        Ok(())
    }

    async fn items(&self, log: &mut StepLog) -> Result<()> {
        let tag = format!("{}-{:?}", self.tag, self.sdk);
        let long = "d".repeat(300);
        for (title, group, data_id) in [
            ("item with all that may be", "G.1-a_b:c", "UPPER.lower:x-y_z"),
            ("item with a slash", "G", "a/b"),
            ("item with a blank", "G", "a b"),
            ("item in Chinese", "G", "值"),
            ("item with a star", "G", "a*"),
            ("item with a slash in the group", "a/b", "name"),
            ("item of 300 characters", "G", &long),
        ] {
            let item = SdkConfig { group: group.into(), ..SdkConfig::public(format!("{data_id}{tag}")) };
            if log.done(title, self.publisher.publish_config(&item, "a: 1").await)?.is_some() {
                self.read(log, &format!("read {title}"), &item, Some("a: 1")).await;
            }
        }
        Ok(())
    }
}
