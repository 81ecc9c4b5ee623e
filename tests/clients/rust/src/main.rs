//! Drives Nacos's Rust SDK: a command per line on standard input, an answer or an event per line on standard output, all JSON (see README.md
//! beside). Arguments: server address, and user and password if it asks for them.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use nacos_sdk::api::config::{ConfigChangeListener, ConfigResponse, ConfigService, ConfigServiceBuilder};
use nacos_sdk::api::error::Error;
use nacos_sdk::api::naming::{
    NamingChangeEvent, NamingEventListener, NamingService, NamingServiceBuilder, ServiceInstance,
};
use nacos_sdk::api::props::ClientProps;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

const PAGE_SIZE: i32 = 100;

type Outcome = Result<Value, Error>;
type Subscription = (String, String, String, String);

#[derive(Clone, Deserialize, Serialize)]
struct Instance {
    ip: String,
    port: i32,
    weight: f64,
    healthy: bool,
    enabled: bool,
    ephemeral: bool,
    cluster: String,
    metadata: HashMap<String, String>,
}

#[derive(Clone, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Command {
    id: u64,
    op: String,
    connection: String,
    namespace: String,
    group: String,
    service: String,
    data_id: String,
    content: String,
    md5: String,
    instance: Option<Instance>,
    instances: Vec<Instance>,
}

/// Prints what the SDK reports of one service or item.
struct Listener(Command);

impl NamingEventListener for Listener {
    fn event(&self, event: Arc<NamingChangeEvent>) {
        let Command { namespace, group, service, .. } = &self.0;
        let instances = listed(event.instances.clone().unwrap_or_default());
        print(json!({"event": "instances", "at": now(), "namespace": namespace, "group": group, "service": service,
            "instances": instances}));
    }
}

impl ConfigChangeListener for Listener {
    fn notify(&self, told: ConfigResponse) {
        let Command { namespace, group, data_id, .. } = &self.0;
        print(json!({"event": "config", "at": now(), "namespace": namespace, "group": group, "data_id": data_id,
            "content": told.content()}));
    }
}

struct Driver {
    arguments: Vec<String>,
    namings: HashMap<(String, String), NamingService>,
    configs: HashMap<(String, String), ConfigService>,
    listeners: HashMap<Subscription, Arc<Listener>>,
}

impl Driver {
    async fn run(&mut self, command: Command) -> Outcome {
        if command.data_id.is_empty() { self.run_naming(command).await } else { self.run_config(command).await }
    }

    async fn run_naming(&mut self, command: Command) -> Outcome {
        let naming = self.naming(&command).await?;
        let (service, group) = (command.service.clone(), Some(command.group.clone()));
        let instance = command.instance.clone().map(registration);
        match (command.op.as_str(), instance) {
            ("register", Some(instance)) => naming.register_instance(service, group, instance).await?,
            ("deregister", Some(instance)) => naming.deregister_instance(service, group, instance).await?,
            ("batch", _) => {
                let instances = command.instances.into_iter().map(registration).collect();
                naming.batch_register_instance(service, group, instances).await?;
            }
            ("subscribe", _) => {
                let listener = Arc::new(Listener(command.clone()));
                self.listeners.insert(subscription(&command), Arc::clone(&listener));
                naming.subscribe(service, group, vec![], listener).await?;
            }
            ("unsubscribe", _) => {
                if let Some(listener) = self.listeners.remove(&subscription(&command)) {
                    naming.unsubscribe(service, group, vec![], listener).await?;
                }
            }
            ("list", _) => return Ok(json!(listed(naming.get_all_instances(service, group, vec![], false).await?))),
            ("select_one", _) => {
                let one = naming.select_one_healthy_instance(service, group, vec![], false).await?;
                return Ok(json!(listed(vec![one])[0]));
            }
            ("service_list", _) => {
                let (names, count) = naming.get_service_list(1, PAGE_SIZE, group).await?;
                return Ok(json!({"count": count, "names": names}));
            }
            _ => return Err(Error::ErrResult(format!("unknown command {}", command.op))),
        }
        Ok(Value::Null)
    }

