//! CLIENTS: the states of hosts, and what happened to them.

use lockstep_model::{HostName, LevelNames};
use serde_json::{Map, Value as Json};

use super::Office;
use crate::dmon::json;
use crate::dmon::refused;
use crate::dmon::request::{Filter, Spec};
use crate::seams::{HostSaid, Hosts};

/// Events in one answer.
const MOST_EVENTS: u32 = 1_000;

impl<D: Hosts> Office<D> {
    pub(super) async fn clients(&self, words: &[&str]) -> String {
        match self.said_of_clients(words).await {
            Ok((states, events)) => {
                json::said("ok clients", [("cdmp", states), ("events", events)])
            }
            Err(why) => json::said(&refused(&why), []),
        }
    }

    async fn said_of_clients(&self, words: &[&str]) -> Result<(Json, Json), String> {
        let standing = self.desk.standing(None).await;
        let standing = standing.map_err(|trouble| trouble.to_string())?;
        let is_host = |name: &HostName| standing.iter().any(|said| said.host == *name);
        let filter = Filter::parse(words, is_host)?;
        if let Some(host) = filter.host.as_ref().filter(|host| !is_host(host)) {
            return Err(format!("nobody knows a host named {host}"));
        }
        let names = match standing.first() {
            Some(said) => self.names(&said.host).await,
            None => LevelNames::default(),
        };
        let wanted = |said: &&HostSaid| filter.host.as_ref().is_none_or(|host| *host == said.host);
        let states = standing.iter().filter(wanted).map(|said| {
            let of_name = |name: &str| filter.item.as_ref().is_none_or(|item| item == name);
            let items = said
                .items
                .iter()
                .filter(|state| of_name(state.item.as_str()));
            (
                said.host.to_string(),
                json::items(items, &names, said.last_seen),
            )
        });
        let states = Json::Object(states.collect::<Map<_, _>>());
        Ok((states, self.recent(&filter, &names).await?))
    }

    /// The events that the filter lets through, newest first.
    async fn recent(&self, filter: &Filter, names: &LevelNames) -> Result<Json, String> {
        let since = match filter.spec {
            Spec::Within(back) => self.desk.now().checked_sub(back.duration()).ok(),
            Spec::All | Spec::Last(_) => None,
        };
        let events = self
            .desk
            .events(filter.host.as_ref(), since, MOST_EVENTS)
            .await;
        let events = events.map_err(|trouble| trouble.to_string())?;
        let most = match filter.spec {
            Spec::Last(count) => count.min(MOST_EVENTS),
            Spec::All | Spec::Within(_) => MOST_EVENTS,
        };
        let of_item = |item: &str| filter.item.as_ref().is_none_or(|wanted| wanted == item);
        let events = events
            .iter()
            .filter(|said| of_item(said.event.item.as_str()))
            .filter_map(|said| json::event(said, names))
            .take(most as usize);
        Ok(events.collect())
    }
}
