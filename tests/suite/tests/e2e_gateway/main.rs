//! Two real gateways between a real Kafka, a Nacos 3.x and a Nacos 2.x, watched and tormented while other people's SDKs use them.
//!
//! Plans for callers are looked at in [`routing`], with a third gateway.
//!
//! All tests share one [`world`], so that they take turns. How far the wall clock is believed, how often rounds are repeated and how long
//! outages last is in [`scale`]; what was measured is printed.

mod apart;
mod both_ways;
mod changes;
mod crew;
mod disk;
mod limits;
mod listings;
mod outages;
mod records;
mod replicas;
mod restarts;
mod routing;
mod sampler;
mod scale;
mod sealed;
mod seen;
mod starts;
mod world;
mod worst;