    async fn run_config(&mut self, command: Command) -> Outcome {
        let config = self.config(&command).await?;
        let Command { data_id, group, content, md5, .. } = command.clone();
        match command.op.as_str() {
            "publish_config" => check(config.publish_config(data_id, group, content, None).await?),
            "publish_config_cas" => check(config.publish_config_cas(data_id, group, content, None, md5).await?),
            "remove_config" => check(config.remove_config(data_id, group).await?),
            "get_config" => match config.get_config(data_id, group).await {
                Ok(told) => Ok(json!(told.content())),
                Err(Error::ConfigNotFound(_)) => Ok(Value::Null),
                Err(refused) => Err(refused),
            },
            "listen_config" => {
                config.add_listener(data_id, group, Arc::new(Listener(command))).await?;
                Ok(Value::Null)
            }
            unknown => Err(Error::ErrResult(format!("unknown command {unknown}"))),
        }
    }

    async fn naming(&mut self, command: &Command) -> Result<NamingService, Error> {
        let key = (command.connection.clone(), command.namespace.clone());
        if !self.namings.contains_key(&key) {
            let mut builder = NamingServiceBuilder::new(self.settings(command));
            if self.arguments.len() > 1 {
                builder = builder.enable_auth_plugin_http();
            }
            self.namings.insert(key.clone(), builder.build().await?);
        }
        Ok(self.namings[&key].clone())
    }

    async fn config(&mut self, command: &Command) -> Result<ConfigService, Error> {
        let key = (command.connection.clone(), command.namespace.clone());
        if !self.configs.contains_key(&key) {
            let mut builder = ConfigServiceBuilder::new(self.settings(command));
            if self.arguments.len() > 1 {
                builder = builder.enable_auth_plugin_http();
            }
            self.configs.insert(key.clone(), builder.build().await?);
        }
        Ok(self.configs[&key].clone())
    }

    fn settings(&self, command: &Command) -> ClientProps {
        let settings = ClientProps::new().server_addr(&self.arguments[0]).namespace(&command.namespace);
        // Nothing of an earlier run may be answered.
        let settings = settings.load_cache_at_start(false).cache_dir("cache");
        match self.arguments.get(1).zip(self.arguments.get(2)) {
            Some((user, password)) => settings.auth_username(user).auth_password(password),
            None => settings,
        }
    }
}

fn subscription(command: &Command) -> Subscription {
    let Command { connection, namespace, group, service, .. } = command.clone();
    (connection, namespace, group, service)
}

fn registration(one: Instance) -> ServiceInstance {
    ServiceInstance {
        ip: one.ip,
        port: one.port,
        weight: one.weight,
        healthy: one.healthy,
        enabled: one.enabled,
        ephemeral: one.ephemeral,
        cluster_name: Some(one.cluster),
        metadata: one.metadata,
        ..ServiceInstance::default()
    }
}

fn listed(instances: Vec<ServiceInstance>) -> Vec<Instance> {
    let fields = |one: ServiceInstance| Instance {
        ip: one.ip,
        port: one.port,
        weight: one.weight,
        healthy: one.healthy,
        enabled: one.enabled,
        ephemeral: one.ephemeral,
        cluster: one.cluster_name.unwrap_or_default(),
        metadata: one.metadata,
    };
    instances.into_iter().map(fields).collect()
}

fn check(done: bool) -> Outcome {
    if done { Ok(Value::Null) } else { Err(Error::ErrResult("the SDK answers false".into())) }
}

/// Milliseconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1000.0)
}

fn print(line: Value) {
    let mut out = std::io::stdout().lock();
    // The reader may have gone; then so will this process.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[tokio::main]
async fn main() {
    let arguments = std::env::args().skip(1).collect();
    let (namings, configs, listeners) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut driver = Driver { arguments, namings, configs, listeners };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let command: Command = serde_json::from_str(&line).expect("the harness writes commands");
        let id = command.id;
        let answer = match driver.run(command).await {
            Ok(value) => json!({"id": id, "value": value, "at": now()}),
            Err(refused) => json!({"id": id, "error": refused.to_string(), "at": now()}),
        };
        print(answer);
    }
    std::process::exit(0); // Like a killed process, without a deregistration.
}
