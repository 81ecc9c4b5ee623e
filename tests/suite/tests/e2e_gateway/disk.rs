//! A gateway with an embedded registry whose disk is full: it refuses what it cannot keep, says so everywhere, and is well by itself once
//! there is room.
//!
//! Full by a limit on the size of files, which works everywhere; and, where one can be mounted, by a small file system of its own.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use federation_harness::{Gateway, GatewayOptions, SdkConfig, SdkInstance, SdkService, announce};
use serde_json::Value;

use crate::seen::{self, eventually, shows_config, status};
use crate::starts::told_by_command;
use crate::world::{in_the_world, unique};

const PATIENCE: Duration = Duration::from_secs(60);
const CLUSTER: &str = "edge";

#[test]
fn a_full_disk_is_told_by_status_readyz_and_the_exit_code_until_there_is_room() {
    in_the_world(async |world| {
        let kafka = world.kafka.bootstrap();
        full_and_well_again(&kafka, Disk::Limited).await.context("a limit on the size of files")?;
        full_and_well_again(&kafka, Disk::Small).await.context("a small file system")
    });
}

/// How the disk gets full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disk {
    Limited,
    Small,
}

async fn full_and_well_again(kafka: &str, disk: Disk) -> Result<()> {
    let mut gateway = Gateway::prepare(&GatewayOptions::new(&unique("full"), CLUSTER, kafka)).await?;
    let data = gateway.log().with_file_name("data");
    let mounted = match disk {
        Disk::Limited => None,
        Disk::Small => match Mounted::at(&data)? {
            Some(mounted) => Some(mounted),
            None => return Ok(()),
        },
    };
    gateway.spawn().await?;
    gateway.until_ready().await?;
    let item = SdkConfig::public(unique("kept"));
    ensure!(publish(&gateway, &item, "1").await? == (200, "true".into()), "the first publication is refused");
    let shown = async || shows_config(&gateway, &item, CLUSTER, "1").await;
    eventually("it is shown", PATIENCE, shown).await?;
    eventually("all is well", PATIENCE, async || is_well(&gateway).await).await?;

    fill(&gateway, mounted.as_ref())?;
    let (code, said) = publish(&gateway, &item, &"2".repeat(8192)).await?;
    ensure!(code == 500 && said.contains("cannot be kept"), "on a full disk a publication is answered {code}: {said}");
    eventually("it says so", PATIENCE, async || is_in_trouble(&gateway).await).await?;
    shows_config(&gateway, &item, CLUSTER, "1").await?;
    let (service, instance) = (SdkService::public(unique("orders")), SdkInstance::new("10.16.0.1", 80));
    register(&gateway, &service, &instance).await?;
    let flows = async || {
        let found = seen::names(&gateway, &service).await?;
        ensure!(found == [seen::name_at(CLUSTER, &instance)], "{found:?}");
        Ok(())
    };
    eventually("instances need no disk", PATIENCE, flows).await?;

    make_room(&gateway, mounted.as_ref())?;
    eventually("all is well again", PATIENCE, async || is_well(&gateway).await).await?;
    ensure!(publish(&gateway, &item, "3").await? == (200, "true".into()), "there is room, and it is refused");
    gateway.kill().await?;
    gateway.spawn().await?;
    gateway.until_ready().await?;
    let kept = async || shows_config(&gateway, &item, CLUSTER, "3").await;
    eventually("what was acknowledged is there after kill -9", PATIENCE, kept).await?;
    gateway.stop().await
}

async fn is_well(gateway: &Gateway) -> Result<()> {
    let (code, text) = told_by_command(gateway).await?;
    ensure!(code == Some(0), "`nacos-fed status` ends with {code:?}: {text}");
    let status = status(gateway).await?;
    ensure!(status["troubles"] == Value::Array(Vec::new()), "{status}");
    Ok(())
}

async fn is_in_trouble(gateway: &Gateway) -> Result<()> {
    let status = status(gateway).await?;
    let troubles = status["troubles"].as_array().context("a status without troubles")?;
    // It is configured, and so told, relative to where the gateway was started.
    let of_registry = |trouble: &&Value| trouble["about"] == "data/registry";
    let told = troubles.iter().find(of_registry).with_context(|| format!("nothing of the registry: {status}"))?;
    ensure!(told["kind"] == "storage" && told["text"].as_str().unwrap_or_default().contains("make room"), "{told}");
    let (_, readiness) = gateway.get("/readyz", &[]).await?;
    ensure!(readiness.to_string().contains("make room"), "/readyz says {readiness}");
    let (code, text) = told_by_command(gateway).await?;
    ensure!(code == Some(1) && text.contains("make room"), "`nacos-fed status` ends with {code:?}: {text}");
    Ok(())
}

/// What the registry's HTTP side answers.
async fn call(gateway: &Gateway, path: &str, form: &[(&str, &str)]) -> Result<(u16, String)> {
    let registry = gateway.registry().context("it has an embedded registry")?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client.post(format!("http://{registry}/nacos/{path}")).form(form).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

async fn publish(gateway: &Gateway, item: &SdkConfig, content: &str) -> Result<(u16, String)> {
    let SdkConfig { namespace, group, data_id } = item;
    let form = [("tenant", &**namespace), ("group", group), ("dataId", data_id), ("content", content)];
    call(gateway, "v1/cs/configs", &form).await
}

async fn register(gateway: &Gateway, service: &SdkService, instance: &SdkInstance) -> Result<()> {
    let port = instance.port.to_string();
    let form = [
        ("namespaceId", &*service.namespace),
        ("groupName", &service.group),
        ("serviceName", &service.service),
        ("clusterName", &instance.cluster),
        ("ip", &instance.ip),
        ("port", &port),
    ];
    let (code, said) = call(gateway, "v1/ns/instance", &form).await?;
    ensure!(code == 200, "a registration is answered {code}: {said}");
    Ok(())
}

fn fill(gateway: &Gateway, mounted: Option<&Mounted>) -> Result<()> {
    mounted.map_or_else(|| limit(gateway, "0"), Mounted::fill)
}

fn make_room(gateway: &Gateway, mounted: Option<&Mounted>) -> Result<()> {
    mounted.map_or_else(|| limit(gateway, "unlimited"), Mounted::make_room)
}

/// Sets how large a file the gateway may write.
fn limit(gateway: &Gateway, bytes: &str) -> Result<()> {
    let pid = gateway.pid().context("the gateway runs")?;
    let set = Command::new("prlimit").args([format!("--pid={pid}"), format!("--fsize={bytes}:")]).status()?;
    ensure!(set.success(), "prlimit ends with {set}");
    Ok(())
}

/// A file system of 1 MiB, unmounted when it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// `None` where none may be mounted.
    fn at(path: &Path) -> Result<Option<Self>> {
        std::fs::create_dir_all(path)?;
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(path).output()?;
        if !mount.status.success() {
            announce(&format!("no file system can be mounted here: {}", String::from_utf8_lossy(&mount.stderr)));
            return Ok(None);
        }
        Ok(Some(Self(path.to_owned())))
    }

    fn fill(&self) -> Result<()> {
        let mut filler = File::create(self.0.join("filler"))?;
        while filler.write_all(&[b'.'; 512]).is_ok() {}
        Ok(())
    }

    fn make_room(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.0.join("filler"))?)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: on a failure the gateway still runs.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
