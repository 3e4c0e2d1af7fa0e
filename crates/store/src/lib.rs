//! What the server keeps: SQLite and PostgreSQL from one SQL text, artifacts on disk.
//!
//! [`Store`] speaks of hosts, certificates, tokens, reports, runs, the repository, rollouts, leases, settings and
//! the audit trail and the chain; of users, their sessions and API tokens; of locks and of commands for runs; of events, troubles, changes, silences, deliveries
//! and the fleet file; not of tables.
//! [`Artifacts`] holds the bundles themselves. Only the server calls this crate.
//!
//! What can be relied on:
//!
//! * **Durable before acknowledged.** When a call returns `Ok`, a power cut does not undo it. SQLite therefore runs
//!   with a write-ahead log and `synchronous = FULL`, PostgreSQL never with `synchronous_commit = off`. Reports,
//!   events, runs and changes of locks, the only writes that come in masses, share transactions (see
//!   [`Store::record_report`] and [`Store::change_lock`]).
//! * **The database is the only memory.** Several servers may use one PostgreSQL database; nothing that another
//!   server needs is kept in a process. Of the deciders among them only one holds a [`Lease`], and what it writes
//!   is refused once another one has it.
//! * **One after the other.** Changes of a lock happen as if there were one server and one caller: each sees what all
//!   before it did, and the number of a grant is never given twice.
//! * **Bounded.** Documents, lists and waiting lines have limits that are written beside them.
//! * **Nothing is believed.** A row that cannot be understood is an [`Error::Damaged`] that names table and key.
//!
//! What it does not do: it takes no decisions, checks no signatures, and reads no clock; time is an argument.
//!
//! The SQL rules that make one text serve both databases: placeholders are `$1`; types are TEXT and BIGINT alone;
//! times are milliseconds; identities are made by us, nothing counts up by itself; JSON is TEXT and is parsed here;
//! aggregates of numbers are cast; no `FOR UPDATE`, no arrays, no listening; every change is one conditional
//! statement or one `write_tx!`.

#[macro_use]
mod db;
#[macro_use]
mod sign_ins;

mod acks;
mod alerts;
mod artifacts;
mod audit;
mod certificates;
mod chain;
mod changes;
mod commands;
mod deliveries;
mod dump;
mod error;
mod event_lists;
mod events;
mod evidence;
mod fleets;
mod foreign;
mod group;
mod hosts;
mod kiosks;
mod leases;
mod locks;
mod marks;
mod migrations;
mod operators;
mod overviews;
mod past;
mod processes;
mod proofs;
mod records;
mod repository;
mod restore;
mod rollouts;
mod runs;
mod sessions;
mod settings;
mod silences;
mod sizes;
mod snapshots;
mod standings;
mod statements;
mod store;
mod tables;
mod tidy;
mod tokens;
mod troubles;
mod url;
mod users;
mod views;
mod watched;
mod wishes;

pub use artifacts::Artifacts;
pub use audit::AuditEntry;
pub use deliveries::{DeliveryFilter, DeliveryRow, DeliveryState, DueDelivery, NewDelivery};
pub use error::{Cause, Error, TokenRefused};
pub use event_lists::{EventFilter, EventPage};
pub use fleets::FleetRow;
pub use group::Limits;
pub use hosts::{HostRow, NewHost};
pub use kiosks::{KioskRow, NewKiosk};
pub use leases::Lease;
pub use locks::MOST_LOCKS;
pub use marks::HostMark;
pub use operators::{ApiTokenRow, NewApiToken};
pub use overviews::{EventSlot, RunEnd};
pub use past::{Nearest, Side, SnapshotsAt};
pub use proofs::{Proof, ProofsAfter};
pub use repository::Publication;
pub use restore::WasOpen;
pub use rollouts::{ChannelRow, Decided, NewRollout};
pub use sessions::{NewSession, SessionRow};
pub use sign_ins::{SignInFailures, SignInKeys, SignInTally};
pub use sizes::LeaseHolder;
pub use standings::Standing;
pub use store::Store;
pub use tidy::Tidied;
pub use tokens::{Redeemed, StoredToken, TokenRow};
pub use url::DatabaseUrl;
pub use users::UserRow;
pub use watched::WatchedRow;
pub use wishes::{Given, WishRow, WishesBefore};
