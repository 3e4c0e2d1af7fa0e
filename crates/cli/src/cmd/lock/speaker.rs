//! Who speaks to the server about a lock: this host, or an operator.

use std::fmt;

use lockstep_model::api::{LockAnswer, LockReleased, LockRequest};
use lockstep_model::{Fence, LockName};
use lockstep_net::client::{CallError, HttpClient};

#[cfg(feature = "agent")]
use crate::cmd::agent::RootArgs;
#[cfg(feature = "server")]
use crate::operator::{Operator, OperatorArgs};

/// Options of the commands that a host can give as well as an operator.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SpeakerArgs {
    /// Who takes the lock [default: this host, if it is enrolled and no operator file is named; otherwise the operator]
    #[arg(long = "as", value_name = "WHO", value_enum)]
    who: Option<Who>,
    #[cfg(feature = "agent")]
    #[command(flatten)]
    root: RootArgs,
    #[cfg(feature = "server")]
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Who can take a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Who {
    /// This host, by its certificate
    #[cfg(feature = "agent")]
    Host,
    /// The operator of the operator file
    #[cfg(feature = "server")]
    Operator,
}

/// A connection to the server, as one who can hold a lock.
pub(super) enum Speaker {
    /// This host.
    #[cfg(feature = "agent")]
    Host {
        /// Its name.
        name: lockstep_model::HostName,
        /// One client for each of its servers, in the order of preference.
        clients: Vec<HttpClient>,
    },
    /// The operator of the operator file.
    #[cfg(feature = "server")]
    Operator(Operator),
}

impl SpeakerArgs {
    /// Decides who speaks, and prepares the connection. Nothing is sent yet.
    pub(super) fn open(&self) -> anyhow::Result<Speaker> {
        match self.who {
            #[cfg(feature = "agent")]
            Some(Who::Host) => Ok(self.open_host()?),
            #[cfg(feature = "server")]
            Some(Who::Operator) => self.open_operator(),
            None => self.open_either(),
        }
    }

    #[cfg(all(feature = "agent", feature = "server"))]
    fn open_either(&self) -> anyhow::Result<Speaker> {
        use anyhow::Context;
        if self.operator.operator.is_some() {
            return self.open_operator();
        }
        match self.open_host() {
            Ok(speaker) => Ok(speaker),
            // Somebody who may not read the host's key is not the host.
            Err(why) if is_no_host(&why) => self
                .open_operator()
                .with_context(|| format!("neither host nor operator: {why}")),
            Err(why) => Err(why.into()),
        }
    }

    #[cfg(not(all(feature = "agent", feature = "server")))]
    fn open_either(&self) -> anyhow::Result<Speaker> {
        #[cfg(feature = "agent")]
        return Ok(self.open_host()?);
        #[cfg(feature = "server")]
        return self.open_operator();
    }

    #[cfg(feature = "agent")]
    fn open_host(&self) -> Result<Speaker, lockstep_agent::Error> {
        use lockstep_agent::{Error, Identity, config::AgentConfig};
        use lockstep_model::Version;
        use lockstep_net::Clock;

        let layout = self
            .root
            .layout()
            .map_err(|why| Error::Refused(format!("{why:#}")))?;
        let identity = Identity::load(&layout)?;
        let config = AgentConfig::load(&layout.config())?;
        let clients = config
            .servers
            .iter()
            .map(|server| identity.client(server, &Version::of_this_program(), &Clock::system()));
        let clients: Vec<HttpClient> = clients.collect::<Result<_, _>>()?;
        if clients.is_empty() {
            return Err(Error::Config {
                path: layout.config(),
                why: "it names no servers".into(),
            });
        }
        Ok(Speaker::Host {
            name: identity.host,
            clients,
        })
    }

    #[cfg(feature = "server")]
    fn open_operator(&self) -> anyhow::Result<Speaker> {
        Ok(Speaker::Operator(Operator::open(&self.operator)?))
    }
}

