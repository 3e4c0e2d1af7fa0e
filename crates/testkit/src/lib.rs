//! Real parts for tests: temporary PostgreSQL, a browser, the test of the house.

pub mod browser;
mod postgres;

pub use postgres::{Fsync, Postgres};
