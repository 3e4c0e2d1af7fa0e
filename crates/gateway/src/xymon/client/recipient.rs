//! To whom: `host` or `host:port`, as Xymon's programs have it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Xymon's port.
pub const PORT: u16 = 1984;

/// A Xymon server: a name or an address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Recipient {
    host: String,
    port: u16,
}

impl Recipient {
    /// Parses `host`, `host:port`, an address, or `[::1]:port`.
    ///
    /// # Errors
    /// In words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = || {
            Err(format!(
                "{text:?} is no Xymon server: \"HOST\" or \"HOST:{PORT}\" is meant, without http://"
            ))
        };
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => match rest.split_once(']') {
                Some((host, "")) => (host, None),
                Some((host, rest)) if rest.starts_with(':') => (host, Some(&rest[1..])),
                _ => return refuse(),
            },
            // More colons than one are an address of IPv6 as it stands.
            None if text.matches(':').count() > 1 => (text, None),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port.map(str::parse::<u16>) {
            None => PORT,
            Some(Ok(port)) if port != 0 => port,
            Some(_) => return refuse(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if host.is_empty() || host.len() > 253 || !host.chars().all(plain) {
            return refuse();
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// The name or address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        f.pad(&text)
    }
}

impl FromStr for Recipient {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl Serialize for Recipient {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Recipient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_names_or_addresses_with_a_port_or_without() {
        for (text, shown) in [
            ("xymon.example.org", "xymon.example.org:1984"),
            ("127.0.0.1:19840", "127.0.0.1:19840"),
            ("::1", "[::1]:1984"),
            ("[::1]:7", "[::1]:7"),
            ("[::1]", "[::1]:1984"),
        ] {
            let recipient = Recipient::parse(text).unwrap();
            assert_eq!(recipient.to_string(), shown);
            assert_eq!(Recipient::parse(shown).unwrap(), recipient);
        }
        for bad in [
            "",
            ":1984",
            "a:0",
            "a:x",
            "a:70000",
            "http://a/",
            "[::1",
            "[::1]x",
            "a b",
            "a\n",
        ] {
            assert!(Recipient::parse(bad).is_err(), "{bad:?}");
        }
    }
}
