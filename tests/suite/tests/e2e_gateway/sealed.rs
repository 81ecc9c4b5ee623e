//! Contents that brokers cannot read: a federation of its own beside the shared one, whose gateways have keys.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use federation_harness::{Gateway, GatewayOptions, Sdk, SdkConfig};

use crate::records::every_byte;
use crate::seen::{eventually, shows_config};
use crate::world::{Side, World, in_the_world, unique};

const FEDERATION: &str = "sealed";
/// A cluster without a Nacos, whose gateway reads what others write.
const READER: &str = "virginia";
const PATIENCE: Duration = Duration::from_secs(30);
/// How often contents are looked at while keys change.
const SAMPLE: Duration = Duration::from_millis(50);

/// The three gateways, and their files of keys.
struct Sealed {
    folder: tempfile::TempDir,
    east: Gateway,
    west: Gateway,
    reader: Gateway,
}

/// An item of each region, and what is in it: nowhere else in what the test does.
struct Secrets {
    items: [(Side, SdkConfig, String); 2],
}

#[test]
fn contents_are_sealed_for_all_without_a_key_and_rotated_without_a_gap() {
    in_the_world(async |world| {
        let sealed = Sealed::start(world).await?;
        let secrets = Secrets::publish(world).await?;
        eventually("both read both", PATIENCE, async || secrets.read_by(&sealed).await).await?;
        eventually("the reader sees them sealed", PATIENCE, async || secrets.sealed_at(&sealed.reader).await).await?;
        secrets.stand_nowhere(world).await?;
        let mut samples = 0;
        tokio::select! {
            broken = secrets.sample(&sealed, &mut samples) => return broken,
            rotated = sealed.rotate() => rotated?,
        }
        ensure!(samples > 20, "{samples} samples are no proof");
        secrets.stand_nowhere(world).await?;
        sealed.keys(READER, &["9", "2"])?;
        let open = async || secrets.shown_by(&sealed.reader).await;
        eventually("the reader reads what it had, once it has the key", PATIENCE, open).await?;
        Ok(())
    });
}

impl Sealed {
    async fn start(world: &World) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let put = |name: &str, keys: &[&str]| put(folder.path(), name, keys);
        let options = |name: &str, path: PathBuf| GatewayOptions {
            kafka_further: vec![format!("encrypt_configs: {{key_file: \"{}\"}}", path.display())],
            further: "guard: {mass_percent: 100}".to_owned(),
            ..GatewayOptions::new(FEDERATION, name, &world.kafka.bootstrap())
        };
        let beside = |side: Side, path: PathBuf| {
            let nacos = world.nacos(side);
            options(side.cluster(), path).beside(nacos.address(), nacos.credentials())
        };
        let (east, west) = (put(Side::Shanghai.cluster(), &["1"])?, put(Side::Frankfurt.cluster(), &["1"])?);
        let (east, west) = (beside(Side::Shanghai, east), beside(Side::Frankfurt, west));
        let reader = options(READER, put(READER, &["9"])?);
        let (east, west, reader) =
            tokio::try_join!(Gateway::start(&east), Gateway::start(&west), Gateway::start(&reader))?;
        Ok(Self { folder, east, west, reader })
    }

    fn keys(&self, name: &str, keys: &[&str]) -> Result<PathBuf> {
        put(self.folder.path(), name, keys)
    }

    /// As the manual has it: everybody can open with the new key, then it seals, then the old one goes.
    async fn rotate(&self) -> Result<()> {
        let first = fact(&self.east, "contentsSealedWith").await?;
        for (keys, opens) in [(&["1", "2"][..], 2), (&["2", "1"], 2), (&["2"], 1)] {
            for side in Side::BOTH {
                self.keys(side.cluster(), keys)?;
            }
            let turned = async || {
                for gateway in [&self.east, &self.west] {
                    let opened_with = fact(gateway, "contentsOpenedWith").await?;
                    ensure!(opened_with.split(", ").count() == opens, "it opens with {opened_with}");
                    let by_key = fact(gateway, "contentsByKey").await?;
                    ensure!(keys[0] == "1" || !by_key.contains(&first), "the former key is in use: {by_key}");
                }
                Ok(())
            };
            eventually(&format!("keys {keys:?} count everywhere"), PATIENCE, turned).await?;
        }
        Ok(())
    }
}

