//! The ways from outside: a real mail server, web servers and programs that take what is delivered.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mail;
mod mail_server;
mod programs;
mod samples;
mod web;
