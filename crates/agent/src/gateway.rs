//! Gateways of the agent: other systems' words about this host, asked here. Each is off until `agent.toml` has it.

pub(crate) mod dmon;
