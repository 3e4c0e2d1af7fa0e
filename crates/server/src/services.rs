//! What the server does, one module for each thing it speaks of, between the handlers and the store. There is one
//! path for each thing: whoever enrols, reports or orders comes through here.

pub(crate) mod alerts;
pub(crate) mod audit;
pub(crate) mod deliveries;
pub(crate) mod deltas;
pub(crate) mod enrolment;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod fleet;
pub(crate) mod follows;
pub(crate) mod foreign;
pub(crate) mod foreign_locks;
pub(crate) mod foreign_orders;
pub(crate) mod fresh;
pub(crate) mod ghosts;
pub(crate) mod history;
pub(crate) mod hosts;
pub(crate) mod leases;
pub(crate) mod lock_facts;
pub(crate) mod lock_views;
pub(crate) mod locks;
pub(crate) mod opened;
pub(crate) mod orders;
pub(crate) mod problems;
pub(crate) mod publishing;
pub(crate) mod releases;
pub(crate) mod reports;
pub(crate) mod rollout_facts;
pub(crate) mod rollout_views;
pub(crate) mod rollouts;
pub(crate) mod run_commands;
pub(crate) mod settings;
pub(crate) mod silences;
pub(crate) mod silent_hosts;
pub(crate) mod situation;
pub(crate) mod tokens;
