//! Who may connect: addresses and networks.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The networks from which a gateway takes connections. IPv4 addresses that come in IPv6 clothes count as what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Senders(Vec<IpNet>);

/// Networks in one list, at most.
const MOST: usize = 1_000;

impl Senders {
    /// Parses addresses (`10.0.0.5`) and networks (`10.0.0.0/8`, `::1/128`).
    ///
    /// # Errors
    /// In words, for a text that is neither, and for a list that is too long.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut networks = Vec::new();
        for text in texts {
            let network = match text.parse::<IpAddr>() {
                Ok(address) => IpNet::from(address),
                Err(_) => text.parse::<IpNet>().map_err(|_| {
                    format!("{text:?} is neither an address nor a network such as \"10.0.0.0/8\"")
                })?,
            };
            networks.push(network.trunc());
        }
        if networks.len() > MOST {
            return Err(format!(
                "a list of senders has at most {MOST} networks, this one {}",
                networks.len()
            ));
        }
        Ok(Self(networks))
    }

    /// This machine alone.
    #[must_use]
    pub fn loopback() -> Self {
        Self::parse(["127.0.0.0/8", "::1"]).expect("these are networks")
    }

    /// True if whoever is at this address may connect.
    #[must_use]
    pub fn admit(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl Default for Senders {
    fn default() -> Self {
        Self::loopback()
    }
}

impl<'de> Deserialize<'de> for Senders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        Self::parse(texts.iter().map(String::as_str)).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Senders {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

impl fmt::Display for Senders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.pad(&texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_admitted_and_no_others() {
        let senders = Senders::parse(["10.1.2.3/8", "192.0.2.7", "2001:db8::/32"]).unwrap();
        for (address, expected) in [
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:1::1", true),
            ("127.0.0.1", false),
        ] {
            assert_eq!(
                senders.admit(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
        assert!(Senders::loopback().admit("127.9.9.9".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused_in_words() {
        let error = Senders::parse(["10.0.0.0/33"]).unwrap_err();
        assert!(error.contains("10.0.0.0/33"), "{error}");
        assert!(Senders::parse(["host1"]).is_err());
        assert!(
            !Senders::parse([])
                .unwrap()
                .admit("127.0.0.1".parse().unwrap())
        );
    }
}
