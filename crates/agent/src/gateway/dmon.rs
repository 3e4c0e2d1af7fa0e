//! The port of dmon's client on this host (`[gateway.dmon]`): opened and closed here, spoken in `gateway`, answered by
//! the worker.
//!
//! The worker's loop takes one [`Wish`] at a time from a bounded channel, and nothing that is slow is done in it.

mod asker;
mod servers;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_gateway::dmon::client::{self, Config, State};
use lockstep_host::fs::Mode;
use lockstep_host::{Layout, fault, fs};
use lockstep_model::{HostName, ItemName, Series, Version, View};
use lockstep_net::Clock;
use lockstep_trust::identity::new_secret;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tracing::{info, warn};

use self::asker::Asker;
use self::servers::Servers;
use crate::config::AgentConfig;
use crate::local::WorkerAnswer;
use crate::words;

/// Wishes that wait for the worker.
const MOST_WISHES: usize = 16;
/// An address that is taken is tried again after this time: the worker of another version may still have it.
const BIND_AGAIN: Duration = Duration::from_secs(5);
/// The file with the secret of STOP, below `run/lockstep`.
const SECRET_FILE: &str = "dmon.stp";

/// What the worker is asked for.
#[derive(Debug)]
pub(crate) enum Wish {
    /// How does the host stand?
    State(oneshot::Sender<State>),
    /// What does the history hold? No names stand for all items.
    History {
        /// Whose; none for this host.
        host: Option<HostName>,
        /// Which view.
        view: View,
        /// Which items.
        names: Vec<ItemName>,
        /// Where the series go.
        answer: oneshot::Sender<Result<Vec<Series>, String>>,
    },
    /// Report soon, at a random moment.
    Send(oneshot::Sender<(String, Timestamp)>),
    /// Report now, and follow the order.
    Upgrade(oneshot::Sender<WorkerAnswer>),
    /// Fold the history now.
    Zap(oneshot::Sender<Result<String, String>>),
}

/// The port, open or not.
pub(crate) struct Port {
    layout: Layout,
    clock: Clock,
    version: Version,
    wishes: mpsc::Sender<Wish>,
    /// What is open, and for which servers.
    open: Option<(Config, Vec<String>)>,
    /// Made once for each start.
    secret: Option<String>,
    task: Option<AbortHandle>,
}

impl Port {
    /// Opens it, if the configuration has it. Wishes come out of the channel.
    pub(crate) fn begin(
        layout: &Layout,
        config: &AgentConfig,
        version: &Version,
        clock: &Clock,
    ) -> (Self, mpsc::Receiver<Wish>) {
        let (wishes, wished) = mpsc::channel(MOST_WISHES);
        let mut port = Self {
            layout: layout.clone(),
            clock: clock.clone(),
            version: version.clone(),
            wishes,
            open: None,
            secret: None,
            task: None,
        };
        port.listen(config);
        (port, wished)
    }

    /// Opens it as the configuration says from now on, or closes it.
    pub(crate) fn listen(&mut self, config: &AgentConfig) {
        let dmon = config.gateway.dmon.clone();
        let wanted = dmon.map(|dmon| (dmon, config.servers.clone()));
        if wanted == self.open {
            return;
        }
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.open = wanted;
        let Some((dmon, servers)) = self.open.clone() else {
            return;
        };
        if self.secret.is_none() {
            self.secret = self.make_secret();
        }
        let servers = Arc::new(Servers::of(&servers, &dmon));
        let asker = Asker {
            wishes: self.wishes.clone(),
            clock: self.clock.clone(),
            version: self.version.to_string(),
            servers: Arc::clone(&servers),
            secret: self.secret.clone(),
            layout: self.layout.clone(),
        };
        let task = tokio::spawn(async move {
            servers.resolve().await;
            let listener = bind(dmon.listen).await;
            tokio::select! {
                () = client::serve(listener, dmon, Arc::new(asker)) => {}
                () = servers.keep_resolving() => {}
            }
        });
        self.task = Some(task.abort_handle());
    }

    /// A new secret, and its file. Without one nobody can STOP this agent.
    fn make_secret(&self) -> Option<String> {
        let path = self.layout.run_dir().join(SECRET_FILE);
        let made = new_secret().map_err(|error| words(&error));
        let written = made.and_then(|secret| {
            let text = format!("{secret}\n");
            fault::uncounted(|| fs::write_durable(&path, text.as_bytes(), Mode::Private))
                .map_err(|error| words(&error))?;
            Ok(secret)
        });
        written
            .inspect_err(|error| warn!(error, path = %path.display(), "no secret for dmon's STOP"))
            .ok()
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").finish_non_exhaustive()
    }
}

/// Binds the address, as soon as it is free.
async fn bind(address: SocketAddr) -> TcpListener {
    let mut is_said = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                info!(%address, "dmon's commands are answered");
                return listener;
            }
            Err(error) if !is_said => {
                is_said = true;
                warn!(%error, %address, "gateway.dmon.listen cannot be used; tried again");
            }
            Err(_) => {}
        }
        tokio::time::sleep(BIND_AGAIN).await;
    }
}
