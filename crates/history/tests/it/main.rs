//! History from outside: views against what they should be, killed processes, wrong clocks, damaged files.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod brute;
mod clocks;
mod damaged;
mod killed;
mod small;
mod world;
mod year;
