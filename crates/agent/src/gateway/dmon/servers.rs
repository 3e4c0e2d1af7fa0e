//! At which addresses this host's servers are: they may connect, and they alone may order an upgrade.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use lockstep_gateway::dmon::client::Config;
use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};
use tracing::debug;

/// Names are looked up again after this time: a server that moves is let in soon.
const AGAIN: Duration = Duration::from_secs(60);
/// How long one look-up may take.
const LOOK_UP: Duration = Duration::from_secs(5);
/// Addresses of one name.
const MOST: usize = 16;

/// The servers by name, with the addresses that were found last.
#[derive(Debug)]
pub(super) struct Servers(RwLock<BTreeMap<String, BTreeSet<IpAddr>>>);

impl Servers {
    /// Those that the agent reports to, and dmon's.
    pub(super) fn of(servers: &[String], dmon: &Config) -> Self {
        let own = servers.iter().filter_map(|url| host_of(url));
        let theirs = dmon.server().ok().flatten().map(|(host, _)| host);
        let names = own.chain(theirs).map(|name| (name, BTreeSet::new()));
        Self(RwLock::new(names.collect()))
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let servers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        servers.values().any(|known| known.contains(&address))
    }

    /// Looks all names up. One that cannot be looked up keeps the addresses that it had.
    pub(super) async fn resolve(&self) {
        let names: Vec<String> = {
            let servers = self.0.read().unwrap_or_else(PoisonError::into_inner);
            servers.keys().cloned().collect()
        };
        for name in names {
            match timeout(LOOK_UP, lookup_host((name.as_str(), 0))).await {
                Ok(Ok(found)) => {
                    let found = found.take(MOST).map(|it| it.ip().to_canonical()).collect();
                    let mut servers = self.0.write().unwrap_or_else(PoisonError::into_inner);
                    servers.insert(name.clone(), found);
                }
                Ok(Err(error)) => debug!(name, %error, "a server's name could not be looked up"),
                Err(_) => debug!(name, "a server's name was not looked up in time"),
            }
        }
    }

    pub(super) async fn keep_resolving(&self) {
        loop {
            sleep(AGAIN).await;
            self.resolve().await;
        }
    }
}

/// The host of `https://HOST:PORT`.
pub(super) fn host_of(url: &str) -> Option<String> {
    let place = url.strip_prefix("https://")?;
    let host = match place.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => place,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_server_is_without_its_port() {
        for (url, expected) in [
            ("https://lockstep.example.org:7440", "lockstep.example.org"),
            ("https://lockstep", "lockstep"),
            ("https://[2001:db8::1]:7440", "2001:db8::1"),
        ] {
            assert_eq!(host_of(url).as_deref(), Some(expected));
        }
        assert_eq!(host_of("http://x"), None);
    }

    #[tokio::test]
    async fn addresses_are_those_of_the_names() {
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            senders: Default::default(),
            server: Some("127.0.0.3:7".into()),
        };
        let servers = Servers::of(&["https://127.0.0.2:7440".into()], &config);
        let has = |address: &str| servers.has(address.parse().unwrap());
        assert!(
            !has("127.0.0.2"),
            "nothing is believed before it was looked up"
        );
        servers.resolve().await;
        assert!(has("127.0.0.2") && has("127.0.0.3") && has("::ffff:127.0.0.2"));
        assert!(!has("127.0.0.1"));
    }
}
