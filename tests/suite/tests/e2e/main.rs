//! Real gateways between real parts.
