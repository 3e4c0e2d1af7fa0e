//! The server as hosts, operators and publishers see it: over TLS on the loopback, with a clock that the test drives.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod backup;
mod downloads;
mod enrolment;
mod first_start;
mod hostile;
mod operators;
mod postgres;
mod publishing;
mod reports;
mod rollouts;
mod streams;
mod world;
