//! What all connections of the gateway share.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockstep_model::HostName;
use lockstep_net::tls::TlsAcceptorSource;
use tokio::sync::Semaphore;

use super::home::Home;
use super::memory::Memory;
use super::wire::Bounds;
use crate::config;
use crate::seams::{Hosts, Standing};

/// Longest name of a stranger that is remembered, in bytes.
const LONGEST_GHOST: usize = 253;

/// The gateway, as each connection sees it.
pub(super) struct Context<D> {
    /// The server.
    pub(super) desk: Arc<D>,
    /// `[gateway.xymon]`.
    pub(super) config: config::Xymon,
    /// How TLS is spoken, if it is.
    pub(super) tls: Option<TlsAcceptorSource>,
    /// The files of the installation.
    pub(super) home: Home,
    /// What is remembered.
    pub(super) memory: Mutex<Memory>,
    /// What a sender gets.
    pub(super) bounds: Bounds,
    /// Places for large messages.
    pub(super) large: Semaphore,
}

/// Somebody of whom a message is taken.
#[derive(Debug, Clone)]
pub(super) struct Who {
    /// The host.
    pub(super) host: HostName,
    /// True if `hosts.cfg` has it.
    pub(super) declared: bool,
    /// True if our agent runs there: then nothing of the message is taken.
    pub(super) native: bool,
    /// The class of its `CLASS:` tag.
    pub(super) class: Option<String>,
}

impl<D: Hosts> Context<D> {
    /// The memory. It is never held while something is waited for.
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose message it is. None for a stranger, who is remembered as one, and when the server cannot say.
    pub(super) async fn who(&self, name: &str, from: IpAddr) -> Option<Who> {
        let loaded = self.home.now();
        let entry = loaded.hosts.find(name);
        let class = entry
            .and_then(|entry| loaded.hosts.class(entry))
            .map(str::to_owned);
        let declared = entry.is_some();
        let host = match entry {
            Some(entry) => Some(entry.host.clone()),
            None => HostName::parse(&name.to_lowercase()).ok(),
        };
        let Some(host) = host else {
            self.ghost(name, from);
            return None;
        };
        let known = match self.desk.known(&host).await {
            Ok(known) => known,
            Err(error) => {
                tracing::warn!(gateway = "xymon", %host, %from, %error, "a message was not taken");
                return None;
            }
        };
        if known.is_none() && !declared {
            self.ghost(name, from);
            return None;
        }
        Some(Who {
            host,
            declared,
            native: known.is_some_and(|known| known.standing == Standing::Native),
            class,
        })
    }

    /// The host of a name, for those who only ask.
    #[must_use]
    pub(super) fn named(&self, name: &str) -> Option<HostName> {
        let loaded = self.home.now();
        match loaded.hosts.find(name) {
            Some(entry) => Some(entry.host.clone()),
            None => HostName::parse(&name.to_lowercase()).ok(),
        }
    }

    fn ghost(&self, name: &str, from: IpAddr) {
        let name = super::status::cut(name, LONGEST_GHOST);
        if self.memory().ghost(&name, from, self.desk.now()) {
            tracing::warn!(
                gateway = "xymon",
                name,
                %from,
                "a host reports that neither hosts.cfg nor the fleet file names"
            );
        }
    }
}

/// Does what blocks in a thread of its own; none if the process is ending.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}
