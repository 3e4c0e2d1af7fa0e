//! Clients and listeners against each other, over real sockets on the loopback interface.
#![expect(
    clippy::unwrap_used,
    reason = "a world that cannot be set up is a failed test"
)]

mod calls;
mod download;
mod ending;
mod events;
mod handshake;
mod judged;
mod limits;
mod pin;
mod strangers;
mod upload;
mod world;
