//! CLIENT, ALLPING and ALLSEND: what clients answer. A client of dmon is asked at its port; for a host with our agent
//! the server answers from what it knows, because its agent keeps a connection open and needs no port.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use lockstep_model::{HostName, ItemName, PackageName, Value};
use tokio::time::{Instant, timeout_at};

use super::Office;
use crate::dmon::hist::{points, table};
use crate::dmon::request::{self, Client, Hist};
use crate::dmon::{json, refused, states, version, wire};
use crate::seams::{HostSaid, Hosts, Standing, Trouble};

/// How long one client may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clients that are asked at once.
const AT_ONCE: usize = 32;
/// How long all of them may take together; who has not had a turn by then is said to be left out.
const ALTOGETHER: Duration = Duration::from_secs(60);
/// Series that a host with our agent is asked for at once; it answers four.
const SERIES_AT_ONCE: usize = 2;

impl<D: Hosts> Office<D> {
    /// `CLIENT HOST COMMAND`: the body of that client's answer.
    pub(super) async fn client(&self, host: &HostName, command: &str) -> String {
        let as_json = command.starts_with("HIST") || command.starts_with("REPORT");
        match self.ask(host, command).await {
            Ok(body) => body,
            Err(why) if as_json => json::said(&refused(&why), []),
            Err(why) => refused(&why),
        }
    }

    /// One command to all clients, their answers one behind the other, each below a line with the host's name.
    pub(super) async fn all(&self, command: &str) -> String {
        let standing = match self.desk.standing(None).await {
            Ok(standing) => standing,
            Err(trouble) => return refused(&trouble.to_string()),
        };
        let until = Instant::now() + ALTOGETHER;
        let answers = stream::iter(standing)
            .map(|said| async move {
                let answer = timeout_at(until, self.ask_if_client(&said, command)).await;
                let answer =
                    answer.unwrap_or_else(|_| Some(Err("there was no time left".into())))?;
                let body = answer.unwrap_or_else(|why| refused(&why));
                Some(format!("-- {}\n{}\n", said.host, body.trim_end()))
            })
            .buffered(AT_ONCE);
        let answers: Vec<Option<String>> = answers.collect().await;
        answers.into_iter().flatten().collect()
    }

    /// What a host answers; none for one that is no client, because nothing was ever heard of it.
    async fn ask_if_client(
        &self,
        said: &HostSaid,
        command: &str,
    ) -> Option<Result<String, String>> {
        let known = self.desk.known(&said.host).await.ok().flatten()?;
        match known.standing {
            Standing::Declared => None,
            Standing::Native | Standing::Foreign => Some(self.ask(&said.host, command).await),
        }
    }

    async fn ask(&self, host: &HostName, command: &str) -> Result<String, String> {
        let asked = request::client(command.as_bytes()).map_err(|bad| bad.why)?;
        match asked {
            Client::Stop(_) => return Err("a client is stopped on its own host".into()),
            Client::Upgrade { .. } => {
                return Err(format!("write UPGRADE {host}, on the server's own machine"));
            }
            Client::Server(_) => return Err("the server is asked by itself".into()),
            _ => {}
        }
        let known = self
            .desk
            .known(host)
            .await
            .map_err(|trouble| trouble.to_string())?;
        match known.map(|known| known.standing) {
            Some(Standing::Native) => self.answer_for(host, asked).await,
            Some(Standing::Foreign | Standing::Declared) => {
                let address = self.desk.address(host);
                let address =
                    address.ok_or_else(|| format!("the fleet file has no address of {host}"))?;
                wire::ask(&address, self.config.client_port, command, PATIENCE).await
            }
            None => Err(format!("nobody knows a host named {host}")),
        }
    }

    /// What a host with our agent would say.
    async fn answer_for(&self, host: &HostName, asked: Client<'_>) -> Result<String, String> {
        let words = |trouble: Trouble| trouble.to_string();
        if let Client::Hist(hist) = asked {
            return self.history(host, hist).await;
        }
        if asked == Client::Send {
            return match self.desk.hint(Some(host)).await.map_err(words)? {
                0 => Err(format!("{host} is not connected; it reports by itself")),
                _ => {
                    let now = states::date(self.desk.now());
                    Ok(format!("next_send {} {now}", self.about.hostname))
                }
            };
        }
        let said = self.desk.standing(Some(host)).await.map_err(words)?;
        let said = said
            .first()
            .ok_or_else(|| format!("nothing was heard of {host} yet"))?;
        let own = PackageName::lockstep();
        let number = said.installed.iter().find(|(package, _)| *package == own);
        let number = number.map_or_else(
            || "unknown".into(),
            |(_, number)| version(&number.to_string()),
        );
        let names = self.names(host).await;
        match asked {
            Client::Ping if said.silent => Err(format!(
                "{host} is silent, last heard of {}",
                states::date_or_never(said.last_seen)
            )),
            Client::Ping => Ok(format!("PONG from Client {number}")),
            Client::State => Ok(states::lines(&[
                format!("version {number}"),
                format!("hostname {host}"),
                format!("server {}", self.about.hostname),
                format!("last report {}", states::date_or_never(said.last_seen)),
                format!("Client state : {}", states::counts(&said.items, &names)),
            ])),
            Client::Report => {
                let items = json::items(&said.items, &names, said.last_seen);
                Ok(serde_json::json!({ host.as_str(): items }).to_string())
            }
            _ => Err(format!(
                "{host} has Lockstep's agent; ask it on its own host"
            )),
        }
    }

    /// HIST of a host with our agent, or of one that it watches.
    async fn history(&self, worker: &HostName, hist: Hist) -> Result<String, String> {
        let host = hist.host.unwrap_or_else(|| worker.clone());
        if host != *worker && !self.desk.watched_by(worker).contains(&host) {
            return Err(format!("{worker} does not watch {host}"));
        }
        let names = match hist.names.is_empty() {
            false => hist.names,
            true => self.numbers_of(&host).await?,
        };
        let ask = |name: ItemName| {
            let host = &host;
            async move {
                let found = self.desk.view(host, &name, hist.view).await;
                (name, found)
            }
        };
        let answers: Vec<_> = stream::iter(names)
            .map(ask)
            .buffered(SERIES_AT_ONCE)
            .collect()
            .await;
        let mut series = Vec::new();
        let mut why = None;
        for (name, found) in answers {
            match found {
                Ok(found) => series.push((name.to_string(), points(&found))),
                Err(trouble) => why = Some(trouble.to_string()),
            }
        }
        match why {
            Some(why) if series.is_empty() => Err(why),
            _ => Ok(table(hist.view, self.desk.now().as_second(), series).answer()),
        }
    }

    /// The items of a host that are numbers.
    async fn numbers_of(&self, host: &HostName) -> Result<Vec<ItemName>, String> {
        let said = self.desk.standing(Some(host)).await;
        let said = said.map_err(|trouble| trouble.to_string())?;
        let items = said.into_iter().flat_map(|said| said.items);
        let numbers = items.filter(|state| matches!(state.value, Value::Number { .. }));
        Ok(numbers.map(|state| state.item).collect())
    }
}
