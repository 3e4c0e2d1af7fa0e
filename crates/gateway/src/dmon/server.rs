//! The server's commands, port 22007.
//!
//! What each word means here is in docs/protocols/dmon.md. Who asks is known by the address: a host of the fleet file
//! may report itself and the hosts that it watches; an address of `senders` that is no host's may report any host
//! without our agent.

mod clients;
mod relay;
mod reports;
mod upgrade;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use lockstep_model::{HostName, LevelNames};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::request::{self, Bad, Server};
use super::wire::{self, Reader, Unread};
use super::{About, json, refused, states, works};
use crate::seams::Hosts;
use crate::{config, text};

/// How long an answer may take to be made.
const LONGEST: Duration = Duration::from_secs(75);

/// Serves until `stop` is cancelled.
pub async fn serve<D: Hosts>(
    listener: TcpListener,
    config: config::Dmon,
    desk: Arc<D>,
    about: About,
    stop: CancellationToken,
) {
    let port = listener.local_addr().unwrap_or(config.listen).port();
    let connections = config.connections;
    let office = Arc::new(Office {
        config,
        desk,
        about,
        port,
        reader: Reader::new(),
    });
    let door = Arc::clone(&office);
    let admit = move |address| door.admits(address);
    let visit = move |stream, from| {
        let office = Arc::clone(&office);
        async move { office.visit(stream, from).await }
    };
    text::serve("dmon", listener, connections, admit, visit, stop).await;
}

/// What all connections share.
struct Office<D> {
    config: config::Dmon,
    desk: Arc<D>,
    about: About,
    /// The port that is listened on.
    port: u16,
    reader: Reader,
}

impl<D: Hosts> Office<D> {
    fn admits(&self, address: IpAddr) -> bool {
        self.config.senders.admit(address) || self.sender(address).is_some()
    }

    /// The host of the fleet file that is at an address.
    fn sender(&self, address: IpAddr) -> Option<HostName> {
        self.desk.at_address(address.to_canonical())
    }

    async fn visit(&self, mut stream: TcpStream, from: SocketAddr) {
        let line = match self.reader.line(&mut stream).await {
            Ok(line) => line,
            Err(Unread::Nothing) => return,
            Err(unread) => {
                tracing::info!(gateway = "dmon", %from, %unread, "not understood");
                let text = wire::frame("UNKNOWN", &refused(&unread.to_string()));
                return wire::answer(&mut stream, &text).await;
            }
        };
        let (name, body) = match timeout(LONGEST, self.command(&line, from)).await {
            Ok(answer) => answer,
            Err(_) => (
                "UNKNOWN".into(),
                refused("the answer could not be made in time"),
            ),
        };
        let body = match body.len() <= wire::LONGEST_ANSWER {
            true => body,
            false => refused("the answer is too long: ask for one host"),
        };
        tracing::info!(gateway = "dmon", %from, command = name, bytes = body.len(), "asked");
        wire::answer(&mut stream, &wire::frame(&name, &body)).await;
    }

    /// The name for the frame, and the body.
    async fn command(&self, line: &[u8], from: SocketAddr) -> (String, String) {
        let command = match request::server(line) {
            Ok(command) => command,
            Err(Bad { name, why }) => return (name, refused(&why)),
        };
        let address = from.ip().to_canonical();
        let (name, body) = match command {
            Server::Ping => ("PING", "PONG from Server".into()),
            Server::State => (
                "STATE",
                self.state(from).await.unwrap_or_else(|why| refused(&why)),
            ),
            Server::Work { kind, host, text } => {
                let name = if text { "WORK" } else { "WORK_LM" };
                (name, self.work(kind, &host, text).await)
            }
            Server::Report(text) => ("REPORT", self.report(address, text).await),
            Server::Events(text) => ("EVENTS", self.events(address, text).await),
            Server::Clients(words) => ("CLIENTS", self.clients(&words).await),
            Server::Client { host, command } => ("CLIENT", self.client(&host, command).await),
            Server::AllPing => ("ALLPING", self.all("PING").await),
            Server::AllSend => ("ALLSEND", self.all("SEND").await),
            Server::Upgrade { host, program } => (
                "UPGRADE",
                self.upgrade(address, host.as_ref(), program).await,
            ),
        };
        (name.into(), body)
    }

    async fn state(&self, from: SocketAddr) -> Result<String, String> {
        let standing = self.desk.standing(None).await;
        let clients = standing.map_err(|trouble| trouble.to_string())?.len();
        let About {
            version,
            hostname,
            log,
            log_level,
        } = &self.about;
        Ok(states::lines(&[
            format!("version {}", super::version(version)),
            format!("logfile {log}"),
            format!("loglevel {log_level}"),
            format!("listening on port {} as a Server", self.port),
            format!(
                "Server is processing a command-session << {} port {}",
                from.ip().to_canonical(),
                from.port()
            ),
            format!("hostname {hostname}"),
            format!("Server state : keeping state for {clients} clients"),
        ]))
    }

    async fn work(&self, kind: &str, host: &HostName, text: bool) -> String {
        match works::find(&*self.desk, self.config.works.as_deref(), kind, host).await {
            Ok(file) => {
                let data = text.then_some(file.text);
                let more = [("data", data.into()), ("lm", file.changed_at.into())];
                json::said("ok work", more)
            }
            Err(why) => json::said(&refused(&why), []),
        }
    }

    /// The fleet's names of the levels, as a host is told them.
    async fn names(&self, host: &HostName) -> LevelNames {
        let work = self.desk.work(host).await.ok().flatten();
        work.map(|(work, _)| work.levels).unwrap_or_default()
    }
}
