//! The store from outside: one suite for both databases, and what only one of them can show.
//!
//! `suite_on_sqlite` and `suite_on_postgres` run the same cases, each in a database of its own; a failure names its
//! case.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod artifacts;
mod cases;
mod chain;
mod commands;
mod dump;
mod engine;
mod events;
mod evidence;
mod foreign;
mod groups;
mod histories;
mod hosts;
mod killed;
mod leases;
mod linearizable;
mod locks;
mod monitoring;
mod opening;
mod overviews;
mod pages;
mod past;
mod postgres_only;
mod repository;
mod rollouts;
mod runs;
mod samples;
mod small;
mod sqlite_only;
mod standings;
mod tokens;
mod troubles;
mod users;
mod views;
mod wishes;
