//! Xymon: clients report on TCP 1984 and update themselves from there.

pub mod client;
pub mod message;
pub mod sections;
#[cfg(feature = "http")]
pub mod server;

#[cfg(feature = "http")]
pub use server::serve;
