//! The real parts of a federation on one machine, for tests, benches and the local stack: Kafka, Nacos servers of both lines, and drivers
//! for SDKs that nobody here wrote.
//!
//! [`Parts::ensure`] fetches what is missing (kept outside git, by version), the rest starts and torments it:
//!
//! | type | is |
//! |---|---|
//! | [`Kafka`] | one broker (KRaft) with quick compaction, or several that are one cluster |
//! | [`KafkaProxy`] | a proxy before brokers that swallows, delays or empties answers on demand |
//! | [`Nacos`] | one standalone server, [`Line::V2`] (2.3.2) or [`Line::V3`] (3.1.0) |
//! | [`FaultProxy`] | a proxy before a Nacos that answers wrongly on demand |
//! | [`Gateway`] | one `nacos-fed serve` of this workspace |
//! | [`SdkClient`] | a process that runs a real SDK in Java, Python, Go, Node or Rust |
//! | [`Browser`] | a Chromium without a window that opens pages |
//! | [`FrameworkProcess`] | a process that runs a small program on Spring Cloud Alibaba or Dubbo |
//!
//! Everything started here dies with the harness, however that ends: a dropped value kills its process, and the kernel kills the rest when
//! the harness itself is killed. Only the local stack asks for processes that stay ([`process::Tie::Detached`]).

mod announce;
pub mod application;
pub mod browser;
pub mod fault_proxy;
pub mod gateway;
pub mod home;
pub mod kafka;
pub mod kafka_proxy;
pub mod nacos;
pub mod parts;
pub mod pid_file;
pub mod port;
pub mod process;
pub mod sdk;
pub mod stack;

pub use announce::announce;
pub use application::{ClientFramework, FrameworkProcess};
pub use browser::Browser;
pub use fault_proxy::{Fault, FaultProxy, Link};
pub use gateway::{CommandTold, Gateway, GatewayOptions};
pub use kafka::{Kafka, KafkaDoor, KafkaOptions};
pub use kafka_proxy::{Answer, Emptiness, KafkaProxy, Spoil, Which};
pub use nacos::{Access, Credentials, Line, Nacos, NacosOptions};
pub use parts::{Part, Parts};
pub use sdk::{Sdk, SdkClient, SdkConfig, SdkEvent, SdkInstance, SdkRefusal, SdkService, SdkServiceList};
