//! Looks at others: hosts and services, over the network.
//!
//! | item | value | options |
//! |---|---|---|
//! | `ping:HOST` | round trip of an ICMP echo, s | |
//! | `ping_loss:HOST` | lost ones of five echoes, % | |
//! | `tcp:HOST:PORT` | time to connect, or until the expected text has come, s | `send`, `expect` |
//! | `ssh:HOST[:PORT]` | time until an SSH server has said its version, s | |
//! | `tls:HOST:PORT` | time of a TLS handshake, s | `ca`, `insecure`, `name` |
//! | `certificate_expiry:HOST:PORT` | time until the served certificate expires, s; negative after that | `name` |
//! | `http:URL` | time until the body has come, s | `status`, `body`, `not_body`, `method`, `ca`, `insecure`, `auth` |
//! | `dns:NAME` | time until the answer has come, s | `server`, `type`, `expect` |
//! | `ntp:HOST` | how far the host's clock is ahead of ours, s | |
//! | `snmp:OID[@HOST]` | a number, a text, or a rate | `unit`, `rate`, `secret`, `version`, `port` |
//! | `prometheus:URL` | time of a scrape, s | `metrics`, `rate`, `ca`, `insecure`, `auth` |
//! | `prometheus:URL#SERIES` | a series found there | the same |
//!
//! For a host that is watched because it has no agent, `HOST` may be left out: `ping`, `tcp:443`, `http:/health`,
//! `snmp:OID`.
//!
//! Whoever does not answer, or not in time, yields no value, and the verdict that this is critical; an answer that is
//! not the wanted one yields its time and that verdict. What fails on this side (a secret that is not there, a missing
//! permission) yields no value and no verdict.
//!
//! Peers may be hostile. Every wait ends at the deadline, and whatever is read has a limit.

mod address;
mod ca;
mod connect;
mod dns;
mod family;
mod http;
mod ntp;
mod options;
mod ping;
mod prometheus;
mod rate;
mod single;
mod snmp;
mod tcp;
mod tls;
mod words;

#[cfg(test)]
pub(crate) mod world;

use std::sync::Arc;

use crate::probe::{Order, Probe};

pub(crate) use family::{Family, Part};
pub(crate) use options::Options;
pub(crate) use single::slightly_before;
pub(crate) use words::{clean, cut};

/// The probe towards others that an entry names, if it names one.
pub(crate) fn find(order: &Order) -> Option<Result<Arc<dyn Probe>, String>> {
    let make: fn(&Order) -> Result<Arc<dyn Probe>, String> = match order.probe() {
        "ping" => ping::round_trip,
        "ping_loss" => ping::loss,
        "tcp" => tcp::tcp,
        "ssh" => tcp::ssh,
        "tls" => tls::handshake,
        "certificate_expiry" => tls::expiry,
        "http" => http::http,
        "dns" => dns::dns,
        "ntp" => ntp::ntp,
        "snmp" => snmp::snmp,
        "prometheus" => prometheus::prometheus,
        _ => return None,
    };
    Some(make(order))
}
