//! Real gateways between real parts.

mod registry;
