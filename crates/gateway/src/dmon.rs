//! dmon: its server's commands (port 22007) and its client's (port 22008).
//!
//! dmon is a distributed monitor. Each connection carries one request line and one answer, which stands between the
//! lines `COMMAND NAME` and `COMMAND DONE`. There is no encryption, and an address is all that says who speaks. So what
//! comes this way never overrides what a host with our agent says of itself, and programs are not taken.
//!
//! | | [`server`] | [`client`] |
//! |---|---|---|
//! | who may connect | `senders` (loopback), and hosts by the addresses that the fleet file has | `senders` (loopback), and the addresses of the agent's servers |
//! | who may UPGRADE | this machine | the addresses of the agent's servers |
//! | connections | `connections` (256), of one address a quarter | 32, of one address a quarter |
//! | request line | 64 KiB; 8 MiB of REPORT, EVENTS and UPGRADE, eight of them at once | the same |
//! | time for it | 10 s; 30 s if it is longer than 64 KiB | the same |
//! | answer | 16 MiB, to be fetched within 60 s | the same |
//! | relays | 32 at once, 10 s each, 60 s in all | one, 30 s |
//!
//! The wire format is docs/protocols/dmon.md. [`request`] and [`json`] are the parsers, [`wire`] is the framing,
//! [`hist`] the grouping of history.

pub mod client;
pub mod hist;
pub mod json;
pub mod request;
pub mod server;
pub mod wire;

mod states;
mod works;

/// What the server says of itself in STATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its version, as in `0.1.0`.
    pub version: String,
    /// The name of its machine.
    pub hostname: String,
    /// Where its log goes, in words or as a path.
    pub log: String,
    /// How much is logged, as in `info`.
    pub log_level: String,
}

/// The version as dmon writes versions: name and number.
fn version(number: &str) -> String {
    format!("lockstep-{number}")
}

/// One line of an answer, whatever was in the text.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// What could not be done.
fn refused(why: &str) -> String {
    format!("refused: {}", one_line(why))
}
