//! The client's commands, port 22008: an agent that can be asked as dmon's is.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{HostName, ItemName, ItemState, LevelNames, Series, Version, View};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::hist::{points, table};
use super::request::{self, Bad, Client, Hist};
use super::wire::{self, Reader, Unread};
use super::{json, one_line, refused, states, version};
use crate::{Senders, text};

/// Connections at once.
const CONNECTIONS: usize = 32;
/// How long the agent may take for an answer.
const LONGEST: Duration = Duration::from_secs(60);
/// How long dmon's server may take for one.
const SERVER_PATIENCE: Duration = Duration::from_secs(30);
/// The port of dmon's server, where none is given.
const SERVER_PORT: u16 = 22_007;

/// `[gateway.dmon]` of `agent.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it listens, as in `"127.0.0.1:22008"`. The port is open to whoever may connect, without encryption.
    pub listen: SocketAddr,
    /// Who may connect, besides the agent's servers.
    #[serde(default)]
    pub senders: Senders,
    /// dmon's server, `HOST` or `HOST:PORT`, to which SERVER passes commands on, and which counts as one of the agent's
    /// servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

impl Config {
    /// dmon's server as a name and a port.
    ///
    /// # Errors
    /// In words, for what is neither `HOST` nor `HOST:PORT`.
    pub fn server(&self) -> Result<Option<(String, u16)>, String> {
        let Some(text) = &self.server else {
            return Ok(None);
        };
        let (host, port) = match text.rsplit_once(':') {
            None => (text.as_str(), Some(SERVER_PORT)),
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        match port {
            Some(port) if !host.is_empty() && host.chars().all(is_name) => {
                Ok(Some((host.to_owned(), port)))
            }
            _ => Err(format!("{text:?} must look like \"HOST:{SERVER_PORT}\"")),
        }
    }
}

/// How an agent stands.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Its host.
    pub host: HostName,
    /// The server that it reports to.
    pub server: String,
    /// Since when it has its work document; none while it has none.
    pub work: Option<Timestamp>,
    /// Where its log goes.
    pub log: String,
    /// How much is logged.
    pub log_level: String,
    /// The names of the levels.
    pub names: LevelNames,
    /// Its items.
    pub items: Vec<ItemState>,
    /// The hosts that it watches, with their items.
    pub watched: Vec<(HostName, Vec<ItemState>)>,
}

/// What came of UPGRADE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upgrade {
    /// The host runs what it shall.
    Nothing,
    /// It is on its way to this version.
    To(Version),
}

/// What the gateway asks of an agent. Errors are words for people.
pub trait Agent: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Timestamp;

    /// The version that runs.
    fn version(&self) -> String;

    /// True for the address of a server that the agent reports to, or of dmon's.
    fn is_server(&self, address: IpAddr) -> bool;

    /// How it stands.
    fn state(&self) -> impl Future<Output = Result<State, String>> + Send;

    /// Stops the agent in an orderly way, if the secret is the one that it made at its start.
    fn stop(&self, secret: &str) -> impl Future<Output = Result<(), String>> + Send;

    /// The history of items; no names stand for all that there are.
    fn history(
        &self,
        host: Option<HostName>,
        view: View,
        names: Vec<ItemName>,
    ) -> impl Future<Output = Result<Vec<Series>, String>> + Send;

    /// Moves the next report to a random moment that is near; the server that gets it, and when.
    fn send(&self) -> impl Future<Output = Result<(String, Timestamp), String>> + Send;

    /// Reports now, and follows the order that comes back, as far as the host's own settings allow.
    fn upgrade(&self) -> impl Future<Output = Result<Upgrade, String>> + Send;

    /// Folds the history now; what was done, in words.
    fn zap(&self) -> impl Future<Output = Result<String, String>> + Send;
}

/// Serves until it is dropped.
pub async fn serve<A: Agent>(listener: TcpListener, config: Config, agent: Arc<A>) {
    let port = listener.local_addr().unwrap_or(config.listen).port();
    let office = Arc::new(Office {
        config,
        agent,
        port,
        reader: Reader::new(),
    });
    let door = Arc::clone(&office);
    let admit = move |address: IpAddr| door.admits(address);
    let visit = move |stream, from| {
        let office = Arc::clone(&office);
        async move { office.visit(stream, from).await }
    };
    let never = CancellationToken::new();
    text::serve("dmon", listener, CONNECTIONS, admit, visit, never).await;
}

struct Office<A> {
    config: Config,
    agent: Arc<A>,
    port: u16,
    reader: Reader,
}

impl<A: Agent> Office<A> {
    fn admits(&self, address: IpAddr) -> bool {
        self.config.senders.admit(address) || self.agent.is_server(address.to_canonical())
    }

    async fn visit(&self, mut stream: TcpStream, from: SocketAddr) {
        let line = match self.reader.line(&mut stream).await {
            Ok(line) => line,
            Err(Unread::Nothing) => return,
            Err(unread) => {
                let text = wire::frame("UNKNOWN", &refused(&unread.to_string()));
                return wire::answer(&mut stream, &text).await;
            }
        };
        let (name, body) = match timeout(LONGEST, self.command(&line, from)).await {
            Ok(answer) => answer,
            Err(_) => (
                "UNKNOWN".into(),
                refused("the agent does not answer in time"),
            ),
        };
        tracing::info!(gateway = "dmon", %from, command = name, "asked");
        wire::answer(&mut stream, &wire::frame(&name, &body)).await;
    }