/// True if this is no enrolled host, or if its identity is not for whoever asks.
#[cfg(all(feature = "agent", feature = "server"))]
fn is_no_host(error: &lockstep_agent::Error) -> bool {
    use lockstep_agent::Error;
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied) {
            return true;
        }
        cause = error.source();
    }
    matches!(error, Error::NotEnrolled { .. })
}

impl Speaker {
    /// Asks for a place, or says that it is still wanted.
    pub(super) async fn ask(
        &self,
        lock: &LockName,
        request: &LockRequest,
    ) -> Result<LockAnswer, CallError> {
        let path = self.path(lock);
        self.call(async |client: &HttpClient| client.put_json(&path, request).await)
            .await
    }

    /// Gives the place back: this grant's alone, if one is named.
    pub(super) async fn give_back(
        &self,
        lock: &LockName,
        fence: Option<Fence>,
    ) -> Result<LockReleased, CallError> {
        let path = match fence {
            Some(fence) => format!("{}?fence={fence}", self.path(lock)),
            None => self.path(lock),
        };
        self.call(async |client: &HttpClient| client.delete(&path).await)
            .await
    }

    /// True if this grant is still in force.
    pub(super) async fn still_has(&self, lock: &LockName, fence: Fence) -> Result<bool, CallError> {
        let path = self.path(lock);
        match self {
            #[cfg(feature = "agent")]
            Self::Host { .. } => {
                let standing: lockstep_model::api::LockStanding = self
                    .call(async |client: &HttpClient| client.get_json(&path).await)
                    .await?;
                Ok(standing.fence == Some(fence))
            }
            // No two grants of a lock have one number, so the operator's own name need not be known.
            #[cfg(feature = "server")]
            Self::Operator(operator) => {
                let view: lockstep_model::api::operator::LockView =
                    operator.client().get_json(&path).await?;
                let mut holders = view.lock.state.holders.iter();
                Ok(holders.any(|holder| holder.fence == fence))
            }
        }
    }

    /// The boot id of the host that speaks.
    pub(super) fn boot_id(&self) -> Option<String> {
        match self {
            #[cfg(feature = "agent")]
            Self::Host { .. } => lockstep_host::machine::boot_id().ok(),
            #[cfg(feature = "server")]
            Self::Operator(_) => None,
        }
    }

    /// What `--as` must say so that the same one speaks again.
    pub(super) fn word(&self) -> &'static str {
        match self {
            #[cfg(feature = "agent")]
            Self::Host { .. } => "host",
            #[cfg(feature = "server")]
            Self::Operator(_) => "operator",
        }
    }

    fn path(&self, lock: &LockName) -> String {
        match self {
            #[cfg(feature = "agent")]
            Self::Host { .. } => format!("/agent/v1/locks/{lock}"),
            #[cfg(feature = "server")]
            Self::Operator(_) => format!("/api/v1/locks/{lock}"),
        }
    }

    /// Asks the first server that answers. All of them work on one database, and to ask twice is to ask once.
    async fn call<A>(
        &self,
        ask: impl AsyncFn(&HttpClient) -> Result<A, CallError>,
    ) -> Result<A, CallError> {
        match self {
            #[cfg(feature = "agent")]
            Self::Host { clients, .. } => {
                let (last, others) = clients.split_last().expect("one server at least is named");
                for client in others {
                    match ask(client).await {
                        Err(CallError::Unreachable { .. }) => {}
                        answer => return answer,
                    }
                }
                ask(last).await
            }
            #[cfg(feature = "server")]
            Self::Operator(operator) => ask(operator.client()).await,
        }
    }
}

impl fmt::Display for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "agent")]
            Self::Host { name, .. } => name.fmt(f),
            #[cfg(feature = "server")]
            Self::Operator(_) => f.write_str("the operator"),
        }
    }
}
