//! What is promised under faults, on real Kafka and real Nacos of both lines, with gateways as processes and the guard as it is by default:
//! nothing is removed without proof, leaders change without losing or doubling a change, silence makes facts older and never fewer, and
//! what is not equal is found.
//!
//! All tests share one [`stage`] and have a federation of their own. Bounds are those that the documentation gives, plus an allowance for a
//! busy machine ([`scale`]); what was seen is printed.

// Whole modules of the other suite: each uses a part of them.
#[allow(dead_code, reason = "shared with e2e_gateway, which uses the rest")]
#[path = "../e2e_gateway/apart.rs"]
mod apart;
mod crowd;
mod guard;
mod registrant;
#[allow(dead_code, reason = "shared with e2e_gateway, which uses the rest")]
#[path = "../e2e_gateway/sampler.rs"]
mod sampler;
mod scale;
#[allow(dead_code, reason = "shared with e2e_gateway, which uses the rest")]
#[path = "../e2e_gateway/seen.rs"]
mod seen;
mod silence;
mod stage;
mod stand_in;
mod takeover;
mod verify;
mod watch;
