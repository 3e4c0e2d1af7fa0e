//! The server as hosts, operators and publishers see it: over TLS on the loopback, with a clock that the test drives.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod acks;
mod alerts;
mod api;
mod audit_chain;
mod backup;
mod browser;
mod closed_loop;
mod deltas;
mod described;
mod downloads;
mod enrolment;
mod events;
mod explain;
mod first_start;
mod fleet;
mod front;
mod gates;
mod gateways;
mod health;
mod history;
mod hostile;
mod limits;
mod lock_health;
mod lock_servers;
mod locks;
mod mail;
mod now;
mod operators;
mod pages_admin;
mod pages_hosts;
mod pages_items;
mod pages_past;
mod pages_problems;
mod pages_rollouts;
mod postgres;
mod publishing;
mod reports;
mod rollouts;
mod run_commands;
mod silent_hosts;
mod streams;
mod users;
mod visitor;
mod world;
