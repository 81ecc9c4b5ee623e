//! Who is led where, on real parts: a federation of three gateways beside the shared Nacos servers and an embedded registry.

mod demotion;
mod drains;
mod plans;
mod policy;
mod trio;
