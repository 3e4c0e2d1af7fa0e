//! Who is asked: `HOST`, `HOST:PORT`, `[2001:db8::1]:PORT`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::probe::Order;

/// A host, and a port of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Peer {
    /// The peer that an entry names; its port may be left out if there is a usual one.
    pub(super) fn of(order: &Order, usual_port: Option<u16>) -> Result<Self, String> {
        let object = order.object().unwrap_or_default();
        let (host, port) = split(object)?;
        // Of a host that is watched from here, `tcp:443` says enough.
        let (host, port) = match (host, port, &order.target) {
            (Some(host), None, Some(_)) if host.bytes().all(|b| b.is_ascii_digit()) => {
                (None, Some(host))
            }
            (host, port, _) => (host, port),
        };
        Ok(Self {
            host: host_or_target(order, host)?,
            port: match (port, usual_port) {
                (Some(port), _) => parse_port(port)?,
                (None, Some(port)) => port,
                (None, None) => {
                    return Err(format!("{} names no port: write HOST:PORT", order.name));
                }
            },
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The host that an entry names, for a protocol without ports.
pub(super) fn host(order: &Order) -> Result<String, String> {
    let object = order.object().unwrap_or_default();
    match split(object)? {
        (host, None) => host_or_target(order, host),
        (_, Some(_)) => Err(format!(
            "{object:?} names a port, and {} has none",
            order.probe()
        )),
    }
}

/// A host, as it is written or as the target of the order.
pub(super) fn host_or_target(order: &Order, host: Option<&str>) -> Result<String, String> {
    match (host, &order.target) {
        (Some(host), _) => checked(host),
        (None, Some(target)) => checked(&target.address),
        (None, None) => Err(format!(
            "the probe {0} looks at a host: write \"{0}:HOST…\"",
            order.probe()
        )),
    }
}

type Parts<'a> = (Option<&'a str>, Option<&'a str>);

/// Host and port, where they are written.
pub(super) fn split(text: &str) -> Result<Parts<'_>, String> {
    let given = |part| Some(part).filter(|part: &&str| !part.is_empty());
    if let Some(rest) = text.strip_prefix('[') {
        let Some((host, behind)) = rest.split_once(']') else {
            return Err(format!("{text:?} has no closing bracket"));
        };
        return match behind.strip_prefix(':') {
            Some(port) => Ok((given(host), given(port))),
            None if behind.is_empty() => Ok((given(host), None)),
            None => Err(format!("{behind:?} stands where a port is expected")),
        };
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((Some(text), None));
    }
    match text.rsplit_once(':') {
        Some((host, port)) => Ok((given(host), given(port))),
        None => Ok((given(text), None)),
    }
}

pub(super) fn parse_port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("{text:?} is not a port from 1 to 65535")),
    }
}

fn checked(host: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.parse::<IpAddr>().is_ok() || (host.len() <= 253 && host.chars().all(is_name)) {
        return Ok(host.into());
    }
    Err(format!("{host:?} is neither a host's name nor an address"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::world::{order, watched};
    use proptest::prelude::*;

    fn peer(order: &Order, usual: Option<u16>) -> String {
        Peer::of(order, usual).map_or_else(|why| why, |peer| peer.to_string())
    }

    #[test]
    fn peers_are_written_in_many_ways() {
        let is = |name, usual, expected: &str| assert_eq!(peer(&order(name), usual), expected);
        is("tcp:db.example.org:5432", None, "db.example.org:5432");
        is("ssh:db", Some(22), "db:22");
        is("tcp:[::1]:80", None, "[::1]:80");
        is("ssh:::1", Some(22), "[::1]:22");
        is("ssh:[::1]", Some(22), "[::1]:22");
        is("tcp:db", None, "tcp:db names no port: write HOST:PORT");
        is("tcp:443", None, "tcp:443 names no port: write HOST:PORT");
        is(
            "ssh",
            Some(22),
            "the probe ssh looks at a host: write \"ssh:HOST…\"",
        );
        is("tcp:db:0", None, "\"0\" is not a port from 1 to 65535");
        is(
            "tcp:a b:1",
            None,
            "\"a b\" is neither a host's name nor an address",
        );
        assert_eq!(host(&order("ping:::1")).unwrap(), "::1");
        assert!(host(&order("ping:db:7")).is_err());
        assert!(host(&order("ping:*")).is_err());
    }

    #[test]
    fn a_watched_host_need_not_be_named() {
        let is = |name, usual, expected: &str| {
            assert_eq!(peer(&watched(name, "10.0.0.7"), usual), expected)
        };
        is("tcp:443", None, "10.0.0.7:443");
        is("tcp::443", None, "10.0.0.7:443");
        is("ssh", Some(22), "10.0.0.7:22");
        is("ssh:2222", Some(22), "10.0.0.7:2222");
        is("tcp:other:443", None, "other:443");
        assert_eq!(host(&watched("ping", "fe80::1")).unwrap(), "fe80::1");
    }

    proptest! {
        #[test]
        fn nothing_makes_the_parser_panic(text in "\\PC{0,40}") {
            let _ = split(&text);
        }
    }
}
