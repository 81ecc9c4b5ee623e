//! `watch`: follows one service and says what changes.

use std::collections::BTreeMap;
use std::time::Duration;

use federation_answers::discovery::{InstanceDocument, ServiceDocument};

use super::args::{Global, Name, ServiceName};
use super::client::Client;
use super::clusters::freshness;
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use super::service::{address, heading, health, metadata, parameters, weight};
use super::sse::{Decoder, Message};
use federation_answers::printable::printable;

/// A gateway sends a comment every 15 s; after three that are missing the connection is dead.
const SILENCE: Duration = Duration::from_secs(45);

/// Which instance: origin, address and Nacos cluster.
type InstanceName = (String, String, String);

/// Shows changes until the process is interrupted; that the stream ends is a failure.
pub(super) async fn run(
    service: &ServiceName,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let name = Name::parse(&service.name, global.group.as_deref())?;
    let mut stream = client.stream("/v1/watch", &parameters(&name, service, global)).await?;
    let mut decoder = Decoder::default();
    let mut known = BTreeMap::new();
    loop {
        let piece = match tokio::time::timeout(SILENCE, stream.chunk()).await {
            Err(_) => return Err(client.not_a_gateway(format!("nothing was heard for {} s", SILENCE.as_secs()))),
            Ok(Err(error)) => return Err(client.unreachable(error)),
            Ok(Ok(None)) => return Err(client.not_a_gateway("the stream has ended".to_owned())),
            Ok(Ok(Some(piece))) => piece,
        };
        let messages = decoder.push(&piece).map_err(|error| client.not_a_gateway(error.to_string()))?;
        for message in messages {
            let Message::Event { name, data } = message else { continue };
            match output.format {
                Format::Json => output.json(&data)?,
                Format::Table => output.text(&changes(&name, &data, &mut known, client)?)?,
            }
        }
    }
}

/// The event in words, and the lines of the instances that came, went or changed.
fn changes(
    event: &str,
    data: &str,
    known: &mut BTreeMap<InstanceName, String>,
    client: &Client,
) -> Result<String, Failure> {
    let document: Option<ServiceDocument<'static>> = match event {
        "absent" => None,
        _ => Some(
            serde_json::from_str(data)
                .map_err(|error| client.not_a_gateway(format!("an event that is no document of a service: {error}")))?,
        ),
    };
    let instances = document.iter().flat_map(|document| &document.instances);
    let now: BTreeMap<InstanceName, String> =
        instances.map(|instance| (instance_name(instance), description(instance))).collect();
    let mut shown =
        document.as_ref().map_or("no cluster has an instance\n".to_owned(), |document| heading(document) + "\n");
    for (name, before) in known.iter().filter(|(name, _)| !now.contains_key(*name)) {
        shown.push_str(&line('-', name, before));
    }
    for (name, after) in &now {
        match known.get(name) {
            None => shown.push_str(&line('+', name, after)),
            Some(before) if before != after => shown.push_str(&line('~', name, &format!("{before} -> {after}"))),
            Some(_) => {}
        }
    }
    *known = now;
    Ok(shown)
}

fn line(sign: char, (origin, address, cluster): &InstanceName, description: &str) -> String {
    format!("{sign} {}\n", printable(&format!("{origin} {address}@{cluster} {description}")))
}

fn instance_name(instance: &InstanceDocument<'_>) -> InstanceName {
    (instance.origin.to_string(), address(&instance.ip, instance.port), instance.cluster_name.to_string())
}

/// What can change of an instance; not its age, which always does.
fn description(instance: &InstanceDocument<'_>) -> String {
    let freshness = freshness(&instance.freshness, &instance.freshness_reason);
    let mut parts = vec![health(instance), format!("weight {}", weight(instance.weight)), freshness];
    let metadata = metadata(instance);
    if !metadata.is_empty() {
        parts.push(metadata);
    }
    parts.join(", ")
}