    async fn command(&self, line: &[u8], from: SocketAddr) -> (String, String) {
        let command = match request::client(line) {
            Ok(command) => command,
            Err(Bad { name, why }) => return (name, refused(&why)),
        };
        let in_words = |answer: Result<String, String>| answer.unwrap_or_else(|why| refused(&why));
        let in_json = |answer: Result<String, String>| {
            answer.unwrap_or_else(|why| json::said(&refused(&why), []))
        };
        let (name, body) = match command {
            Client::Ping => {
                let version = version(&self.agent.version());
                ("PING", format!("PONG from Client {version}"))
            }
            Client::State => ("STATE", in_words(self.state(from).await)),
            Client::Stop(secret) => {
                let stopped = self.agent.stop(secret).await;
                ("STOP", in_words(stopped.map(|()| "ok stopping".into())))
            }
            Client::Hist(hist) => ("HIST", in_json(self.history(hist).await)),
            Client::Send => {
                let next = self.agent.send().await;
                let next =
                    next.map(|(server, at)| format!("next_send {server} {}", states::date(at)));
                ("SEND", in_words(next))
            }
            Client::Upgrade { program } => {
                ("UPGRADE", in_words(self.upgrade(from.ip(), program).await))
            }
            Client::Server(command) => ("SERVER", in_words(self.server(command).await)),
            Client::Report => ("REPORT", in_json(self.report().await)),
            Client::Zap => ("ZAP", in_words(self.agent.zap().await)),
        };
        (name.into(), body)
    }

    async fn state(&self, from: SocketAddr) -> Result<String, String> {
        let state = self.agent.state().await?;
        let work = state.work.map_or_else(|| "none".into(), states::date);
        Ok(states::lines(&[
            format!("version {}", version(&self.agent.version())),
            format!("logfile {}", state.log),
            format!("loglevel {}", state.log_level),
            format!("listening on port {} as a Client", self.port),
            format!(
                "Client is processing a command-session << {} port {}",
                from.ip().to_canonical(),
                from.port()
            ),
            format!("hostname {}", state.host),
            format!("server {}", state.server),
            format!("work {work}"),
            format!(
                "Client state : {}",
                states::counts(&state.items, &state.names)
            ),
        ]))
    }

    async fn history(&self, hist: Hist) -> Result<String, String> {
        let series = self.agent.history(hist.host, hist.view, hist.names).await?;
        let series = series
            .iter()
            .map(|series| (series.item.to_string(), points(series)));
        Ok(table(hist.view, self.agent.now().as_second(), series).answer())
    }

    async fn upgrade(&self, from: IpAddr, program: bool) -> Result<String, String> {
        if !self.agent.is_server(from.to_canonical()) {
            return Err("UPGRADE is for this host's server".into());
        }
        if program {
            return Err("programs are not taken, only signed releases: publish one and promote it, then write UPGRADE without a program".into());
        }
        let host = self.agent.state().await?.host;
        let old = self.agent.version();
        Ok(match self.agent.upgrade().await {
            Ok(Upgrade::Nothing) => format!("upgrade {host} ok {old}"),
            Ok(Upgrade::To(new)) => format!("upgrade {host} ok {old} \u{2192} {new}"),
            Err(why) => format!("upgrade {host} refused: {}", one_line(&why)),
        })
    }

    async fn server(&self, command: &str) -> Result<String, String> {
        let server = self.config.server()?;
        let (host, port) =
            server.ok_or("agent.toml names no server of dmon: gateway.dmon.server")?;
        wire::ask(&host, port, command, SERVER_PATIENCE).await
    }

    async fn report(&self) -> Result<String, String> {
        let state = self.agent.state().await?;
        let now = Some(self.agent.now());
        let own = (&state.host, &state.items);
        let watched = state.watched.iter().map(|(host, items)| (host, items));
        let hosts = std::iter::once(own).chain(watched);
        let hosts =
            hosts.map(|(host, items)| (host.to_string(), json::items(items, &state.names, now)));
        Ok(Json::Object(hosts.collect::<Map<_, _>>()).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_of_dmon_is_a_name_and_a_port() {
        let server = |text: &str| {
            let config = Config {
                listen: "127.0.0.1:22008".parse().unwrap(),
                senders: Senders::loopback(),
                server: Some(text.into()),
            };
            config.server()
        };
        assert_eq!(
            server("dmon.example.org"),
            Ok(Some(("dmon.example.org".into(), 22_007)))
        );
        assert_eq!(server("10.0.0.1:7"), Ok(Some(("10.0.0.1".into(), 7))));
        assert_eq!(server("[::1]:7"), Ok(Some(("::1".into(), 7))));
        for bad in ["", ":7", "a:0", "a:b", "a b:7"] {
            assert!(server(bad).is_err(), "{bad}");
        }
    }
}
