//! The server: enrols hosts, takes their reports, hands out signed releases, and decides who runs which when.
//!
//! [`Server::start`] makes a [`Running`] server out of a [`ServerConfig`] and a clock; whoever starts it keeps the
//! value and calls [`Running::stop`]. Everything else is seen through its two listeners:
//!
//! * `agent_api`: the agent API and the repository, for hosts with their certificates;
//! * `operator_api`: `/api/v1`, for people and programs with a bearer token.
//!
//! A request goes one way: the listener's common layers (`web`), a thin handler, a service (one module for each
//! thing, one path for each thing), the store. Decisions are in `plan`; the `decider` brings it the facts and stores
//! what it says. The truth is in the store alone: a server that is killed at any instant loses nothing that it has
//! acknowledged, and the next one goes on.

pub mod backup;

mod agent_api;
mod app;
mod certificate;
mod config;
mod data_dir;
mod decider;
mod error;
mod first_start;
mod freshness;
mod front;
mod gateways;
mod hints;
mod operator_api;
mod pages;
mod queries;
mod repository;
mod rescue;
mod server;
mod services;
mod web;

pub use config::{
    Certificates, Front, Limits, Listen, Mail, MailTls, Metadata, Metrics, ServerConfig,
};
pub use error::Error;
pub use first_start::{FirstStart, OperatorFile};
pub use rescue::rescue;
pub use server::{Running, Server};