impl Secrets {
    async fn publish(world: &World) -> Result<Self> {
        let item = async |side: Side| {
            let (item, content) = (SdkConfig::public(unique("sealed.yaml")), format!("password: {}", unique("hush")));
            world.driver(side, Sdk::Java).publish_config(&item, &content).await?;
            anyhow::Ok((side, item, content))
        };
        Ok(Self { items: [item(Side::Shanghai).await?, item(Side::Frankfurt).await?] })
    }

    async fn shown_by(&self, gateway: &Gateway) -> Result<()> {
        for (origin, item, content) in &self.items {
            shows_config(gateway, item, origin.cluster(), content).await?;
        }
        Ok(())
    }

    async fn read_by(&self, sealed: &Sealed) -> Result<()> {
        self.shown_by(&sealed.east).await?;
        self.shown_by(&sealed.west).await
    }

    /// Looks again and again, until somebody does not read what is there.
    async fn sample(&self, sealed: &Sealed, samples: &mut usize) -> Result<()> {
        loop {
            self.read_by(sealed).await.context("while keys changed")?;
            *samples += 1;
            tokio::time::sleep(SAMPLE).await;
        }
    }

    /// There, by its name, and closed: in lists, for who asks for it, on the command line.
    async fn sealed_at(&self, reader: &Gateway) -> Result<()> {
        for (origin, item, content) in &self.items {
            let query = [("groupName", &*item.group), ("dataId", &*item.data_id)];
            let (_, list) = reader.get("/v1/configs", &query).await?;
            let sealed = &list["configs"][0]["clusters"][origin.cluster()]["sealed"];
            ensure!(sealed["reason"] == "no_key", "the list has {list}");
            let (status, problem) = reader.get("/v1/config", &query).await?;
            ensure!((status, &problem["type"]) == (423, &"urn:federation:problem:config-sealed".into()), "{problem}");
            let told = reader.command(&["config", &format!("{}@@{}", item.group, item.data_id)]).await?;
            ensure!(told.code == Some(5) && told.text.contains("sealed under key"), "{told:?}");
            let listed = reader.command(&["configs"]).await?.text;
            ensure!(listed.contains(&format!("{} (sealed)", origin.cluster())), "{listed}");
            if [list.to_string(), problem.to_string(), told.text, listed].iter().any(|text| text.contains(content)) {
                bail!("a gateway without the key shows a content");
            }
        }
        Ok(())
    }

    /// A plain consumer finds the names, and no content, in all that was ever written.
    async fn stand_nowhere(&self, world: &World) -> Result<()> {
        let of = |cluster: &str| ["instances", "configs", "control"].map(|kind| topic(cluster, kind));
        let topics = [Side::Shanghai.cluster(), Side::Frankfurt.cluster(), READER].map(of).concat();
        let bytes = every_byte(&world.kafka, topics).await?;
        let has = |part: &str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
        for (_, item, content) in &self.items {
            ensure!(has(&item.data_id), "{} is not in the topics", item.data_id);
            ensure!(!has(content), "the content of {} is in the topics", item.data_id);
        }
        Ok(())
    }
}

fn topic(cluster: &str, kind: &str) -> String {
    format!("nacos-fed.{FEDERATION}.{cluster}.{kind}")
}

async fn fact(gateway: &Gateway, name: &str) -> Result<String> {
    let (_, status) = gateway.get("/v1/status", &[]).await?;
    status["facts"][name].as_str().map(str::to_owned).with_context(|| format!("{status} has no {name}"))
}

/// Writes a file of keys beside its place and moves it there, as secrets are mounted. Each key is told by a digit.
fn put(folder: &Path, name: &str, keys: &[&str]) -> Result<PathBuf> {
    let lines: String = keys.iter().map(|digit| format!("{}e0\n", digit.repeat(62))).collect();
    let (path, beside) = (folder.join(name), folder.join(format!("{name}.new")));
    std::fs::write(&beside, lines)?;
    std::fs::rename(&beside, &path)?;
    Ok(path)
}
