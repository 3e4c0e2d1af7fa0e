//! Real parts for tests: temporary PostgreSQL, real agents and servers, the test of the house.

mod postgres;

pub use postgres::{Fsync, Postgres};
